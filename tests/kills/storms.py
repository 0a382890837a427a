#!/usr/bin/env python3
"""Several brokers, several members, and none of them stays: leaders die, brokers and members freeze, members come and go.

    storms.py PROGRAM WORK PORT [--seed N] [--seconds 60]

Promises: after each the oracle is satisfied and the topic is the table. Fails unless partitions were really taken from
members that had read them.
"""

import argparse
import random
import signal
import time
from collections import Counter
from pathlib import Path

from brokers import Brokers, Failed, ended, until
from program import Deployment

MEMBERS = 4


def leader(deployment):
    """The node that leads the alert topic's first partition: the publisher's own."""
    from confluent_kafka.admin import AdminClient
    topics = AdminClient({"bootstrap.servers": deployment.brokers.servers}).list_topics(timeout=30).topics
    for name in (f"{deployment.prefix}.alert.changed.v1", f"{deployment.prefix}.feed.school.v1"):
        if name in topics and topics[name].partitions:
            return topics[name].partitions[0].leader
    raise Failed("no topic has a leader")


def three_brokers(program, work, port, rng):
    """The leader is killed, another one freezes for longer than its session, both come back."""
    brokers = Brokers(work / "three", port, 3)
    brokers.start()
    deployment = Deployment(program, work / "three-brokers", brokers, "three")
    try:
        deployment.send_city(rng.randrange(1_000), 3, 1.0)
        life = deployment.start(messages=100)
        deployment.progress(1_000, life)
        lost = leader(deployment)
        brokers.kill(lost)
        stood = deployment.consumed()
        if not deployment.lag():
            raise Failed("the leader was lost with nothing left to read")
        deployment.progress(stood + 500, life)
        print(f"ok   leader {lost} lost at {stood} of {deployment.total}, work goes on with two", flush=True)
        brokers.start(lost)
        until("three serve again", lambda: in_sync(deployment))
        frozen = leader(deployment)
        stood = deployment.consumed()
        brokers.freeze(frozen)
        time.sleep(10)
        brokers.thaw(frozen)
        if stood < deployment.total:
            deployment.progress(stood, life)
        print(f"ok   broker {frozen} frozen for 10 s at {stood}", flush=True)
        deployment.settle()
        life.stop()
        print(f"ok   {deployment.judged()} revisions once each, {deployment.aborted()} aborted messages", flush=True)
        return 3
    finally:
        deployment.end()
        brokers.stop()


def in_sync(deployment):
    from confluent_kafka.admin import AdminClient
    topics = AdminClient({"bootstrap.servers": deployment.brokers.servers}).list_topics(timeout=30).topics
    ours = [p for name, topic in topics.items() if name.startswith(deployment.prefix) for p in topic.partitions.values()]
    return ours and all(len(partition.isrs) == 3 for partition in ours)


def storm(program, work, port, rng, seconds):
    """Members of one group on one log join, leave, are killed, and freeze for longer than their session lasts."""
    brokers = Brokers(work / "one", port)
    brokers.start()
    deployment = Deployment(program, work / "storm", brokers, "storm")
    did = Counter()
    try:
        deployment.send_city(rng.randrange(1_000), 2, 1.5)
        judge = deployment.start("judge", ["detect", "publish"])
        members, frozen = [], []
        new = lambda messages=50: members.append(deployment.start(f"member{len(deployment.lives)}", ["consume"], messages=messages, shared=False))
        new()
        deployment.progress(0)
        end = time.monotonic() + seconds
        while time.monotonic() < end and deployment.lag() > 0:
            for life, until_when in list(frozen):
                if time.monotonic() > until_when:
                    life.send(signal.SIGCONT)
                    frozen.remove((life, until_when))
            awake = [life for life in members if life not in [one for one, _ in frozen]]
            act = rng.choice(["join", "leave", "freeze", "kill"]) if len(members) < MEMBERS else rng.choice(["leave", "freeze", "kill"])
            if act == "join" or len(awake) < 2:
                act = "join"
                new()
            elif act == "leave":
                members.remove(one := rng.choice(awake))
                one.process.terminate()
            elif act == "kill":
                members.remove(one := rng.choice(awake))
                one.kill()
            else:
                one = rng.choice(awake)
                one.send(signal.SIGSTOP)
                frozen.append((one, time.monotonic() + 5))
            did[act] += 1
            time.sleep(rng.uniform(0.3, 1.5))
            deployment.consumed()
        for life, _ in frozen:
            life.send(signal.SIGCONT)
        # What is left is read in larger steps: the storm is over.
        new(2_000)
        deployment.settle()
        for life in [*members, judge]:
            life.stop()
        dropped = sum(life.count("epoch dropped") for life in deployment.lives)
        replayed = sum(max(0, life.replayed()) for life in deployment.lives)
        acts = ", ".join(f"{act} {count}" for act, count in sorted(did.items()))
        print(f"ok   {acts}; {dropped} epochs refused by the log, {replayed} read again, {deployment.judged()} revisions once each", flush=True)
        if not replayed or not did["freeze"]:
            raise Failed("nothing was tested: no epoch was taken from a member")
        return 1
    finally:
        deployment.end()
        brokers.stop()


def main():
    words = argparse.ArgumentParser()
    words.add_argument("program"), words.add_argument("work"), words.add_argument("port", type=int)
    words.add_argument("--seed", type=int, default=random.SystemRandom().randrange(100_000))
    words.add_argument("--seconds", type=int, default=60)
    words.add_argument("--only", choices=["three", "storm"])
    wanted = words.parse_args()
    program, work = str(Path(wanted.program).resolve()), Path(wanted.work).resolve()
    print(f"seed {wanted.seed}", flush=True)
    passed = 0
    if wanted.only != "storm":
        passed += three_brokers(program, work, wanted.port, random.Random(wanted.seed))
    if wanted.only != "three":
        passed += storm(program, work, wanted.port, random.Random(wanted.seed), wanted.seconds)
    print(f"test result: ok. {passed} passed; 0 failed;")


if __name__ == "__main__":
    ended(main)
