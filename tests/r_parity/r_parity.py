#!/usr/bin/env python3
"""Drawn series and settings: `qianshao detect` answers what R answers, value by value, empty by empty, alarm by alarm.

    r_parity.py PROGRAM WORK [--seed S] [--cases N] [--case I] [--method NAME]

Case i of a seed is the same whatever N; a case that fails prints how it is run alone. Settings and series are drawn by
cases.py, R is asked once by reference.R, answers.py says what is equal.
"""

import argparse
import os
import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from answers import compare, table
from cases import KINDS, case

HERE = Path(__file__).resolve().parent


def ask_r(work, cases):
    (work / "r").mkdir(parents=True, exist_ok=True)
    lines = work / "cases.txt"
    lines.write_text("".join(one.r() + "\n" for one in cases))
    subprocess.run(["Rscript", "--vanilla", str(HERE / "reference.R"), str(lines), str(work / "r")], check=True)


def ask_ours(program, one):
    """The answer, or what it said instead of one."""
    run = subprocess.run([program, "detect", one.method, *one.arguments()], input=one.csv(), text=True, capture_output=True, timeout=300)
    if run.returncode == 0:
        return table(run.stdout), None
    if "panicked" in run.stderr or run.returncode != 2 or not run.stderr.startswith("error: "):
        raise AssertionError(f"it ended with {run.returncode}: {run.stderr[-1500:]}")
    return None, run.stderr


def one_case(program, work, one):
    """What was counted, and what was wrong."""
    try:
        ours, refused = ask_ours(program, one)
        theirs = table((work / "r" / f"{one.name()}.csv").read_text())
        return compare(one, ours, refused, theirs)
    except AssertionError as wrong:
        return Counter(), [str(wrong)]


def told(method, counted, worst):
    print(f"{method}: {counted['values']} values, {counted['empties']} of them empty, {counted['alarms']} alarms, greatest difference"
          f" {worst:.1e}; R stops {counted['stops']} times, where ours refuses {counted['refused']}, is empty {counted['empty']} and answers"
          f" {counted['answered']} times;"
          f" {counted['excepted']} excepted")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("work", type=Path)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--case", type=int, default=None)
    parser.add_argument("--method", choices=KINDS, default=None)
    return parser.parse_args()


def main():
    given = arguments()
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    numbers = range(given.cases) if given.case is None else [given.case]
    cases = [one for one in (case(seed, number) for number in numbers) if given.method in (None, one.method)]
    print(f"seed {seed}, {len(cases)} cases", flush=True)
    ask_r(given.work, cases)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda one: one_case(given.program, given.work, one), cases))
    by_method, worst, failed = {}, Counter(), 0
    for one, (counted, wrong) in zip(cases, results):
        worst[one.method] = max(worst[one.method], counted.pop("worst", 0))
        by_method.setdefault(one.method, Counter()).update(counted)
        if wrong:
            failed += 1
            print(f"FAILED case {one.number}: {one.told()}\n  alone: .ci/run r-parity --seed {seed} --case {one.number}")
            print("".join(f"  {line}\n" for line in wrong[:6]), end="")
    for method, counted in sorted(by_method.items()):
        told(method, counted, worst[method])
    total = sum((counted["values"] for counted in by_method.values()))
    print(f"{total} values compared")
    print(f"test result: {'FAILED' if failed else 'ok'}. {len(cases) - failed} passed; {failed} failed;")
    return 1 if failed or not total else 0


if __name__ == "__main__":
    sys.exit(main())
