#!/usr/bin/env python3
"""The program as a process beside Apache Kafka: what a message costs, how soon an alert is read, how soon it is back.

    kafka.py PROGRAM WORK PORT backlog [--days 30] [--scale 10] [--unjudged]
    kafka.py PROGRAM WORK PORT latency [--per-second 5000] [--alerts 2000]
    kafka.py PROGRAM WORK PORT restart [--days 60]

Promises: processor time is that of all threads of the process, from /proc; stamps are an external producer's, and alerts
are read by an external reader at `read_committed`; the oracle judges what was measured, or it is no measurement.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/kills"))
from brokers import Brokers, Failed, ended, until
from program import Deployment

LOCAL = timezone(timedelta(hours=8))
# What a city of this size has sent before the first card comes.
HISTORY_DAYS = 14
SEED = 12


def spent(place):
    """Seconds of processor of a process, or of one of its threads."""
    fields = (place / "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds(process):
    return spent(Path(f"/proc/{process.pid}"))


def by_thread(process):
    """Seconds of processor by the name of the thread, the greatest first."""
    threads = Counter()
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        threads[(task / "comm").read_text().strip()] += spent(task)
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in threads.most_common(6))


def megabytes(process, what):
    """`VmHWM` is the peak, `VmRSS` what is resident now."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+)", status)[1]) / 1024


def started(deployment):
    """With the epochs and the log of words that people have."""
    return deployment.start("one", messages=20_000, environment={"QIANSHAO_LOG": "warn,qianshao=info"})


def backlog(deployment, wanted):
    began = time.monotonic()
    deployment.send_city(SEED, wanted.days, wanted.scale)
    print(f"{deployment.total} messages sent in {time.monotonic() - began:.0f} s")
    life = started(deployment).ready()
    cpu, began = cpu_seconds(life.process), time.monotonic()
    until("everything is read", lambda: deployment.lag() == 0, 3_600, 0.05)
    read_cpu, read_wall = cpu_seconds(life.process) - cpu, time.monotonic() - began
    deployment.judge_all(600)
    all_cpu, all_wall = cpu_seconds(life.process) - cpu, time.monotonic() - began
    print(f"committed: {read_wall:.1f} s, {read_cpu:.1f} s of processor, {deployment.total / read_cpu / 1e3:.0f} k messages a CPU-second")
    print(f"judged:    {all_wall:.1f} s, {all_cpu:.1f} s of processor, {deployment.total / all_cpu / 1e3:.0f} k messages a CPU-second")
    print(f"seconds by thread: {by_thread(life.process)}")
    print(f"memory: peak {megabytes(life.process, 'VmHWM'):.0f} MB, then {megabytes(life.process, 'VmRSS'):.0f} MB; {life.count('epoch committed')} epochs")
    finish(deployment, life, wanted)


def finish(deployment, life, wanted):
    deployment.settle()
    life.stop()
    deployment.balanced()
    if not wanted.unjudged:
        print(f"oracle: {deployment.judged()} revisions once each, nothing wrong")


def card(number, at):
    """A report card of a disease of which one case is enough."""
    told = at.isoformat(timespec="seconds")
    return {"card_id": f"99010100-{at.year}-{number:07}", "card_kind": "1", "disease_code": "CHOLERA", "case_class": "1",
            "onset_date": at.date().isoformat(), "diagnosed_at": told, "report_org": "H990101G01",
            "residence_area": "990102001", "submitted_at": told}


class Reader(threading.Thread):
    """Notes when each card's alert could be read."""

    def __init__(self, deployment):
        from confluent_kafka import Consumer, TopicPartition
        super().__init__(daemon=True)
        self.consumer = Consumer({"bootstrap.servers": deployment.brokers.servers, "group.id": "bench-reader",
                                  "isolation.level": "read_committed", "fetch.wait.max.ms": 20, "log_level": 2})
        topic = f"{deployment.prefix}.alert.restricted.9901.v1"
        topics = until("the alert topic is there", lambda: topic in (all_ := self.consumer.list_topics(timeout=30).topics) and all_)
        self.consumer.assign([TopicPartition(topic, p, self.consumer.get_watermark_offsets(TopicPartition(topic, p))[1])
                              for p in topics[topic].partitions])
        self.seen, self.ended = {}, threading.Event()
        self.start()

    def run(self):
        while not self.ended.is_set():
            message = self.consumer.poll(0.05)
            if message is not None and message.error() is None:
                unit = json.loads(message.value())["unit_id"]
                self.seen.setdefault(unit, time.time())


def latency(deployment, wanted):
    from confluent_kafka import Producer
    yesterday = datetime.now(LOCAL).date() - timedelta(days=1)
    deployment.send_city(SEED, HISTORY_DAYS, 1.0, "--start", yesterday - timedelta(days=HISTORY_DAYS))
    life = started(deployment).ready()
    deployment.settle()
    # The same city goes on with one crowded day, at the rate that is wanted, while cards come one after the other.
    load = Deployment(deployment.program, deployment.folder / "load", deployment.brokers, deployment.prefix)
    seconds = max(30, wanted.alerts // 50)
    out = load.folder / "out"
    load.run("simulate", "--to", out, "--prefix", deployment.prefix, "--seed", SEED, "--days", 1,
             "--start", yesterday, "--scale", wanted.per_second * seconds / 10_000)
    lines = [json.loads(line) | {"topic": path.name.removesuffix(".ndjson")} for path in sorted(out.glob("*feed*.ndjson")) for line in open(path)]
    # What is no text has no payload here; it would only go to quarantine.
    lines = sorted((line for line in lines if line.get("payload")), key=lambda line: line["timestamp"])
    lines = [(line["topic"], line["payload"].encode(), line["key"], list(line["headers"].items())) for line in lines]
    reader = Reader(deployment)
    producer = Producer({"bootstrap.servers": deployment.brokers.servers, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    sent, began, cards = {}, time.time(), 0
    cpu = cpu_seconds(life.process)
    for number in range(wanted.per_second * seconds):
        due = began + number / wanted.per_second
        if time.time() < due:
            producer.poll(0)
            # A twentieth of a second at a time: the producer must not be what is measured.
            time.sleep(max(0, due + 0.02 - time.time()))
        topic, payload, key, headers = lines[number % len(lines)]
        producer.produce(topic, payload, key, headers=headers)
        if number * wanted.alerts // (wanted.per_second * seconds) >= cards:
            one = card(cards, datetime.now(LOCAL))
            sent[one["card_id"]] = time.time()
            producer.produce(f"{deployment.prefix}.feed.report_card.v1", json.dumps(one).encode(), b"H990101G01")
            cards += 1
    producer.flush()
    took = time.time() - began
    until("every card has its alert", lambda: set(sent) <= set(reader.seen), 60)
    reader.ended.set()
    used = cpu_seconds(life.process) - cpu
    delays = sorted(reader.seen[one] - at for one, at in sent.items())
    at = lambda share: delays[min(len(delays) - 1, int(len(delays) * share))]
    print(f"{wanted.per_second * seconds} messages in {took:.0f} s, {len(delays)} alerts; {used / took:.2f} processors busy")
    print(f"from the producer's stamp to a committed read: p50 {at(.5):.2f} s, p90 {at(.9):.2f} s, p99 {at(.99):.2f} s, max {delays[-1]:.2f} s")
    peak = megabytes(life.process, "VmHWM")
    life.stop()
    deployment.balanced()
    print(f"memory: peak {peak:.0f} MB")


def restart(deployment, wanted):
    deployment.send_city(SEED, wanted.days)
    life = started(deployment).ready()
    deployment.settle()
    print(f"{deployment.total} messages of {wanted.days} days; {megabytes(life.process, 'VmRSS'):.0f} MB at rest, {megabytes(life.process, 'VmHWM'):.0f} MB at the peak")
    life.kill()
    for _ in range(5):
        before = deployment.total
        send_one(deployment)
        deployment.total = before + 1
        life = started(deployment)
        life.says("epoch committed")
        began = datetime.fromtimestamp(process_start(life.process), timezone.utc)
        assigned, committed = (life_time(life, words) for words in ("partitions assigned", "epoch committed"))
        print(f"start → assigned {(assigned - began).total_seconds():.2f} s, assigned → committed {(committed - assigned).total_seconds():.2f} s")
        deployment.settle()
        life.kill()

def send_one(deployment):
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": deployment.brokers.servers})
    one = card(int(time.time() * 1000) % 10_000_000, datetime.now(LOCAL))
    producer.produce(f"{deployment.prefix}.feed.report_card.v1", json.dumps(one).encode(), b"H990101G01")
    producer.flush()


def process_start(process):
    ticks = int(Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")


def life_time(life, words):
    for line in life.log().splitlines():
        if words in line:
            return datetime.fromisoformat(line.split()[0])
    raise Failed(f"the log does not say {words}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("work", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("what", choices=["backlog", "latency", "restart"])
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--scale", type=float, default=10)
    parser.add_argument("--unjudged", action="store_true")
    parser.add_argument("--per-second", type=int, default=5_000)
    parser.add_argument("--alerts", type=int, default=2_000)
    wanted = parser.parse_args()
    brokers = Brokers(wanted.work / "kafka", wanted.port)
    brokers.start()
    deployment = Deployment(str(Path(wanted.program).resolve()), wanted.work / "bench", brokers, "bench")
    try:
        globals()[wanted.what](deployment, wanted)
    finally:
        deployment.end()
        brokers.stop()


if __name__ == "__main__":
    ended(main)
