#!/usr/bin/env python3
"""The README's code blocks, run as they are printed, and its recorded text compared with a fresh run.

    readme.py PROGRAM WORK

The two commands are for a newcomer with `cargo`; here the demo is this program's, until the moment that the tour shows,
and then it is interrupted as a person would. `cargo test` is the suite spec.

Promises: every other ```sh block runs in order, as a shell runs it; a block that is not understood fails.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "README.zh-CN.md"]
TWO_COMMANDS = ["cargo run -- demo", "cargo test"]
# The tour's tables were recorded after a simulated day and a half.
UNTIL = "2021-01-05T12:00"
PACE_MS = 20
passed = 0


def ok(what):
    global passed
    passed += 1
    print(f"ok   {what}")


def blocks(page):
    """(language, text) of every fenced block, in order."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)


def shell(command):
    """Runs a line as a reader would: in the repository's copy, `qianshao` on the path."""
    done = subprocess.run(command, shell=True, cwd=HERE, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"FAIL {command}\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


def demo(language):
    """The demo until it shows the moment of the tour; then Ctrl-C, and it must end cleanly."""
    process = subprocess.Popen(["qianshao", "demo", "--lang", language, "--days", "2", "--pace-ms", str(PACE_MS)], cwd=HERE, env=ENVIRONMENT,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("2021-01-04T12:00"):
            printed = [line.split(None, 1)[1] for line in lines if line.startswith("SQL ")]
            assert len(printed) == 2, lines
            for command in printed:
                assert "severity" in shell(command), command
            ok(f"the two lines that demo --lang {language} prints work as printed")
        if line.startswith(UNTIL):
            process.send_signal(signal.SIGINT)
            break
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0, f"demo ended with {process.returncode}: {errors[-1500:]}"
    ok(f"demo --lang {language} ends cleanly on Ctrl-C")
    return lines + rest.splitlines()


def cells(line):
    return [cell.strip() for cell in line.split("|")]


def of_this_run(line):
    """Ports are the machine's; the embedded broker takes a free one."""
    return re.sub(r"127\.0\.0\.1:\d+|-p \d+", "PORT", line.rstrip())


def recorded(page, text, fresh, tables):
    """Every recorded line must be in a fresh run: of the tour as printed, of a table by its cells."""
    lines = [line for line in text.splitlines() if line.strip() and set(line) - set("-+")]
    if any("|" in line for line in lines[:1]):
        wanted, found = [cells(line) for line in lines], [cells(line) for table in tables for line in table.splitlines()]
    else:
        wanted, found = [of_this_run(line) for line in lines], [of_this_run(line) for line in fresh]
    missing = [line for line in wanted if line not in found]
    if missing:
        sys.exit(f"FAIL {page} shows what a fresh run does not say:\n{missing}\n" + "\n".join(map(str, found[:80])))
    ok(f"{page}: {len(wanted)} recorded lines are those of a fresh run")


def fill_in(command):
    """ALERT_ID is the reader's to choose."""
    if "ALERT_ID" not in command:
        return command
    state = re.search(r"--state (\S+)", command)[1]
    alert = shell(f"qianshao sql --state {state} --format csv -c 'SELECT alert_id FROM alerts LIMIT 1'").split()[1]
    return command.replace("ALERT_ID", alert)


def main():
    fresh = demo("en")
    outputs, ran = {}, set()
    for page in PAGES:
        for language, text in blocks(page):
            if language != "sh":
                continue
            for command in filter(None, (line.split(" # ")[0].strip() for line in text.splitlines())):
                if command in TWO_COMMANDS or command in ran:
                    continue
                outputs[command] = shell(fill_in(command))
                assert outputs[command].strip(), f"{command} says nothing"
                ran.add(command)
                ok(command)
    assert len(ran) >= 6, "README shows almost nothing"
    for page in PAGES:
        texts = [text for language, text in blocks(page) if language == "text" and "─▶" not in text]
        assert len(texts) >= 2, f"{page} shows no tour"
        for text in texts:
            recorded(page, text, fresh, list(outputs.values()))
    print(f"test result: ok. {passed} passed; 0 failed;")


PROGRAM, HERE = Path(sys.argv[1]), Path(sys.argv[2])
HERE.mkdir(parents=True)
for name in ("examples", "schemas", "rules", "deploy"):
    (HERE / name).symlink_to(ROOT / name)
ENVIRONMENT = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
main()
