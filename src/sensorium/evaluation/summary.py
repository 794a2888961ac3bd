"""Merge the evaluations into one file, list every baseline, and print a table, with the warnings of the recordings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sensorium.artifacts import ArtifactError, atomic_path, read_checked, read_manifest, write_json
from sensorium.data.recording import KIND
from sensorium.evaluation.pages import write_page
from sensorium.evaluation.statistics import EvaluationResult
from sensorium.evaluation.table import every_baseline, table
from sensorium.progress import say

REVISION = 3


def main(argv: list[str]) -> None:
    """Run `sensorium summary`."""
    parser = argparse.ArgumentParser(prog="sensorium summary", description=__doc__)
    parser.add_argument("--evaluations", required=True, type=Path, nargs="+", metavar="JSON", help="results to merge")
    parser.add_argument(
        "--recordings", type=Path, nargs="+", default=[], metavar="MANIFEST", help="sets whose warnings are repeated"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="JSON", help="where the merged result goes")
    parser.add_argument("--table", type=Path, metavar="TSV", help="where every baseline is listed")
    add = parser.add_argument
    add("--played", type=Path, nargs="*", default=[], metavar="FILE", help="films and sounds that get a page each")
    add("--pages", type=Path, nargs="*", default=[], metavar="HTML", help="those pages, then that of the table")
    args = parser.parse_args(argv)
    shown = [*args.played, *([args.table] if args.table else [])]
    if args.pages and len(args.pages) != len(shown):
        parser.error(f"--pages: {len(args.pages)} pages for {len(shown)} files ({', '.join(map(str, shown))})")
    merged = merge(args.evaluations)
    warnings = warnings_of(args.recordings)
    if warnings:
        merged["summary"]["warnings"] = warnings
    records = records_of(merged["evaluations"])
    write_json(args.output, merged)
    if args.table:
        with atomic_path(args.table) as temporary:
            temporary.write_text(every_baseline(records))
    for page, source in zip(args.pages, shown if args.pages else [], strict=True):
        write_page(page, source)
    say("\n".join([table(records), *(f"warning: {warning}" for warning in warnings)]))


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
    flat = records_of(evaluations)
    failed = sorted(name for name, record in flat.items() if not record["passed"])
    return {
        "evaluations": evaluations,
        "summary": {"metrics": len(flat), "passed": len(flat) - len(failed), "failed": failed},
    }


def warnings_of(manifests: list[Path]) -> list[str]:
    """What `index` found in sets of recordings that makes results on them doubtful (`data.comparison`).

    Raises:
        ArtifactError: if a file is not the manifest of a set of recordings.
    """
    return [
        f"{path}: {text}" for path in manifests for text in read_manifest(path, KIND)["details"].get("warnings", [])
    ]


def records_of(evaluations: dict[str, Any]) -> dict[str, Any]:
    """EVALUATION.METRIC -> record."""
    return {
        f"{name}.{metric}": record
        for name, result in evaluations.items()
        for metric, record in result["metrics"].items()
    }
