#!/usr/bin/env python3
"""A backtest over the recorded ticks is the alert history, byte for byte, whatever the process went through.

    backtest.py PROGRAM WORK PORT [--seed N]

The invented city, with its late, repeated and corrected messages, goes through Apache Kafka into a process that is killed
twice; its first days are judged before the later ones are there. Then the alert history is exported and deleted, the
recorded ticks are judged again, and the two are compared.

Promises: fails below 100 alerts or 10 withdrawn ones.
"""

import argparse
import random
import shutil
from pathlib import Path

from brokers import Brokers, Failed, ended
from program import Deployment

ALERTS, WITHDRAWN = 100, 10
COMMITTED = "known_at", "known_date"


def exported(deployment):
    """What the table says, but for when it was committed."""
    query = f"SELECT * EXCLUDE ({', '.join(COMMITTED)}) FROM alert_history ORDER BY tick, alert_id, revision"
    return deployment.run("sql", "--state", deployment.state, "--format", "csv", "-c", query)


def backtest(program, work, port, rng):
    brokers = Brokers(work / "kafka", port)
    brokers.start()
    deployment = Deployment(program, work / "backtest", brokers, "backtest")
    try:
        deployment.send_city(rng.randrange(10_000), 5, 0.6)
        life = deployment.start(messages=400)
        for part in (0.3, 0.6):
            deployment.progress(int(deployment.total * part), life)
            life.kill()
            life = deployment.start(messages=400)
        deployment.settle()
        life.stop()
    finally:
        deployment.end()
        brokers.stop()
    count = lambda condition: int(deployment.ask(f"SELECT count(*) FROM alerts WHERE {condition}")[0])
    alerts, withdrawn = count("true"), count("state = 'withdrawn'")
    ticks = int(deployment.ask("SELECT count(*) FROM ticks")[0])
    live = exported(deployment)
    shutil.rmtree(deployment.folder / deployment.state / "tables/alert_history")
    again = deployment.run("backtest", "--state", deployment.state, "--ticks", "recorded", "--format", "csv")
    if live != again:
        (work / "live.csv").write_text(live), (work / "again.csv").write_text(again)
        differ = [pair for pair in zip(live.splitlines(), again.splitlines()) if pair[0] != pair[1]]
        raise Failed(f"{len(live.splitlines())} lines live, {len(again.splitlines())} again; {len(differ)} differ, the first:\n" + "\n".join(differ[0] if differ else ()))
    print(f"ok   {ticks} ticks of three lives: {alerts} alerts, {withdrawn} withdrawn, {len(live):,} bytes of revisions, and the same again", flush=True)
    if alerts < ALERTS or withdrawn < WITHDRAWN:
        raise Failed(f"too little to compare: {alerts} alerts, {withdrawn} withdrawn")


def main():
    words = argparse.ArgumentParser()
    words.add_argument("program"), words.add_argument("work"), words.add_argument("port", type=int)
    words.add_argument("--seed", type=int, default=random.SystemRandom().randrange(100_000))
    wanted = words.parse_args()
    print(f"seed {wanted.seed}", flush=True)
    backtest(str(Path(wanted.program).resolve()), Path(wanted.work).resolve(), wanted.port, random.Random(wanted.seed))
    print("test result: ok. 1 passed; 0 failed;")


if __name__ == "__main__":
    ended(main)
