"""Break each mechanism in turn, in a copy of the sources, and require that its tests turn red.

    python tests/mutations/mutations.py [--only TEXT] [--cheap]

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
from pathlib import Path

from mutants import MUTANTS, SOURCES, Mutant

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
GREEN, RED = 0, 1  # pytest's exit codes; others mean that no test could tell


def run_tests(tests: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run tests, FILE::TEST, on the sources in a folder: the exit code of pytest and the end of its output."""
    places = [f"{next(TESTS.rglob(test.partition('::')[0]))}::{test.partition('::')[2]}" for test in tests]
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *places]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout[-2000:]


def killed(mutant: Mutant, scratch: Path) -> str:
    """What became of a mutant: "red", or why that cannot be said."""
    folder = scratch / "src"
    if not folder.exists():
        shutil.copytree(SOURCES, folder / SOURCES.name, ignore=shutil.ignore_patterns("__pycache__"))
    broken = folder / SOURCES.name / mutant.file
    whole = broken.read_text()
    for test in mutant.tests:
        broken.write_text(mutant.text())
        code, said = run_tests([test], folder)
        broken.write_text(whole)
        if code != RED:
            return f"SURVIVES {test}" if code == GREEN else f"cannot run {test}: {said}"
    return "red"


def main(argv: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants whose name or file holds this")
    parser.add_argument("--cheap", action="store_true", help="only those that take a few seconds")
    args = parser.parse_args(argv)
    chosen = [m for m in MUTANTS if args.only in m.name + m.file and (m.cheap or not args.cheap)]
    if not chosen:
        parser.error(f"no mutant's name or file holds {args.only!r}")
    code, said = run_tests(sorted({test for mutant in chosen for test in mutant.tests}), SOURCES.parent)
    if code != GREEN:
        sys.exit(f"the tests are red without any mutant, so they cannot judge one:\n{said}")
    print("| broken | in | its tests | seconds |\n|---|---|---|---|", flush=True)
    survivors = 0
    with tempfile.TemporaryDirectory() as scratch:
        for mutant in chosen:
            began = time.monotonic()
            verdict = killed(mutant, Path(scratch))
            survivors += verdict != "red"
            print(f"| {mutant.name} | {mutant.file} | {verdict} | {time.monotonic() - began:.0f} |", flush=True)
    if survivors:
        sys.exit(f"{survivors} of {len(chosen)} mutants survive: the tests that should notice do not")
    print(f"All {len(chosen)} mutants are noticed.")


if __name__ == "__main__":
    main()
