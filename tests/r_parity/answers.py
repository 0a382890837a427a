"""What is equal: our answer to a case beside R's.

Promises: every column and every row that reference.R answers is compared; rows that it calls an accident are excepted and
counted. What it asks R otherwise, or leaves empty, it says itself, and is not among them.
"""

import csv
import io
import math
from collections import Counter

# Of the greater of 1 and the value.
TOLERANCES = {"ears_c1": 1e-9, "ears_c2": 1e-9, "ears_c3_r": 1e-9, "cusum": 1e-9, "glr_poisson": 1e-9, "glr_negbin": 1e-6,
              "farrington": 1e-7, "farrington_flexible": 1e-7, "moving_percentile": 1e-12, "bayes": 1e-9}
# Of the value itself, however small.
P_VALUES = 1e-12


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def number(text):
    """Python reads what R and we write for infinity."""
    return float(text) if text else math.nan


def difference(method, ours, theirs):
    """In units of what is allowed."""
    if ours == theirs or (math.isnan(ours) and math.isnan(theirs)):
        return 0.0
    if not (math.isfinite(ours) and math.isfinite(theirs)):
        return math.inf
    if method not in TOLERANCES:
        return abs(ours - theirs) / abs(theirs or 1) / P_VALUES
    return abs(ours - theirs) / max(1.0, abs(theirs)) / TOLERANCES[method]


def is_number_or_empty(row):
    for name, text in row.items():
        if text.lower() == "nan":
            return False
        number(text)
    return True


def compare(one, ours, refused, theirs):
    counted, wrong = Counter(), []
    whole = len(theirs) == 1 and theirs[0].get("stopped") and len(theirs[0]) == 1
    if refused or whole:
        return refusal(counted, wrong, one, ours, refused, theirs)
    if len(ours) != len(theirs):
        return counted, [f"{len(ours)} rows, R has {len(theirs)}"]
    for at, (mine, its) in enumerate(zip(ours, theirs)):
        assert is_number_or_empty(mine), f"row {at}: {mine}"
        if its.get("stopped"):
            counted["stops"] += 1
            counted["answered" if mine.get("upperbound") else "empty"] += 1
            continue
        if its.get("accident"):
            counted["excepted"] += 1
            continue
        for name, text in its.items():
            if name in ("stopped", "accident"):
                continue
            column = name
            if name not in mine:
                column = {"statistic": "cases"}.get(name, name)
            far = difference(one.method, number(mine[column]), number(text))
            counted["values"] += 1
            counted["empties"] += text == ""
            counted["alarms"] += name == "alarm" and text == "1"
            counted["worst"] = max(counted["worst"], 0 if far > 1 else far * TOLERANCES.get(one.method, P_VALUES))
            if far > 1:
                wrong.append(f"t {mine['t']}, observed {mine['observed'] or 'missing'}, {name}: {mine[column] or 'empty'}, R {text or 'empty'}")
    return counted, wrong


def refusal(counted, wrong, one, ours, refused, theirs):
    """R or ours answers nothing at all. Where R has an answer ours must have one."""
    stopped = [row for row in theirs if row.get("stopped")]
    excepted = [row for row in theirs if row.get("accident")]
    counted["stops"] += len(stopped)
    counted["excepted"] += len(excepted)
    if refused and len(stopped) + len(excepted) < len(theirs):
        wrong.append(f"refused: {' '.join(refused.split())[:300]}")
    elif refused:
        counted["refused"] += 1
    else:
        assert all(map(is_number_or_empty, ours)), ours
        counted["answered" if any(row["alarm"] for row in ours) else "empty"] += 1
    return counted, wrong
