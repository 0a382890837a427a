#!/usr/bin/env python3
"""The program and the broker are killed at random moments while there is work; nothing is lost and nothing comes twice.

    kills.py PROGRAM WORK PORT [--count 40] [--seed N] [--world N]

A schedule is one kill, a restart and the proof that work goes on. Schedules come in worlds of ten: a city, a state, a
topic; each ends with the oracle and the comparison of topic and table. Everything is drawn from the seed, which is
printed: `--seed S --world W` runs that world alone.

Promises: fails unless aborted messages, fencings, unknown outcomes and replayed epochs were each seen.
PROGRAM is built with debug assertions.
"""

import argparse
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from brokers import Brokers, Failed, Wire, ended, until
from program import Deployment

IN_A_WORLD = 10
CITY = {"days": 2, "scale": 1.0}
# Where a process ends itself: the moments that a kill from outside would need luck for.
POINTS = ["consume::polled", "consume::decoded", "store::data_put_before", "store::data_put_after", "store::log_put_before",
          "store::log_put_after", "commit::quarantine_written", "commit::acknowledged", "detect::counted", "detect::evaluated",
          "detect::alerts_committed", "detect::tick_recorded", "publish::begun", "publish::sent", "publish::before_commit",
          "publish::after_commit"]
HOW = ["process", "process", "point", "point", "point", "broker", "both"]


def draw(rng):
    """How the next schedule kills, and when."""
    how = rng.choice(HOW)
    return {"how": how, "wait": rng.uniform(0, 1.5), "again": rng.uniform(0, 0.5),
            "fault": f"{rng.choice(POINTS)}:{rng.randint(1, 12)}:abort" if how == "point" else None}


def one_schedule(deployment, life, plan):
    """Kills, starts again, and waits until more is committed than before. Answers the next life, or None without lag."""
    brokers, before = deployment.brokers, deployment.consumed()
    if not plan["fault"]:
        life = after(deployment, life, before)
    end = time.monotonic() + (10 if plan["fault"] else plan["wait"])
    while time.monotonic() < end and life.process.poll() is None:
        time.sleep(0.02)
    if deployment.lag() <= 0:
        return None
    died_by_itself = life.process.poll() is not None
    if died_by_itself and not may_end(life):
        raise Failed(f"it ended by itself: {life.log()[-3000:]}")
    life_goes_on = plan["how"] == "broker" and not died_by_itself
    if not life_goes_on:
        life.kill()
    if plan["how"] in ("broker", "both"):
        brokers.kill()
        life.outlived_its_broker = life_goes_on
    stood = deployment.consumed()
    time.sleep(plan["again"])
    if plan["how"] in ("broker", "both"):
        brokers.start()
    return stood, life if life_goes_on else None


def world(number, seed, count, where, counted):
    rng = random.Random(f"{seed}/{number}")
    prefix = f"k{number}-{seed}"
    deployment = Deployment(where["program"], where["work"] / prefix, where["brokers"], prefix)
    try:
        deployment.send_city(rng.randrange(10_000), **CITY)
        plans = [draw(rng) for _ in range(count)]
        life, done = deployment.start(fault=plans[0]["fault"]), 0
        for at, plan in enumerate(plans):
            following = plans[at + 1]["fault"] if at + 1 < count else None
            killed = one_schedule(deployment, life, plan)
            if killed is None:
                break
            stood, life = killed
            if life is None or following:
                if life is not None:
                    life.kill()
                life = deployment.start(fault=following)
            # One that ends at its point before it could commit is followed by one that has no point.
            life = after(deployment, life, stood)
            deployment.balanced()
            done += 1
            counted[plan["how"]] += 1
            print(f"ok   world {number}, schedule {at}: {plan['how']} {plan['fault'] or ''} at {stood} of {deployment.total}", flush=True)
        # What is left is read in larger steps: the kills are over.
        life.kill()
        life = deployment.start(messages=2_000)
        settle(deployment, life)
        counted["alerts"] += deployment.judged()
        tell(deployment, counted)
        return done
    finally:
        deployment.end()


def may_end(life):
    """At its planned point; or, if it outlived its broker, told that another has its name: a commit of offsets was still on
    its way under the membership that it had before. It says so and is started again, as by any supervisor."""
    return life.count("a planned fault") or (life.outlived_its_broker and life.count("FencedInstanceId", "OffsetCommit failed"))


def after(deployment, life, stood):
    """Work goes on behind where it stood; a life that may end is followed by a plain one."""
    def holds():
        nonlocal life
        if life.process.poll() is not None:
            if not may_end(life):
                raise Failed(f"it ended by itself: {life.log()[-3000:]}")
            life = deployment.start()
        return deployment.consumed() > stood or deployment.lag() == 0
    until(f"more than {stood} messages are committed", holds)
    return life


def settle(deployment, life):
    """The books are closed, by a life that has no planned end left."""
    until("everything is read", lambda: deployment.lag() == 0 or life.process.poll() is not None, 240)
    if life.process.poll() is not None:
        life = deployment.start()
    deployment.settle()
    life.stop()


def tell(deployment, counted):
    """What the lives of a world met."""
    for life in deployment.lives:
        counted["replayed epochs"] += max(0, life.replayed())
        counted["fencings"] += life.count("another publisher has taken over") + life.count("epoch dropped")
        counted["fenced by their own name"] += life.count("FencedInstanceId", "OffsetCommit failed", "rdkafka::client") > 0
        counted["unknown outcomes"] += life.count("was not a clean yes", 'outcome="unknown"')
    counted["aborted messages"] += deployment.aborted()


def zombie(where, counted):
    """Frozen inside a transaction, replaced, thawed: it is fenced and nothing of it is seen."""
    deployment = Deployment(where["program"], where["work"] / "zombie", where["brokers"], "zombie")
    try:
        deployment.send_city(11, 2)
        old = deployment.start("old", fault="publish::before_commit:2:stop")
        until("it froze inside a transaction", old.frozen)
        new = deployment.start("new").ready()
        deployment.settle()
        old.send(signal.SIGCONT)
        old.says("another publisher has taken over")
        new.stop()
        old.stop()
        counted["alerts"] += deployment.judged()
        tell(deployment, counted)
    finally:
        deployment.end()


def thawed(where, counted):
    """A writer freezes inside the put of a log entry; another goes on; thawed, the first changes nothing."""
    for point in ("store::log_put_before:2:stop", "store::data_put_after:2:stop", "commit::quarantine_written:1:stop"):
        name = "thawed-" + point.split(":")[2].replace("_", "-")
        deployment = Deployment(where["program"], where["work"] / name, where["brokers"], name)
        try:
            deployment.send_city(12, 1)
            # The first life puts the texts in force, so that the next put of the second is an epoch's.
            first = deployment.start("first", messages=20)
            deployment.progress(0, first)
            first.kill()
            old = deployment.start("old", roles=["consume"], fault=point)
            until(f"it froze at {point}", old.frozen)
            stood = deployment.consumed()
            new = deployment.start("new")
            deployment.progress(stood + 500, new)
            old.send(signal.SIGCONT)
            old.says("epoch dropped")
            deployment.settle()
            old.stop()
            new.stop()
            counted["alerts"] += deployment.judged()
            tell(deployment, counted)
            print(f"ok   frozen at {point}, thawed, changed nothing", flush=True)
        finally:
            deployment.end()


def unheard(where, counted):
    """The answer to a commit never comes: what is visible is read before anything is sent again."""
    deployment = Deployment(where["program"], where["work"] / "unheard", where["brokers"], "unheard")
    try:
        wire = where["wire"]
        deployment.send_city(13, 2)
        wire.armed.set()
        life = deployment.start(servers=wire.address)
        until("an answer was lost", wire.struck.is_set)
        life.says("was not a clean yes", 'outcome="unknown"')
        deployment.settle()
        life.stop()
        counted["alerts"] += deployment.judged()
        tell(deployment, counted)
    finally:
        deployment.end()


def main():
    words = argparse.ArgumentParser()
    words.add_argument("program"), words.add_argument("work"), words.add_argument("port", type=int)
    words.add_argument("--count", type=int, default=40)
    words.add_argument("--seed", type=int, default=random.SystemRandom().randrange(100_000))
    words.add_argument("--world", type=int)
    wanted = words.parse_args()
    work = Path(wanted.work).resolve()
    print(f"seed {wanted.seed}, {wanted.count} schedules", flush=True)
    brokers = Brokers(work / "kafka", wanted.port)
    brokers.start()
    where = {"program": str(Path(wanted.program).resolve()), "work": work, "brokers": brokers, "wire": Wire(brokers)}
    counted, number, done = Counter(), wanted.world or 0, 0
    try:
        while done < wanted.count:
            try:
                done += world(number, wanted.seed, min(IN_A_WORLD, wanted.count - done), where, counted)
            except Failed:
                print(f"FAILED: again alone with --seed {wanted.seed} --world {number}", flush=True)
                raise
            number += 1
            if wanted.world is not None:
                break
        if wanted.world is None:
            for case in (zombie, thawed, unheard):
                case(where, counted)
                print(f"ok   {case.__name__}", flush=True)
                done += 1
    finally:
        brokers.stop()
    print(", ".join(f"{name} {count}" for name, count in sorted(counted.items())), flush=True)
    missing = [name for name in ("aborted messages", "fencings", "unknown outcomes", "replayed epochs") if not counted[name]]
    if missing and wanted.world is None:
        sys.exit(f"nothing was tested: no {', no '.join(missing)}")
    print(f"test result: ok. {done} passed; 0 failed;")


if __name__ == "__main__":
    ended(main)
