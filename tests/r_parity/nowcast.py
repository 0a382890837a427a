#!/usr/bin/env python3
"""Drawn reporting triangles: `qianshao nowcast` holds what the last days come to, and is no wider than R's `nowcast`.

    nowcast.py PROGRAM WORK [--seed S] [--triangles N]

Compared are, over all drawn triangles, the part of the last ten days whose final count lies in our 95 % interval (90 to 99 % is
asked for; R's part is shown beside it) and the mean width of ours over that of R's (at most 1.2). Delays do not change within a
triangle: R's model has no place for that, and is then narrow and wrong.
"""

import argparse
import csv
import math
import random
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOW = date(2021, 3, 31)
DAYS = 60
JUDGED = 10
DELAY_MAX = 25


def poisson(rng, mean):
    """Knuth's, in parts small enough for their exponential."""
    count = 0
    while mean > 0:
        part = min(mean, 200.0)
        mean -= part
        limit, product = math.exp(-part), rng.random()
        while product > limit:
            product *= rng.random()
            count += 1
    return count


def draw(rng):
    """Cases as (event, known): a level, growth, overdispersion, and delays of a negative binomial or a geometric kind."""
    level = rng.choice([3, 10, 30, 100])
    growth = rng.choice([0, 0, 0.06, -0.05])
    spread = rng.choice([0, 0, 0.1])
    mean, shape = rng.uniform(1.5, 6), rng.choice([1.0, 2.0, 4.0])
    cases = []
    for ago in range(DAYS - 1, -1, -1):
        day = NOW - timedelta(days=ago)
        today = level * math.exp(growth * max(0, 20 - ago)) * (rng.gammavariate(1 / spread, spread) if spread else 1)
        for _ in range(poisson(rng, today)):
            delay = DELAY_MAX + 1
            while delay > DELAY_MAX:
                delay = int(rng.gammavariate(shape, (mean + 0.5) / shape))
            cases.append((day, day + timedelta(days=delay)))
    return cases


def ours(program, file):
    run = subprocess.run([program, "nowcast", "--input", str(file), "--now", str(NOW)], text=True, capture_output=True, check=True)
    return {row["event_date"]: row for row in csv.DictReader(run.stdout.splitlines())}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("work", type=Path)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--triangles", type=int, default=40)
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    print(f"seed {seed}, {given.triangles} triangles", flush=True)
    given.work.mkdir(parents=True, exist_ok=True)
    files = {}
    for number in range(given.triangles):
        cases = draw(random.Random(f"{seed} {number}"))
        files[number] = (given.work / f"{number}.csv", cases)
        files[number][0].write_text("event_date,known_date\n" + "".join(f"{event},{known}\n" for event, known in cases))
    words = [str(given.work), str(NOW), str(JUDGED), str(DELAY_MAX), str(DAYS)]
    subprocess.run(["Rscript", "--vanilla", str(HERE / "nowcast.R"), *words], check=True)
    days, held, width = 0, {"ours": 0, "r": 0}, {"ours": 0.0, "r": 0.0}
    for number, (file, cases) in files.items():
        ours_of = ours(given.program, file)
        for theirs in csv.DictReader(file.with_suffix(".r.csv").read_text().splitlines()):
            day = theirs["event_date"]
            last = sum(1 for event, _ in cases if str(event) == day)
            days += 1
            for name, row in (("ours", ours_of[day]), ("r", theirs)):
                lower, upper = float(row["lower"]), float(row["upper"])
                held[name] += lower <= last <= upper
                width[name] += upper - lower
    part, ratio = held["ours"] / days, width["ours"] / width["r"]
    print(f"nowcast: {days} days, {100 * part:.1f} % held (R {100 * held['r'] / days:.1f} %), {ratio:.3f} as wide as R")
    failed = not (0.90 <= part <= 0.99 and ratio <= 1.2)
    print(f"test result: {'FAILED' if failed else 'ok'}. {0 if failed else 1} passed; {int(failed)} failed;")
    if failed:
        print(f"  alone: python3 tests/r_parity/nowcast.py PROGRAM WORK --seed {seed} --triangles {given.triangles}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
