#!/usr/bin/env python3
"""A feed, a rule, a pack and a number are files: added or edited beside an unrebuilt program.

    added.py PROGRAM WORK

Promises: what is shown is asked with `qianshao sql`; a contract or a mapping with a mistake is refused with its place.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
passed = 0

RULE = """-- id: two_of_a_place
-- zh: 同处两例
-- en: two in one place
-- severity: blue
-- scope: dirty
-- kind: threshold
-- verify_hours: 24
-- cites: a test
-- history_days: 0
SELECT unit_kind, unit_id, area_code, facility_id, signal, syndrome, event_date AS window_start, event_date AS window_end,
  count AS observed, param('two_of_a_place.cases') AS threshold
FROM cells
WHERE unit_kind IN ('class', 'facility') AND count = param('two_of_a_place.cases')
"""
PACK = """[pack]
id = "own"
zh = "自订"
en = "our own"
extends = "base"
source = "a test"

[parameters."two_of_a_place.cases"]
value = 2
unit = "cases"
source = "a test"
mark = "D"
"""


def check(what, found, wanted):
    global passed
    if found != wanted:
        sys.exit(f"{what}: found {found!r}, wanted {wanted!r}")
    passed += 1
    print(f"ok   {what}")


def qianshao(*arguments, fails=False):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    if (done.returncode != 0) != fails:
        sys.exit(f"qianshao {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stderr if fails else done.stdout


def ask(state, sql):
    return qianshao("sql", "--state", state, "--format", "csv", "-c", sql).split()[1:]


def replay(name, files, pack="base", **folders):
    state = WORK / name
    options = [f"--{what}={folder}" for what, folder in folders.items()]
    qianshao("replay", "--state", state, "--pack", pack, *options, *files)
    return state


def pupils(path):
    """Three feverish pupils of one class, two of another."""
    lines = []
    for number, class_id in enumerate(["3-2"] * 3 + ["3-3"] * 2):
        lines.append(json.dumps({
            "school_id": "S990101P02", "event_id": f"E{number}", "class_id": class_id, "student_id": f"{number:03}",
            "onset_at": "2021-01-18T07:30:00+08:00", "symptoms": ["fever"], "submitted_at": "2021-01-18T08:40:00+08:00"}))
    path.write_text("\n".join(lines) + "\n")
    return f"school/pupil_event={path}"


ALERTS = "SELECT concat(rule, '|', unit_id, '|', pack) FROM alerts WHERE rule NOT IN ('missing_report', 'silent_feed') ORDER BY 1"


def a_feed_a_rule_and_a_pack():
    feeds, rules, registers = WORK / "feeds", WORK / "rules", WORK / "registers"
    shutil.copytree(ROOT / "schemas/feeds", feeds)
    shutil.copytree(ROOT / "examples/add_a_feed/eldercare", feeds / "eldercare")
    shutil.copytree(ROOT / "rules", rules)
    (rules / "own").mkdir()
    (rules / "own/pack.toml").write_text(PACK)
    (rules / "own/two_of_a_place.sql").write_text(RULE)
    shutil.copytree(ROOT / "schemas/registers", registers)
    with (registers / "facilities.csv").open("a") as out:
        out.write("E990103Y01,东浦养老院,Dongpu Home,eldercare,990103001,always,eldercare/day,,\n")
    qianshao("feed", "check", feeds / "eldercare")
    day = {"home_id": "E990103Y01", "report_date": "2021-01-18", "residents": 86, "fever": 2, "cough": 3,
           "submitted_at": "2021-01-18T17:00:00+08:00"}
    (WORK / "homes.ndjson").write_text(json.dumps(day) + "\n")
    files = [pupils(WORK / "pupils.ndjson"), f"eldercare/day={WORK / 'homes.ndjson'}"]
    state = replay("added", files, pack="own", feeds=feeds, rules=rules, registers=registers)
    signals = ask(state, "SELECT concat(signal, '|', unit_id, '|', value) FROM signals WHERE feed = 'eldercare' ORDER BY 1")
    check("a feed added by files gives signals", signals, ["eldercare_fever|E990103Y01|2", "eldercare_respiratory|E990103Y01|3"])
    alerts = ask(state, ALERTS)
    check("a rule and a pack added by files give alerts, of the new feed too, and the parent's rules go on", alerts,
          ["school_class_1d3|S990101P02/3-2|own", "two_of_a_place|E990103Y01|own", "two_of_a_place|S990101P02/3-3|own"])
    unknown = subprocess.run([PROGRAM, "replay", f"--state={WORK / 'unknown'}", files[1]], capture_output=True, text=True)
    check("the program itself knows nothing of the feed", (unknown.returncode, "eldercare" in unknown.stderr), (2, True))


def rules_decide():
    files = [pupils(WORK / "pupils.ndjson")]
    check("the shipped rules give an alert", ask(replay("shipped", files), ALERTS), ["school_class_1d3|S990101P02/3-2|base"])
    empty = WORK / "no_rules"
    empty.mkdir()
    state = replay("no_alert", files, rules=empty)
    check("an empty rules folder gives no alert", ask(state, "SELECT count(*) FROM alert_history"), ["0"])
    check("and the signals are there all the same", ask(state, "SELECT count(*) FROM signals"), ["5"])
    for value, alerts in [(2, ["school_class_1d3|S990101P02/3-2|base", "school_class_1d3|S990101P02/3-3|base"]), (4, [])]:
        rules = WORK / f"rules_{value}"
        shutil.copytree(ROOT / "rules", rules)
        pack = rules / "base/pack.toml"
        text, edited = re.subn(r'(\[parameters\."school_class_1d3\.pupils"\]\nvalue = )\d+', rf"\g<1>{value}", pack.read_text())
        assert edited == 1
        pack.write_text(text)
        check(f"the number {value} gives other alerts", ask(replay(f"number_{value}", files, rules=rules), ALERTS), alerts)


# A mistake: file, what is replaced by what, and the words of which all must be said.
MISTAKES = [
    ("a trailing comma", "contract.json", '"x-unique-key": "report_date",', '"x-unique-key": "report_date",,', ["contract.json:8:"]),
    ("an unknown keyword", "contract.json", '"x-unique-key"', '"x-uniqe-key"', ["contract.json:8:", "x-uniqe-key", "x-unique-key"]),
    ("oneOf", "contract.json", '"type": "object",\n  "required"', '"type": "object",\n  "oneOf": [],\n  "required"', ["contract.json:21:", "oneOf"]),
    ("a type that does not exist", "contract.json", '"type": "integer"', '"type": "int"', ["contract.json:25:", "int"]),
    ("a path that leads nowhere", "contract.json", '"x-facility": "home_id"', '"x-facility": "hmoe_id"', ["contract.json:15:", "hmoe_id"]),
    ("a stored text without a form", "contract.json", ', "pattern": "^[0-9A-Z][0-9A-Z-]{2,23}$"', "", ["contract.json:23:", "pattern"]),
    ("a good example that is refused", "good.ndjson", '"fever": 2', '"fever": "two"', ["good.ndjson:1", "/fever"]),
    ("a bad example that is accepted", "bad.ndjson", None, '{"expect": "pattern", "message": {"home_id": "E990103Y01", "report_date": "2021-01-18", "residents": 86, "fever": 2}}\n', ["bad.ndjson:", "accepted"]),
    ("a bad example with another reason", "bad.ndjson", None, '{"expect": "pattern", "message": {"home_id": "E990103Y01"}}\n', ["bad.ndjson:", "unknown_kind"]),
    ("SQL that does not parse", "normalize.sql", "UNION ALL", "UNION ALL SELECT ALL FROM", ["normalize.sql", "Line: ", "Column: "]),
    ("a column that the contract lacks", "normalize.sql", "fever AS value", "fevre AS value", ["normalize.sql:3:", "fevre", "fever"]),
    ("a table that does not exist", "normalize.sql", "FROM raw\nUNION", "FROM row\nUNION", ["normalize.sql:4:", "row"]),
    ("a column that every mapping gives", "normalize.sql", "fever AS value", "fever AS amount", ["normalize.sql", "no column value"]),
    ("an example without a signal", "normalize.sql", "FROM raw\nUNION", "FROM raw WHERE fever > 99\nUNION", ["good.ndjson:", "no_signal"]),
    ("a file that is missing", "proof.slt", None, None, ["proof.slt"]),
]


def feed_check_says_where():
    for number, (what, file, old, new, words) in enumerate(MISTAKES):
        kind = WORK / f"mistake_{number}" / "eldercare" / "day"
        shutil.copytree(ROOT / "examples/add_a_feed/eldercare/day", kind)
        path = kind / file
        text = path.read_text()
        if new is None:
            path.unlink()
        elif old is None:
            path.write_text(text + new)
        else:
            assert old in text, f"{what}: {old} is not in {file}"
            path.write_text(text.replace(old, new, 1))
        said = qianshao("feed", "check", kind, fails=True)
        if "--show" in sys.argv:
            print(f"--- {what}\n{said}")
        check(f"feed check names {what}", [word for word in words if word not in said], [])


PROGRAM, WORK = sys.argv[1], Path(sys.argv[2])
WORK.mkdir(parents=True)
a_feed_a_rule_and_a_pack()
rules_decide()
feed_check_says_where()
print(f"test result: ok. {passed} passed; 0 failed;")
