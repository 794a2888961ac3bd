"""Merge the evaluations into one file, and print them as a table."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.artifacts import ArtifactError, read_checked, write_json
from sensorium.evaluation.statistics import EvaluationResult

REVISION = 1
HEADINGS = ("metric", "value", "95 % interval", "floor", "above it", "ceiling", "n", "")


def main(argv: list[str]) -> None:
    """Run `sensorium summary`."""
    parser = argparse.ArgumentParser(prog="sensorium summary", description=__doc__)
    parser.add_argument("--evaluations", required=True, type=Path, nargs="+", metavar="JSON", help="results to merge")
    parser.add_argument("--output", required=True, type=Path, metavar="JSON", help="where the merged result goes")
    args = parser.parse_args(argv)
    merged = merge(args.evaluations)
    write_json(args.output, merged)
    print(table(merged), flush=True)


def merge(paths: list[Path]) -> dict[str, Any]:
    """{"evaluations": {name: result}, "summary": {"metrics", "passed", "failed": [names]}}.

    Raises:
        ArtifactError: if a file is no evaluation, a name comes twice, or the evaluations were made from different
            recordings of the world; a labelled set of a sense's own is another matter.
    """
    evaluations: dict[str, Any] = {}
    data: tuple[str, str] | None = None
    for path in paths:
        result = read_checked(path, EvaluationResult)
        name = result["name"]
        if name in evaluations:
            raise ArtifactError(f"{path}: a second result named {name!r}; pass each evaluation once")
        found = result["inputs"].get("data")
        data = data or (found and (name, found))
        if data and found and data[1] != found:
            raise ArtifactError(
                f"{path}: made from other recordings than the evaluation {data[0]!r}; delete both and evaluate again"
            )
        evaluations[name] = result
    flat = {
        f"{name}.{metric}": record
        for name, result in evaluations.items()
        for metric, record in result["metrics"].items()
    }
    failed = sorted(name for name, record in flat.items() if not record["passed"])
    return {
        "evaluations": evaluations,
        "summary": {"metrics": len(flat), "passed": len(flat) - len(failed), "failed": failed},
    }


def table(merged: Mapping[str, Any]) -> str:
    """The merged result for a person: one line a metric, then how many passed."""
    rows = [HEADINGS]
    for name, result in merged["evaluations"].items():
        for metric, record in result["metrics"].items():
            rows.append(
                (
                    f"{name}.{metric}",
                    f"{record['value']:.3f}",
                    f"[{record['low']:.3f}, {record['high']:.3f}]",
                    f"{record['floor']:.3f}",
                    f"{record['margin']['value']:.3f} [{record['margin']['low']:.3f}, {record['margin']['high']:.3f}]",
                    f"{record['ceiling']:.3f}",
                    str(record["n"]),
                    "passed" if record["passed"] else "FAILED",
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = []
    for name, *cells in rows:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *padded]))
    counts = merged["summary"]
    lines.append(
        f"{counts['passed']} of {counts['metrics']} metrics passed: better than the floor beyond the 95 % interval"
    )
    return "\n".join(line.rstrip() for line in lines)
