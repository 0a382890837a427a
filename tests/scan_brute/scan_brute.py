#!/usr/bin/env python3
"""`qianshao scan` beside a plain enumeration of small drawn maps: every cluster, and the law of the greatest ratio.

    scan_brute.py PROGRAM WORK [--seed S] [--maps N] [--map I] [--replicas R]

Map i of a seed is the same whatever N. Clusters must be those of the enumeration, members, dates and numbers. Where two
cylinders have the same ratio to 1e-9 either may be reported; then each centre's best must be reported or have a place and
time in common with a better one that is. The maxima of the program's replicas and of as many drawn here must look drawn
from one law: Kolmogorov–Smirnov, below 1e-4 for one whole run.
"""

import argparse
import json
import math
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from enumeration import TIE, Enumeration, reported
from maps import Map

TOLERANCE = 1e-6
P_LEAST = 1e-4
# Maps whose replicas are compared, one in so many.
EVERY = 5


def scan(program, words):
    run = subprocess.run([program, "scan", *words], text=True, capture_output=True, timeout=300)
    assert run.returncode == 0, f"it ended with {run.returncode}: {run.stderr[-1500:]}"
    return json.loads(run.stdout)


def is_cluster(plan, found, one):
    """Members, dates and numbers of a reported cluster."""
    return (found["location_ids"] and {f"p{n}" for n in one.members} == set(found["location_ids"])
            and len(one.members) == len(found["location_ids"])
            and (found["start"], found["end"]) == (plan.day(one.start), plan.day(one.end)) and found["observed"] == one.observed
            and close(found["expected"], one.expected) and close(found["log_likelihood_ratio"], one.value))


def close(ours, theirs):
    return abs(ours - theirs) <= TOLERANCE * max(1.0, abs(theirs))


def compare(plan, answer, counted):
    """All clusters in order, or what the ties leave open."""
    every = Enumeration(plan)
    lists = list(every.lists())
    clusters = answer["clusters"]
    assert answer["total_cases"] == every.total
    counted["values"] += 5 * len(clusters)
    counted["clusters"] += len(clusters)
    counted["cylinders"] += sum(len(circles) for circles in every.circles.values()) * len(every.windows)
    if None not in lists:
        wanted = reported(lists)
        if len(wanted) == len(clusters) and all(is_cluster(plan, *pair) for pair in zip(clusters, wanted)):
            return every
        assert has_ties(lists), f"{shown(clusters)}, wanted {[(sorted(one.members), one.start, one.end, one.value) for one in wanted]}"
    counted["tied"] += 1
    with_ties(plan, clusters, lists, every)
    return every


def shown(clusters):
    return [(one["location_ids"], one["start"], one["end"], one["log_likelihood_ratio"]) for one in clusters]


def has_ties(lists):
    if any(len(alternatives) > 1 for alternatives in lists):
        return True
    best = sorted(one.value for alternatives in lists for one in alternatives[0])
    return any(later - one < TIE for one, later in zip(best, best[1:]))


def with_ties(plan, clusters, lists, every):
    kept = []
    for found in clusters:
        same = [one for circles in every.circles.values() for one in every.cylinders(circles) if is_cluster(plan, found, one)]
        assert same, f"no such cylinder: {found}"
        assert not any(same[0].overlaps(better) for better in kept), f"overlaps a better one: {found}"
        assert all(same[0].value < better.value + TIE for better in kept), f"out of order: {found}"
        put_forward = any(one.is_same(same[0]) for alternatives in lists for each in alternatives or [] for one in each)
        assert put_forward or None in lists, f"no centre's best: {found}"
        kept.append(same[0])
    settled = lambda one: any(one.is_same(better) or (one.overlaps(better) and better.value > one.value - TIE) for better in kept)
    for alternatives in filter(None, lists):
        assert any(all(map(settled, each)) for each in alternatives), f"left out: {alternatives[0][0].value}, {shown(clusters)}"


def kolmogorov_smirnov(ours, theirs):
    """p of the two-sample test; values that differ by rounding alone are one value."""
    ours, theirs = sorted(round(one, 8) for one in ours), sorted(round(one, 8) for one in theirs)
    most, at, below = 0.0, 0, 0
    for value in sorted(set(ours + theirs)):
        while at < len(ours) and ours[at] <= value:
            at += 1
        while below < len(theirs) and theirs[below] <= value:
            below += 1
        most = max(most, abs(at / len(ours) - below / len(theirs)))
    root = math.sqrt(len(ours) * len(theirs) / (len(ours) + len(theirs)))
    reach = (root + 0.12 + 0.11 / root) * most
    return min(1.0, max(0.0, 2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * reach) ** 2) for k in range(1, 101)))) if reach > 0.2 else 1.0


def judge_p_values(answer, maxima, counted):
    for found in answer["clusters"]:
        above = sum(one > found["log_likelihood_ratio"] - TIE for one in maxima)
        assert abs(found["p_value"] - (above + 1) / (len(maxima) + 1)) < 1e-12, found
        counted["values"] += 1


def one_map(program, work, seed, number, replicas, maps, counted):
    plan = Map(seed, number)
    words = plan.arguments(work / str(number))
    with_null = replicas if number % EVERY == 0 else 0
    path = work / str(number) / "null.txt"
    words += ["--replications", str(with_null), "--seed", str(plan.rng.randrange(1 << 30))]
    answer = scan(program, words + (["--null", str(path)] if with_null else []))
    every = compare(plan, answer, counted)
    if with_null:
        maxima = [float(line) for line in path.read_text().split()]
        assert len(maxima) == replicas
        judge_p_values(answer, maxima, counted)
        p = kolmogorov_smirnov(maxima, every.null(plan.rng, replicas))
        counted["values"] += replicas
        counted["nulls"] += 1
        print(f"map {number}: {plan.told()}: p {p:.3g} of one law", flush=True)
        assert p * -(-maps // EVERY) > P_LEAST, f"the replicas' maxima are not of one law: p {p:.3g}"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("work", type=Path)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--maps", type=int, default=50)
    parser.add_argument("--map", type=int, default=None)
    parser.add_argument("--replicas", type=int, default=1999)
    return parser.parse_args()


def main():
    given = arguments()
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    numbers = range(given.maps) if given.map is None else [given.map]
    print(f"seed {seed}, {len(numbers)} maps", flush=True)
    counted, failed = Counter(), 0
    for number in numbers:
        try:
            one_map(given.program, given.work, seed, number, given.replicas, given.maps, counted)
        except AssertionError as wrong:
            failed += 1
            print(f"FAILED map {number}: {Map(seed, number).told()}\n  alone: .ci/run scan-brute --seed {seed} --map {number}\n  {wrong}", flush=True)
    print(f"{counted['cylinders']} cylinders judged, {counted['clusters']} clusters, {counted['tied']} maps whose ties leave a choice,"
          f" {counted['nulls']} laws; {counted['values']} values compared")
    print(f"test result: {'FAILED' if failed else 'ok'}. {len(numbers) - failed} passed; {failed} failed;")
    return 1 if failed or not counted["clusters"] else 0


if __name__ == "__main__":
    sys.exit(main())
