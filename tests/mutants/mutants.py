"""Applies bugs to a copy of the tree, one at a time, and looks for a test that notices.

  mutants.py                 every patch of this folder
  mutants.py --draw N        N of them, drawn by a seed that is printed (--seed S draws the same again)
  mutants.py PATCH...        these, or anyone's: a patch for `patch -p1` whose first lines say what is wrong

Each is caught by a seed of the simulation or by a test, which is printed; one that is not caught fails the run.
"""
import argparse
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Schedules and crash states that a bug is given; one that needs more is told as not caught.
ENOUGH = {"QIANSHAO_SCHEDULES": "2000", "QIANSHAO_STATES": "2000"}


def copy_of_the_tree(to):
    """What git knows of, with the times of its files, so that cargo builds only what a patch touches."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
    known = set(listed.stdout.decode().split("\n")) - {""}
    for old in (path for path in to.rglob("*") if path.is_file()):
        if str(old.relative_to(to)) not in known:
            old.unlink()
    for name in known:
        source, target = ROOT / name, to / name
        if not source.is_file():
            continue
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


# What cargo builds of one copy it takes for what it would build of another. So the bugs are built in another way than anything else: else
# they would be in the program of the tree that they were copied from. Quicker, too: most are noticed within seconds.
BUILT_APART = ["--config", "profile.dev.package.qianshao.opt-level=0"]
# A failing seed of the simulation, a failing test, a test binary that ended. A panic alone is none: a test may expect it.
NOTICED = re.compile(r"^(seed \d+: .*); making it smaller$|^test (\S+) \.\.\. FAILED$|^(error: test failed.*)$")


def first_failure(tree, *arguments):
    """Runs tests until one fails, and no longer: the rest, and a smaller seed, tell nothing more."""
    run = subprocess.Popen(["cargo", *BUILT_APART, "test", *arguments, "--nocapture"], cwd=tree, start_new_session=True,
                           env={**os.environ, **ENOUGH}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    try:
        failed = next(filter(None, map(NOTICED.match, run.stdout)), None)
        return next(filter(None, failed.groups()))[:160] if failed else None
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def caught_by(tree, patch):
    applied = subprocess.run(["patch", "-p1", "--forward", "--input", str(patch.resolve())], cwd=tree,
                             capture_output=True, text=True)
    if applied.returncode != 0:
        return None, f"it does not apply:\n{applied.stdout}{applied.stderr}"
    built = subprocess.run(["cargo", *BUILT_APART, "test", "--test", "spec", "--no-run"], cwd=tree, capture_output=True, text=True)
    if built.returncode != 0:
        return None, f"it does not compile:\n{built.stderr[-3000:]}"
    # First what looks for such bugs, then what is quick.
    for suite in (["--test", "spec", "--", "simulation"], ["--lib", "--"], ["--test", "spec", "--", "--skip", "simulation"]):
        if failed := first_failure(tree, *suite):
            return failed, None
    return None, "nothing noticed it"


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("--draw", type=int)
    asked.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 16))
    asked.add_argument("patches", nargs="*", type=pathlib.Path)
    asked = asked.parse_args()
    patches = asked.patches or sorted(HERE.glob("*.patch"))
    if asked.draw:
        print(f"drawn by seed {asked.seed}", flush=True)
        patches = random.Random(asked.seed).sample(patches, asked.draw)
    tree = pathlib.Path(os.environ.get("QIANSHAO_MUTANTS", pathlib.Path.home() / ".cache/qianshao/mutants"))
    tree.mkdir(parents=True, exist_ok=True)
    bad = 0
    for patch in patches:
        copy_of_the_tree(tree)
        by, why = caught_by(tree, patch)
        print(f"caught   {patch.stem}, by {by}" if by else f"NOT CAUGHT   {patch.stem}: {why}", flush=True)
        bad += by is None
    copy_of_the_tree(tree)
    print(f"test result: {'FAILED' if bad else 'ok'}. {len(patches) - bad} passed; {bad} failed;")
    sys.exit(bad > 0)


main()
