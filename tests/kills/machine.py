#!/usr/bin/env python3
"""What the machine under the program does: the disk is full, read-only, fails at one call; the clock jumps.

    machine.py PROGRAM WORK PORT [--only order|calls|full|readonly|clock]

Promises: after each the books balance, without a restart where the disk comes back, and what is durable is in order.
Mounts a tmpfs, so it needs root; strace shows the order.
PROGRAM is built with debug assertions, which lets its clock jump.
"""

import argparse
import csv
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

from brokers import Brokers, Failed, ended, until
from program import Deployment

# Each call that makes something durable, and what the machine answers.
CALLS = (("fsync", 5), ("linkat", 5), ("rename", 5), ("write", 28))
DISK = "48m"


def pupil(number, day, class_id):
    return json.dumps({"school_id": "S990101P02", "event_id": f"E{day}-{number}", "class_id": class_id, "student_id": f"{day}{number:03}",
                       "onset_at": f"2021-01-{day}T07:30:00+08:00", "symptoms": ["fever"], "submitted_at": f"2021-01-{day}T08:40:00+08:00"})


class Epoch:
    """One epoch with good and bad messages and a tick that opens an alert, on a state that has everything in force."""

    def __init__(self, program, work):
        self.program, self.work = program, work
        work.mkdir(parents=True)
        self.first, self.second = work / "first.ndjson", work / "second.ndjson"
        self.first.write_text(pupil(1, 11, "3-1") + "\n")
        self.second.write_text("\n".join([*(pupil(n, 18, "3-2") for n in range(3)), pupil(9, 18, "3-3").replace("S990101P02", "nowhere")]) + "\n")
        self.base = work / "base"
        self.replay(self.base, self.first)
        self.right = self.again("right")
        if not self.right["open"] or self.right["accepted"] != "4" or self.right["refused"] != "1":
            raise Failed(f"the epoch is not what it was to be: {self.right}")

    def replay(self, state, file, before=(), fails=None):
        words = [*before, self.program, "replay", "--state", state, "--pack", "base", f"school/pupil_event={file}"]
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
        if fails is None and done.returncode:
            raise Failed(f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done

    def copy(self, name):
        state = self.work / name
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(self.base, state)
        return state

    def again(self, name):
        state = self.copy(name)
        self.replay(state, self.second)
        return self.found(state)

    def found(self, state):
        query = """SELECT (SELECT string_agg(alert_id, ' ' ORDER BY alert_id) FROM alerts WHERE state = 'open') AS open,
          (SELECT sum(accepted) FROM accounting) AS accepted, (SELECT count(DISTINCT body_sha256) FROM quarantine) AS refused,
          (SELECT count(*) FROM accounting WHERE accepted + duplicates + quarantined <> consumed) AS unbalanced"""
        words = [self.program, "sql", "--state", state, "--format", "csv", "-c", query]
        names, values = csv.reader(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines())
        return dict(zip(names, values))


def order(program, work):
    """Data, its folder, the entry, its folder: each is synced before the next has a name."""
    epoch = Epoch(program, work / "order")
    state, trace = epoch.copy("traced"), work / "order" / "trace"
    epoch.replay(state, epoch.second, ["strace", "-f", "-y", "-e", "trace=fsync,linkat,rename", "-o", trace])
    steps = []
    for line in trace.read_text().splitlines():
        if synced := re.search(r"fsync\(\d+<([^>]+)>", line):
            path = synced[1]
            is_entry = re.search(r"/\d{20}\.(json|checkpoint)", path)  # until it is whole it stands beside the log's folder
            kind = "entry" if is_entry else "data" if "#" in path else "entry folder" if path.endswith("_delta_log") else "data folder"
            steps.append(f"sync {kind}")
        elif "linkat(" in line and "_delta_log" in line and "= 0" in line:
            steps.append("name entry")
        elif "rename(" in line and ".parquet" in line:
            steps.append("name data")
    wanted = ["sync data", "name data", "sync data folder", "sync entry", "name entry", "sync entry folder"]
    commits, current = [], []
    for step in steps:
        current.append(step)
        if step == "sync entry folder":
            commits.append(current)
            current = []
    # A day's folder that is new is made and synced into its parent before its first file is.
    whole = [commit[-6:] for commit in commits if "sync data" in commit]
    bare = [commit[-3:] for commit in commits if "sync data" not in commit]
    if any(commit != wanted for commit in whole) or any(commit != wanted[3:] for commit in bare):
        raise Failed(f"out of order: {commits}")
    if len(whole) < 4 or current:
        raise Failed(f"only {len(whole)} commits with rows: {steps}")
    print(f"ok   {len(whole)} commits with rows: {' → '.join(wanted)}", flush=True)
    return 1


def calls(program, work):
    """Every call of an epoch that makes something durable fails once, and from there on for ever."""
    epoch, injected = Epoch(program, work / "calls"), 0
    library, report = work / "calls" / "failing.so", work / "calls" / "report"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, Path(__file__).with_name("failing.c"), "-ldl"], check=True)
    for call, error in CALLS:
        for ever in (False, True):
            number = 1
            while True:
                report.unlink(missing_ok=True)
                state = epoch.copy("faulty")
                fault = {"LD_PRELOAD": library, "FAIL_CALL": call, "FAIL_AT": number, "FAIL_ERRNO": error, "FAIL_REPORT": report, **({"FAIL_EVER": 1} if ever else {})}
                done = epoch.replay(state, epoch.second, ["env", *(f"{name}={value}" for name, value in fault.items())], fails=True)
                if not report.exists():
                    break
                told = f"{call} {number}{' and after' if ever else ''}, errno {error}"
                if done.returncode not in (0, 2) or "panicked" in done.stderr:
                    raise Failed(f"{told}: exit {done.returncode}: {done.stderr[-2000:]}")
                if done.returncode and not re.search(r"QS-[A-Z]\d{3}", done.stderr):
                    raise Failed(f"{told}: it ended without words: {done.stderr[-2000:]}")
                # What was refused comes again, as Kafka would send it; what was committed comes as a duplicate.
                epoch.replay(state, epoch.second)
                if (found := epoch.found(state)) != epoch.right:
                    raise Failed(f"{told}: {found}, right would be {epoch.right}")
                injected, number = injected + 1, number + 1
            print(f"ok   {call}, errno {error}, {'from there on' if ever else 'once'}: each of {number - 1} places", flush=True)
    if injected < 60:
        raise Failed(f"only {injected} calls failed")
    return 1


def on_disk(program, work, brokers, name):
    """A deployment whose state is a disk of its own."""
    deployment = Deployment(program, work / name, brokers, name)
    disk = deployment.folder / "state"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", disk], check=True)
    return deployment, disk


def taken_away(program, work, brokers, name, take, give, words):
    """A disk takes nothing for a while: that is said, nothing half is seen, and it goes on without a restart."""
    deployment, disk = on_disk(program, work, brokers, name)
    try:
        deployment.send_city(21, 2)
        life = deployment.start(messages=100)
        deployment.progress(500, life)
        take(disk)
        life.says("ERROR", words)
        stood = deployment.consumed()
        time.sleep(6)
        if deployment.consumed() != stood or life.process.poll() is not None:
            raise Failed(f"it was to stand at {stood} and wait: at {deployment.consumed()}, {life.process.poll()}")
        deployment.balanced()
        give(disk)
        deployment.progress(stood, life)
        deployment.settle()
        if life.process.poll() is not None:
            raise Failed("it was to go on without a restart")
        life.stop()
        print(f"ok   {name}: stood at {stood} of {deployment.total} and went on, {deployment.judged()} revisions once each", flush=True)
        return 1
    finally:
        deployment.end()
        give(disk)
        subprocess.run(["umount", disk], check=True)


def fill(disk):
    with open(disk / "ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"\0" * 65536)
        except OSError:
            pass


def full(program, work, brokers):
    return taken_away(program, work, brokers, "full", fill, lambda disk: (disk / "ballast").unlink(missing_ok=True), "No space left on device")


def readonly(program, work, brokers):
    mount = lambda how: lambda disk: subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)
    passed = taken_away(program, work, brokers, "readonly", mount("ro"), mount("rw"), "Read-only file system")
    deployment, disk = on_disk(program, work, brokers, "readonly-start")
    try:
        mount("ro")(disk)
        deployment.send_city(22, 1)
        life = deployment.start()
        until("it refuses to start", lambda: life.process.poll() is not None)
        if life.process.returncode != 2 or "Read-only file system" not in life.log() + life.said.read_text():
            raise Failed(f"started on a read-only disk: {life.process.returncode} {life.log()[-1000:]}")
        print("ok   a start on a read-only disk is refused in words", flush=True)
        return passed + 1
    finally:
        deployment.end()
        subprocess.run(["umount", disk], check=True)


def clock(program, work, brokers):
    """The wall clock jumps by hours and days, both ways, while it runs and between its lives."""
    deployment = Deployment(program, work / "clock", brokers, "clock")
    try:
        deployment.send_city(23, 2)
        jump = deployment.folder / "jump"
        # A clock that stands before the reports themselves refuses them as reports of the future, as it should.
        jumps = [0, -3_600, 3_600, -7_200, 86_400, -3_600]
        for at, offset in enumerate(jumps):
            jump.write_text(str(offset))
            if at % 2 == 0:
                life = deployment.start(environment={"QIANSHAO_CLOCK": str(jump)}, messages=100)
            deployment.progress(deployment.consumed() + 300, life)
            if at % 2:
                life.kill()
        if not deployment.lag():
            raise Failed("all was read before the last jump")
        life = deployment.start(messages=2_000)
        deployment.settle()
        life.stop()
        back = deployment.ask("SELECT count(*) FROM (SELECT tick, lag(tick) OVER (ORDER BY known_at, tick) AS earlier FROM ticks) WHERE tick <= earlier")
        repeated = deployment.ask("SELECT count(*) - count(DISTINCT tick) FROM ticks")
        if back != ["0"] or repeated != ["0"]:
            raise Failed(f"{back[0]} ticks go back, {repeated[0]} are repeated")
        print(f"ok   {len(jumps)} jumps of the clock, no tick goes back, {deployment.judged()} revisions once each", flush=True)
        return 1
    finally:
        deployment.end()


def main():
    words = argparse.ArgumentParser()
    words.add_argument("program"), words.add_argument("work"), words.add_argument("port", type=int)
    words.add_argument("--only", action="append", choices=["order", "calls", "full", "readonly", "clock"])
    wanted = words.parse_args()
    program, work = str(Path(wanted.program).resolve()), Path(wanted.work).resolve()
    chosen = wanted.only or ["order", "calls", "full", "readonly", "clock"]
    passed = sum(case(program, work) for case in (order, calls) if case.__name__ in chosen)
    with_broker = [case for case in (full, readonly, clock) if case.__name__ in chosen]
    if with_broker:
        brokers = Brokers(work / "kafka", wanted.port)
        brokers.start()
        try:
            passed += sum(case(program, work, brokers) for case in with_broker)
        finally:
            brokers.stop()
    print(f"test result: ok. {passed} passed; 0 failed;")


if __name__ == "__main__":
    ended(main)
