"""Did a change of the code change a result? Compares the results of two runs, bit by bit and number by number.

    python benchmarks/compare_results.py BEFORE/results AFTER/results

For every safetensors file below either folder it prints `equal` or `DIFFERENT` with both digests, and for every
evaluation the largest difference of its numbers; keys that only one side has are named. Exit 1 if anything differs.
Run both sides on the same machine with the same number of threads: sums depend on both.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sensorium.artifacts import ArtifactError, digest, read_json

IGNORED = {"seconds", "inputs"}  # how long it took, and digests of manifests, which hold dates of their own


def numbers(value: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Every number below a JSON value, with its place."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in IGNORED:
                yield from numbers(part, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from numbers(part, f"{place}[{index}]")
    elif isinstance(value, int | float):
        yield place, float(value)


def weights(before: Path, after: Path) -> Iterator[str]:
    """A line for each safetensors file outside the run folders."""
    names = {
        path.relative_to(folder)
        for folder in (before, after)
        for path in folder.rglob("*.safetensors")
        if "runs" not in path.parts
    }
    for name in sorted(names):
        found = [digest(folder / name)[:16] if (folder / name).exists() else "missing" for folder in (before, after)]
        yield f"{'equal' if found[0] == found[1] else 'DIFFERENT'} {name} {' '.join(dict.fromkeys(found))}"


def evaluations(before: Path, after: Path) -> Iterator[str]:
    """A line for each evaluation of results/eval.json."""
    sides = [read_json(folder / "eval.json")["evaluations"] for folder in (before, after)]
    for name in sorted(sides[0].keys() | sides[1].keys()):
        old, new = (dict(numbers(side.get(name, {}))) for side in sides)
        alone = sorted(old.keys() ^ new.keys())
        largest = max((abs(old[key] - new[key]) for key in old.keys() & new.keys()), default=0.0)
        verdict = "equal" if not alone and largest == 0 else "DIFFERENT"
        names = f", on one side only: {', '.join(alone)}" if alone else ""
        yield f"{verdict} {name}: {len(old.keys() & new.keys())} numbers, largest difference {largest:g}{names}"


def main(argv: list[str] | None = None) -> int:
    """Print the comparison; 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    args = parser.parse_args(argv)
    try:
        lines = [*weights(args.before, args.after), *evaluations(args.before, args.after)]
    except (ArtifactError, json.JSONDecodeError) as error:
        parser.error(str(error))
    print("\n".join(lines))
    return int(any(line.startswith("DIFFERENT") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
