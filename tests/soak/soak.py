#!/usr/bin/env python3
"""Ten minutes of everything at once: is it as light and as quick at the end as at the beginning?

    soak.py PROGRAM WORK PORT [--seconds 600] [--per-second 5000] [--sessions 10]

The invented city sends with its own share of malformed, late and corrected messages; SQL sessions ask; the program is
killed once and the broker is bounced once. Every second memory, file descriptors, threads and lag are written down.

Promises: fails where memory grows by more than 1 % a minute (Theil-Sen over the last six tenths), descriptors or
threads end higher than they were when the load began, the lag ends above two epochs, or the oracle finds anything.
"""

import argparse
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "kills"))
from brokers import Brokers, Failed, ended, until
from program import ROLES, Deployment

QUERIES = ["SELECT count(*) FROM signal_history", "SELECT severity, count(*) FROM alerts GROUP BY severity",
           "SELECT area_code, sum(count) FROM cells WHERE unit_kind = 'facility' GROUP BY area_code",
           "SELECT reason, count(*) FROM quarantine GROUP BY reason", "SELECT max(tick) FROM ticks"]
# A session asks and then reads its answer, as an analyst does.
PAUSE = 2.0
RSS_A_MINUTE_MAX = 0.01


class Sessions:
    """psql, again and again, until told to stop."""

    def __init__(self, count, port):
        self.port, self.stop, self.answers, self.refused, self.slow = port, threading.Event(), 0, 0, []
        self.threads = [threading.Thread(target=self.ask, args=[n], daemon=True) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def ask(self, number):
        while not self.stop.wait(PAUSE):
            query = QUERIES[number % len(QUERIES)]
            number += 1
            began = time.monotonic()
            words = ["psql", "-X", "-h", "127.0.0.1", "-p", str(self.port), "-U", "analyst", "-d", "qianshao", "-A", "-t", "-c", query]
            done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            # While the program is down its door is shut; that is counted, not hidden.
            if done.returncode == 0:
                self.answers += 1
                self.slow.append(time.monotonic() - began)
            else:
                self.refused += 1

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def sample(process, deployment):
    place = Path(f"/proc/{process.pid}")
    status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines() if ":" in line)
    return {"at": time.monotonic(), "rss": int(status["VmRSS"].split()[0]) / 1024, "threads": int(status["Threads"]),
            "fds": len(list((place / "fd").iterdir())), "consumed": deployment.consumed()}


def theil_sen(samples):
    """Median slope, MB a second: one spike does not decide."""
    thinned = samples[::max(1, len(samples) // 200)]
    slopes = [(b["rss"] - a["rss"]) / (b["at"] - a["at"]) for i, a in enumerate(thinned) for b in thinned[i + 1:] if b["at"] > a["at"]]
    return statistics.median(slopes)


def end_offsets(deployment):
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": deployment.brokers.servers, "group.id": "soak-reader"})
    topics = consumer.list_topics(timeout=30).topics
    places = [TopicPartition(n, p) for n, t in topics.items() if n.startswith(f"{deployment.prefix}.feed.") for p in t.partitions]
    total = sum(consumer.get_watermark_offsets(place, timeout=30)[1] for place in places)
    consumer.close()
    return total


def soak(program, work, port, wanted):
    brokers = Brokers(work / "kafka", port)
    brokers.start()
    deployment = Deployment(program, work / "soak", brokers, "soak")
    sql_port = port + 90
    samples, deaths = [], []
    try:
        # The registers must be there before the program starts, so the city begins first.
        to = f"kafka://{brokers.servers}"
        messages = wanted.seconds * wanted.per_second
        scale = max(1.0, messages / 300_000)
        words = ["simulate", "--to", to, "--prefix", deployment.prefix, "--seed", "31", "--days", str(-(-messages // int(10_000 * scale))),
                 "--scale", str(scale), "--ledger", "city", "--per-second", str(wanted.per_second)]
        sender = subprocess.Popen([program, *words], cwd=deployment.folder)
        until("the city has registers", lambda: (deployment.folder / "city/ledger.ndjson").exists())
        start = lambda: deployment.start("one", [*ROLES, "serve"], messages=20_000, sql_port=sql_port).ready()
        life, began = start(), time.monotonic()
        quiet = sample(life.process, deployment)
        sessions = Sessions(wanted.sessions, sql_port)
        while sender.poll() is None:
            time.sleep(1)
            passed = time.monotonic() - began
            if passed > wanted.seconds * 0.2 and "kill" not in deaths:
                deaths.append("kill")
                life.kill()
                life = start()
                quiet, samples = sample(life.process, deployment), []
            if passed > wanted.seconds * 0.3 and "bounce" not in deaths:
                deaths.append("bounce")
                brokers.kill()
                brokers.start()
            samples.append(sample(life.process, deployment))
        if sender.returncode:
            raise Failed(f"the city ended with {sender.returncode}")
        sessions.end()
        lag = end_offsets(deployment) - deployment.consumed()
        with open(deployment.folder / "city/ledger.ndjson") as ledger:
            deployment.total = sum('"line":"message"' in line for line in ledger)
        report(deployment, life, samples, sessions, quiet, lag, time.monotonic() - began, wanted)
        deployment.settle()
        calm = until("what the load took is given back", lambda: steady(life, deployment, quiet), 60, 1)
        print(f"     at rest again: {calm['fds']} descriptors, {calm['threads']} threads; at the start {quiet['fds']}, {quiet['threads']}")
        life.stop()
        print(f"     oracle: {deployment.judged()} revisions once each, nothing wrong; {deployment.aborted()} aborted messages")
    finally:
        deployment.end()
        brokers.stop()


def steady(life, deployment, quiet):
    now = sample(life.process, deployment)
    return now if now["fds"] <= quiet["fds"] + 2 and now["threads"] <= quiet["threads"] + 2 else None


def report(deployment, life, samples, sessions, quiet, lag, took, wanted):
    late = samples[len(samples) * 4 // 10:]
    slope = theil_sen(late) * 60
    base = statistics.median(one["rss"] for one in late)
    rate = deployment.total / took
    slow = sorted(sessions.slow)
    epochs = [int(line.split("messages=")[1].split()[0]) for line in life.log().splitlines() if "epoch committed" in line]
    two_epochs = 2 * max(epochs[-20:])
    print(f"     {deployment.total} messages in {took:.0f} s, {rate:.0f} a second; {len(epochs)} epochs since the kill, the largest of the last {max(epochs[-20:])}")
    print(f"     memory {late[0]['rss']:.0f} → {late[-1]['rss']:.0f} MB, median {base:.0f}, slope {slope:+.2f} MB a minute ({slope / base:+.2%})")
    print(f"     under load {late[-1]['fds']} descriptors, {late[-1]['threads']} threads; lag at the end {lag}, two epochs are {two_epochs}")
    print(f"     {sessions.answers} answers to {wanted.sessions} sessions, p50 {slow[len(slow) // 2]:.2f} s, p99 {slow[len(slow) * 99 // 100]:.2f} s; {sessions.refused} while the door was shut", flush=True)
    faults = []
    if slope / base > RSS_A_MINUTE_MAX:
        faults.append(f"memory grows by {slope / base:.2%} a minute")
    if lag > two_epochs:
        faults.append(f"the lag is {lag}")
    if faults:
        raise Failed("; ".join(faults))


def main():
    words = argparse.ArgumentParser()
    words.add_argument("program"), words.add_argument("work"), words.add_argument("port", type=int)
    words.add_argument("--seconds", type=int, default=600)
    words.add_argument("--per-second", type=int, default=5_000)
    words.add_argument("--sessions", type=int, default=10)
    wanted = words.parse_args()
    soak(str(Path(wanted.program).resolve()), Path(wanted.work).resolve(), wanted.port, wanted)
    print("test result: ok. 1 passed; 0 failed;")


if __name__ == "__main__":
    ended(main)
