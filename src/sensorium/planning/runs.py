"""List the training runs that a results folder keeps, with sizes, and delete those that nothing uses.

A run stays when settings change, so that the old settings find it again without training. States: `used` by the present
result; `training` now; `newest` of a stage that has no result yet; `stopped` before its last step, so the same settings
would continue it; `unused`; `unknown`, if its files cannot be read. --clear deletes unused runs, with --stopped stopped
ones too, and no other. It shows them first, and deletes after a yes.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from pathlib import Path

from sensorium.planning.kept_runs import Run, delete, differences, kept_runs
from sensorium.planning.table import age, aligned, size

DAY = 24 * 3600.0
SHOWN = 3  # differences of a run
HEADING = ("stage", "run", "state", "step", "size", "age", "differs in")
NUMBERS = (3, 4, 5)  # columns


def main(argv: list[str]) -> None:
    """Run `sensorium runs`."""
    parser = argparse.ArgumentParser(prog="sensorium runs", description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="default: results")
    parser.add_argument("--stage", metavar="NAME", help="only this stage, such as dynamics or encoders/vision")
    parser.add_argument("--older-than", type=_days, default=0.0, metavar="DAYS", help="only runs not written to since")
    parser.add_argument("--clear", action="store_true", help="delete unused runs, after showing them")
    parser.add_argument("--stopped", action="store_true", help="with --clear: stopped runs too")
    parser.add_argument("--yes", action="store_true", help="with --clear: delete without asking")
    args = parser.parse_args(argv)
    if (args.stopped or args.yes) and not args.clear:
        parser.error("--stopped and --yes need --clear")
    if not args.results.is_dir():
        parser.error(f"--results {args.results}: no such folder")
    stages = kept_runs(args.results)
    if args.stage is not None and args.stage.strip("/") not in stages:
        parser.error(f"--stage {args.stage}: has no runs in {args.results}; stages with runs: {', '.join(stages)}")
    chosen = {
        stage: [run for run in runs if run.age() >= args.older_than * DAY]
        for stage, runs in stages.items()
        if args.stage in (None, stage, f"{stage}/")
    }
    if not args.clear:
        print(_listing(chosen, stages))
        return
    cleared = ("unused", "stopped") if args.stopped else ("unused",)
    doomed = {stage: [run for run in runs if run.state in cleared] for stage, runs in chosen.items()}
    doomed = {stage: runs for stage, runs in doomed.items() if runs}
    if not doomed:
        print("nothing to delete")
        return
    print(_table(doomed, stages))
    runs = [run for of_stage in doomed.values() for run in of_stage]
    what = f"{len(runs)} run(s), {_total(runs)}"
    if not args.yes and not sys.stdin.isatty():
        parser.error(f"nothing deleted: {what} would go; add --yes")
    if not args.yes and input(f"Delete {what}? [y/N] ").strip().lower() not in ("y", "yes"):
        print("nothing deleted")
        return
    _delete(args.results, runs)


def _delete(results: Path, doomed: list[Run]) -> None:
    """Delete runs that are still as they were shown: the answer may have come an hour later."""
    now = {run.folder: run.state for runs in kept_runs(results).values() for run in runs}
    freed = 0
    for run in doomed:
        if now.get(run.folder) == run.state and delete(run):
            freed += run.size
        else:
            print(f"{run.folder}: left alone, because it is in use by now")
    print(f"freed {size(freed)}")


def _listing(chosen: dict[str, list[Run]], stages: dict[str, list[Run]]) -> str:
    """The table of runs, and what clearing them would free."""
    runs = [run for of_stage in chosen.values() for run in of_stage]
    lines = [_table(chosen, stages)] if runs else ["no runs"]
    for state, flags in (("unused", "--clear"), ("stopped", "--clear --stopped")):
        those = [run for run in runs if run.state == state]
        if those:
            lines.append(f"{len(those)} {state}, {_total(those)}: sensorium runs {flags} shows and deletes them")
    return "\n".join(lines)


def _table(chosen: dict[str, list[Run]], stages: dict[str, list[Run]]) -> str:
    """A row for each run, a total for each stage of several runs, and the total of all."""
    rows: list[tuple[str, ...]] = [HEADING]
    for stage, runs in chosen.items():
        reference = next((run for run in stages[stage] if run.state == "used"), stages[stage][0] if runs else None)
        for number, run in enumerate(runs):
            changed = [] if reference is None or run is reference else differences(run, reference)
            more = [f"and {len(changed) - SHOWN} more"] if len(changed) > SHOWN else []
            step = f"{run.step}/{run.steps}" if run.steps else str(run.step)
            label = "" if number else stage
            shown = ", ".join(changed[:SHOWN] + more)
            rows.append((label, run.folder.name, run.state, step, size(run.size), age(run.age()), shown))
        if len(runs) > 1:
            rows.append(("", f"{len(runs)} runs", "", "", _total(runs), "", ""))
    everything = [run for runs in chosen.values() for run in runs]
    rows.append(("all", f"{len(everything)} runs", "", "", _total(everything), "", ""))
    return aligned(rows, NUMBERS)


def _total(runs: Iterable[Run]) -> str:
    return size(sum(run.size for run in runs))


def _days(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text} is not a number of days")
    return value
