"""The official SLURM executor beside ours: the same faults, the same workflow, what each of them did.

python tests/cluster/beside_official.py [--only PATTERN] [--logs FOLDER] > table.md     as root; an hour or less

A row of docs/further.md for each case. Both run with quick status checks; a main process that has not ended LIMIT
seconds after the fault is called still running, and killed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from beside_cases import CASES, WORDS, Case, Trial
from private_slurm import PrivateSlurm


def tried(slurm: PrivateSlurm, case: Case, executor: str, logs: Path | None) -> str:
    """What happened; the queue is empty afterwards, and what the main process said is in the folder of logs."""
    with tempfile.TemporaryDirectory(prefix="beside", ignore_cleanup_errors=True) as place:
        trial = Trial(slurm, Path(place), executor)
        try:
            return case.run(trial)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return f"not brought about: {str(error)[-300:]!r}"
        finally:
            for hook in (slurm.folder / "hooks").iterdir():
                hook.unlink()
            if trial.toy.running:
                trial.toy.signal(signal.SIGKILL)
            if logs:
                name = re.sub(r"\W+", "-", case.fault)
                shutil.copy(trial.toy.folder / "main.log", logs / f"{name}.{executor}.log")
            slurm.says("scancel", "--me")
            trial.until(lambda: not slurm.queue(), 30)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="a regular expression for the faults to try")
    parser.add_argument("--executor", choices=WORDS, help="try this one alone")
    parser.add_argument("--logs", type=Path, help="a folder for what the main processes say")
    arguments = parser.parse_args()
    if arguments.logs:
        arguments.logs.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs ignore the first
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    folder.chmod(0o755)
    slurm = PrivateSlurm(folder)
    try:
        slurm.start()
        official = version("snakemake-executor-plugin-slurm")
        print(f"| fault | `slurm` {official} | here |\n|---|---|---|", flush=True)
        for case in CASES:
            if re.search(arguments.only, case.fault):
                began = time.monotonic()
                chosen = [name for name in WORDS if arguments.executor in (None, name)]
                results = {name: tried(slurm, case, name, arguments.logs) for name in chosen}
                print("|", " | ".join([case.fault, *(results.get(name, "") for name in WORDS)]), "|", flush=True)
                print(f"{time.monotonic() - began:.0f} s: {case.fault}", file=sys.stderr, flush=True)
    finally:
        slurm.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
