"""Break each mechanism in turn, in a copy of the sources, and require that its tests turn red.

    python tests/mutations/mutations.py [--only TEXT] [--cheap] [--jobs N]

Prints a table; exit 1 if a mutant survives, or if its tests are red without it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutants import EXECUTOR, MUTANTS, SOURCES, Mutant

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
sys.path.append(str(TESTS))  # of a script there is only its own folder
import warm  # noqa: E402

GREEN, RED, HANGS = 0, 1, -1  # pytest's exit codes, others mean that no test could say it; and ours
SECONDS = 1800  # for the tests of all mutants together
TOYS = "SENSORIUM_TOYS"  # see tests/unit/toy_store.py: toys that a mutant does not touch are trained once for all


def run_tests(tests: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run tests, FILE::TEST, on the sources in a folder: the exit code of pytest and the end of its output."""
    places = [f"{next(TESTS.rglob(test.partition('::')[0]))}::{test.partition('::')[2]}" for test in tests]
    own = [folder, *(place.parent for place in (SOURCES, EXECUTOR))]  # a mutant comes before the sources as they are
    modules = os.pathsep.join(map(str, own))
    environment = {**os.environ, "PYTHONPATH": modules, "PYTHONDONTWRITEBYTECODE": "", "OMP_NUM_THREADS": "1"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with tempfile.TemporaryDirectory(prefix="mutant-") as scratch:
        words = ["pytest", "-q", "-x", "-p", "no:cacheprovider", f"--basetemp={scratch}/tests", *places]
        try:
            done = warm.run(words, ROOT, environment, SECONDS)
        except subprocess.TimeoutExpired as error:
            return HANGS, str(error)
    return done.returncode, done.stdout[-2000:]


def killed(mutant: Mutant, scratch: Path) -> str:
    """What became of a mutant, in a copy of the sources of its own: "red", or why that cannot be said."""
    folder = scratch / "src"
    copy = folder / mutant.sources.name
    # With its compiled modules, for the tests start faster; but for one that is being written.
    shutil.copytree(mutant.sources, copy, ignore=shutil.ignore_patterns("*.pyc.*"))
    (copy / mutant.file).write_text(mutant.text())
    for test in mutant.tests:
        code, said = run_tests([test], folder)
        if code != RED:
            return f"SURVIVES {test}" if code == GREEN else f"cannot run {test}: {said}"
    return "red"


def judged(mutant: Mutant) -> tuple[str, float]:
    """What became of a mutant, and the seconds that took."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as scratch:
        return killed(mutant, Path(scratch)), time.monotonic() - began


def red_without(mutants: Sequence[Mutant], jobs: ThreadPoolExecutor, parts: int) -> str:
    """What the tests of all mutants say on the sources as they are, if they are red."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    files = sorted({test.partition("::")[0] for test in tests})
    shares = [[test for test in tests if test.partition("::")[0] in files[part::parts]] for part in range(parts)]
    ends = jobs.map(lambda share: run_tests(share, SOURCES.parent), filter(None, shares))
    return "\n".join(said for code, said in ends if code != GREEN)


def main(argv: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants whose name or file holds this")
    parser.add_argument("--cheap", action="store_true", help="only those that take a few seconds")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="mutants at a time (default: %(default)s)")
    args = parser.parse_args(argv)
    chosen = [m for m in MUTANTS if args.only in m.name + m.file and (m.cheap or not args.cheap)]
    chosen.sort(key=lambda mutant: mutant.cheap)  # the long ones first, so that none of them ends alone
    if not chosen:
        parser.error(f"no mutant's name or file holds {args.only!r}")
    with tempfile.TemporaryDirectory(prefix="toys-") as toys, ThreadPoolExecutor(args.jobs) as jobs:
        os.environ.setdefault(TOYS, toys)
        if said := red_without(chosen, jobs, args.jobs):
            sys.exit(f"the tests are red without any mutant, so they cannot judge one:\n{said}")
        survivors = _table(chosen, jobs)
    if survivors:
        sys.exit(f"{survivors} of {len(chosen)} mutants survive: the tests that should notice do not")
    print(f"All {len(chosen)} mutants are noticed.")


def _table(chosen: Sequence[Mutant], jobs: ThreadPoolExecutor) -> int:
    """Print what becomes of mutants, a row each; how many survive."""
    print("| broken | in | its tests | seconds |\n|---|---|---|---|", flush=True)
    survivors = 0
    for mutant, (verdict, seconds) in zip(chosen, jobs.map(judged, chosen), strict=True):
        survivors += verdict != "red"
        print(f"| {mutant.name} | {mutant.file} | {verdict} | {seconds:.0f} |", flush=True)
    return survivors


if __name__ == "__main__":
    main()
