"""Kill the workflow at random moments and fill its disks at random bytes: the same command must always go on.

    python tests/edges/campaign.py --kills 200 --full-disks 100 --whole 10 --output campaign.json

After each run the exit code must be right, the final weights bit-equal to those of an uninterrupted run, and nothing
left over. Prints a line for each run and writes the figures; exit 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from full_disks import KINDS, Stages, can_mount, disk_campaign
from kills import kill_campaign
from workplace import ROOT, Workplace

SNAKEMAKE_SECONDS = 8.0  # a run's start, and its work between programs


def encoder(folder: Path) -> Workplace:
    """A workplace of recordings and an encoder, the quickest of what can be killed at many different moments."""
    return Workplace(folder, ("results/encoders/vision/manifest.json",))


def whole(folder: Path) -> Workplace:
    """A workplace of the whole tiny preset."""
    return Workplace(folder, (), ROOT / "config/tiny.yaml")


def run(folder: Path, kills: int, full_disks: int, whole_kills: int, seed: int) -> Iterator[dict[str, Any]]:
    """All runs of a campaign, each as a record with its part: kill, whole or disk."""
    stages = Stages(folder)
    seconds = sum(stages.seconds[:-1]) + SNAKEMAKE_SECONDS
    for record in kill_campaign(encoder, folder, stages.expected, kills, seconds, seed):
        yield {"part": "kill", **record}
    kinds = [KINDS[number % len(KINDS)] if can_mount() else "file size" for number in range(full_disks)]
    for record in disk_campaign(folder, stages, kinds, seed):
        yield {"part": "disk", **record}
    if whole_kills:
        reference, began = whole(folder / "whole"), time.monotonic()
        assert reference.start().wait() == 0, reference.output()
        between = 2 * (time.monotonic() - began) / whole_kills
        for record in kill_campaign(whole, folder / "all", reference.results(), whole_kills, between, seed):
            yield {"part": "whole", **record}


def figures(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the records come to."""
    killed = [kill["victim"] for record in records for kill in record.get("killed", ())]
    disks = [record for record in records if record["part"] == "disk"]
    return {
        "kills": dict(Counter(killed)),
        "runs": dict(Counter(record["part"] for record in records)),
        "full disks": dict(Counter(record["kind"] for record in disks)),
        "programs on full disks": dict(Counter(record["program"] for record in disks)),
        "exit codes on full disks": dict(Counter(str(record["code"]) for record in disks)),
        "wrong": [wrong for record in records for wrong in record["wrongs"]],
    }


def main(argv: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="of runs with a few small targets")
    parser.add_argument("--full-disks", type=int, default=100, metavar="N")
    parser.add_argument("--whole", type=int, default=0, metavar="N", help="kills of runs of all of config/tiny.yaml")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, metavar="FILE", help="JSON of the figures")
    args = parser.parse_args(argv)
    records, began = [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="campaign-", ignore_cleanup_errors=True) as folder:
        for record in run(Path(folder), args.kills, args.full_disks, args.whole, args.seed):
            records.append(record)
            print(json.dumps(record), flush=True)
            summary = {"seed": args.seed, "seconds": round(time.monotonic() - began), **figures(records)}
            if args.output:
                args.output.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))
    sys.exit(bool(summary["wrong"]))


if __name__ == "__main__":
    main()
