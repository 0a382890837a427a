#!/usr/bin/env python3
"""What a feed, a kind, a signal or a rule is called is nobody's business but its files'.

    renamed.py PROGRAM WORK

Copies feeds, rules and registers, renames every feed, kind, CloudEvents type, signal and rule in the copies, sends the
same messages through the same program under both names, maps the names of the second run back, and compares tables.

Promises: every column is compared but those made of names by hashing or sorting (ids of alerts, keys of records, a row's
number within its message), the sealed body, and the digest and lengths of a body that names its type; every table has rows, and every shipped name was really in use or is printed as not used.
"""

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START, DAYS, SEED, SCALE = "2021-01-07", 12, 7, 0.02
# Of messages whose sender says another month, the clock would run through years.
MONTHS = re.compile(r'"(?:submitted_at|declared_at|sold_at|event_time|onset_at)": ?"(\d{4}-\d\d)')
TABLES = ["signals", "cells", "alerts", "alert_history", "quarantine", "expected_reports", "accounting"]
# Digests of names, sealed with them, or in their order.
HASHED = {"alert_id", "record_key", "body", "row"}
ID_OF_AN_ALERT = re.compile(r"\b[0-9a-f]{32}\b")


def names():
    """Every name of the shipped folders: [(what, old, new)]; new ones sort the other way round."""
    contracts = {path.parent: json.loads(path.read_text()) for path in sorted(ROOT.glob("schemas/feeds/*/*/contract.json"))}
    feeds = sorted({kind.parent.name for kind in contracts})
    kinds = sorted({kind.name for kind in contracts})
    types = sorted(contract["x-ce-type"] for contract in contracts.values())
    signals = sorted({signal for contract in contracts.values() for signal in contract["x-signals"]})
    rules = sorted(path.stem for path in ROOT.glob("rules/*/*.sql"))

    def numbered(letters, old):
        return {name: f"{letters}{len(old) - place:02}x" for place, name in enumerate(old)}

    # A prefix that SQL puts in front of a code stays a prefix.
    sql = "".join(path.read_text() for folder in ("schemas/feeds", "rules") for path in ROOT.glob(f"{folder}/**/*.sql"))
    prefixes = sorted({word for word in re.findall(r"'(\w+_)'", sql) if any(name.startswith(word) for name in signals)})
    new_prefixes = numbered("px", prefixes)
    new_prefixes = {old: new + "_" for old, new in new_prefixes.items()}
    new_signals = numbered("sg", signals)
    for name in signals:
        family = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
        if family:
            new_signals[name] = new_prefixes[family] + name[len(family):]
    return {
        "feed": numbered("fd", feeds), "kind": numbered("kd", kinds), "type": numbered("org.example.ty", types),
        "signal": new_signals, "prefix": new_prefixes, "rule": numbered("rl", rules),
    }


def words(text, mapping):
    """Replaces whole words."""
    if not mapping:
        return text
    longest = sorted(mapping, key=len, reverse=True)
    return re.sub(r"(?<![\w.])(" + "|".join(map(re.escape, longest)) + r")(?!\w)", lambda found: mapping[found[1]], text)


def rename_feeds(to, new):
    for kind in sorted(ROOT.glob("schemas/feeds/*/*/")):
        if not (kind / "contract.json").exists():
            continue
        copy = to / new["feed"][kind.parent.name] / new["kind"][kind.name]
        shutil.copytree(kind, copy)
        contract = json.loads((kind / "contract.json").read_text())
        contract["x-ce-type"] = new["type"][contract["x-ce-type"]]
        contract["x-signals"] = {new["signal"][name]: meaning for name, meaning in contract["x-signals"].items()}
        (copy / "contract.json").write_text(json.dumps(contract, ensure_ascii=False, indent=1))
        (copy / "normalize.sql").write_text(rename_texts((kind / "normalize.sql").read_text(), new))
        # Proofs and examples speak of the old names, and nothing reads them at run time.
        for leftover in ("proof.slt", "good.ndjson", "bad.ndjson"):
            (copy / leftover).unlink()


def rename_texts(sql, new):
    """Signals, prefixes of signals, and rules that other rules read, where they stand as texts of SQL."""
    texts = {**new["rule"], **new["signal"], **new["prefix"]}
    return re.sub(r"'(\w+)'", lambda found: f"'{texts.get(found[1], found[1])}'", sql)


def rename_rules(to, new):
    parameter = re.compile(r"\b(" + "|".join(sorted(new["rule"], key=len, reverse=True)) + r")(?=\.\w)")
    for pack in sorted(ROOT.glob("rules/*/")):
        (to / pack.name).mkdir(parents=True)
        text = (pack / "pack.toml").read_text()
        (to / pack.name / "pack.toml").write_text(parameter.sub(lambda found: new["rule"][found[1]], text))
        for rule in pack.glob("*.sql"):
            lines = []
            for line in parameter.sub(lambda found: new["rule"][found[1]], rule.read_text()).splitlines():
                head = re.match(r"-- (id|needs): ", line)
                lines.append(head[0] + words(line[len(head[0]):], new["rule"]) if head else rename_texts(line, new))
            (to / pack.name / f'{new["rule"][rule.stem]}.sql').write_text("\n".join(lines) + "\n")


def rename_registers(registers, to, new):
    to.mkdir(parents=True)
    for path in registers.glob("*.csv"):
        rows = list(csv.DictReader(path.open(newline="")))
        for row in rows:
            if row.get("feed"):
                row["feed"] = new["feed"][row["feed"]]
            kinds = [kind.split("/") for kind in (row.get("authoritative") or "").split()]
            if kinds:
                row["authoritative"] = " ".join(f'{new["feed"][feed]}/{new["kind"][kind]}' for feed, kind in kinds)
        with (to / path.name).open("w", newline="") as out:
            writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def messages(city):
    """Bodies by feed: the city's, and the examples of every kind, good and bad."""
    bodies = {}
    for path in sorted(city.glob("**/*.ndjson")):
        feed = re.search(r"feed\.(\w+)\.v1", path.name)
        for line in path.read_text().splitlines() if feed else []:
            payload = json.loads(line).get("payload")
            if payload:
                bodies.setdefault(feed[1], []).append(payload)
    for path in sorted(ROOT.glob("schemas/feeds/*/*/*.ndjson")):
        lines = path.read_text().splitlines()
        if path.name == "bad.ndjson":
            lines = [body_of(line) for line in lines]
        bodies.setdefault(path.parts[-3], []).extend(line for line in lines if line)

    def timely(body):
        return "\n" not in body and all(month == START[:7] for month in MONTHS.findall(body))

    return {feed: [body for body in lines if timely(body)] for feed, lines in bodies.items()}


def body_of(line):
    """A bad example is a line with what must be said of it; the message stands inside."""
    try:
        example = json.loads(line)
    except ValueError:
        return line
    message = example.get("raw", example.get("message", ""))
    return message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)


def run(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"qianshao {' '.join(map(str, arguments[:4]))} …: {done.stderr[-2000:]}")
    return done.stdout


def replayed(program, work, name, folders, files):
    state = work / name
    arguments = [f"--{what}={folder}" for what, folder in folders.items()]
    print(f"{name}: {run(program, 'replay', f'--state={state}', '--pack=2021-CF', *arguments, f'--key-file={work}/key', *files).strip()}")
    return {table: run(program, "sql", f"--state={state}", "--format=csv", "-c", f"SELECT * FROM {table}") for table in TABLES}


def rows(text, back):
    """Rows of a table as sorted lines, names mapped back, digests of names left out."""
    table = list(csv.DictReader(io.StringIO(words(text, back))))
    kept = [{name: value for name, value in row.items() if name not in HASHED} for row in table]
    lists = [sorted(row["help"].split(", ")) if "help" in row else None for row in kept]
    for row in kept:
        # A structured CloudEvent names its type in the body: its digest is another, and so is the type's length.
        if '"specversion"' in row.get("body_shape", "") or row.get("pointer", "").startswith("/data"):
            row["body_sha256"] = row["body_shape"] = "with a type"
    for row, items in zip(kept, lists):
        if items:
            # Which of several types comes first is decided by their names.
            row["help"] = ", ".join(sorted(re.split(r", |: ", row["help"])))
    return sorted(ID_OF_AN_ALERT.sub("ID", json.dumps(row, ensure_ascii=False)) for row in kept)


def main():
    program, work = sys.argv[1], Path(sys.argv[2])
    work.mkdir(parents=True)
    (work / "key").write_text("test:" + "0f" * 32)
    new = names()
    print(", ".join(f"{len(of)} {what}s" for what, of in new.items()), "renamed")
    run(program, "simulate", f"--to={work}/city", f"--seed={SEED}", f"--days={DAYS}", f"--start={START}", f"--scale={SCALE}")
    registers = next(path.parent for path in (work / "city").glob("**/facilities.csv"))
    rename_feeds(work / "new/feeds", new)
    rename_rules(work / "new/rules", new)
    rename_registers(registers, work / "new/registers", new)
    kind_of = {kind.parent.parent.name: kind.parent.name for kind in sorted(ROOT.glob("schemas/feeds/*/*/contract.json"))}
    sent = messages(work / "city")
    old_files, new_files = [], []
    for feed, bodies in sent.items():
        one, other = work / f"{feed}.ndjson", work / f'{new["feed"][feed]}.ndjson'
        one.write_text("\n".join(bodies) + "\n")
        other.write_text(words("\n".join(bodies) + "\n", new["type"]))
        old_files.append(f"{feed}/{kind_of[feed]}={one}")
        new_files.append(f'{new["feed"][feed]}/{new["kind"][kind_of[feed]]}={other}')
    shipped = {"feeds": ROOT / "schemas/feeds", "rules": ROOT / "rules", "registers": registers}
    renamed = {what: work / "new" / what for what in shipped}
    one = replayed(program, work, "shipped", shipped, old_files)
    other = replayed(program, work, "renamed", renamed, new_files)
    judge(one, other, new)


def judge(one, other, new):
    back = {made: old for of in new.values() for old, made in of.items()}
    # Signals that the missing-report rules make of a feed's name, and topics.
    back.update({f"{made}_report": f"{old}_report" for old, made in new["feed"].items()})
    back.update({f"qianshao.feed.{made}.v1": f"qianshao.feed.{old}.v1" for old, made in new["feed"].items()})
    differ = 0
    for table in TABLES:
        before, after = rows(one[table], {}), rows(other[table], back)
        digests = [hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] for lines in (before, after)]
        same = before == after and len(before) > 0
        differ += not same
        print(f"{'ok  ' if same else 'FAIL'} {table}: {len(before)} and {len(after)} rows, {digests[0]} {digests[1]}")
        if not same:
            for line in sorted(set(before) ^ set(after))[:6]:
                print("  only", "shipped" if line in before else "renamed", line[:700])
    left = [old for what in ("rule", "type") for old in new[what] if any(re.search(rf"(?<![\w.]){re.escape(old)}(?!\w)", text) for text in other.values())]
    signals = {row["signal"] for row in csv.DictReader(io.StringIO(one["signals"]))}
    rules = {row["rule"] for row in csv.DictReader(io.StringIO(one["alerts"]))}
    print(f"{len(signals)} signals and {len(rules)} rules had rows: {', '.join(sorted(rules))}")
    ambiguous = set(new["rule"]) & set(new["signal"])
    left = [name for name in left if name not in ambiguous]
    assert not left, f"old names in the renamed run: {left}"
    assert len(signals) >= 15 and len(rules) >= 6, "too little happened"
    if differ:
        sys.exit(f"{differ} tables differ")
    print(f"test result: ok. {len(TABLES)} passed; 0 failed;")


main()
