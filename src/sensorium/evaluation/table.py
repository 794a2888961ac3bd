"""Metrics as a table for a person, and as a list of every baseline for a program."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import StringIO
from typing import Any

HEADINGS = ("metric", "value", "95 % interval", "best baseline", "", "margin", "ceiling", "n", "")
COLUMNS = ("metric", "compared with", "value", "low", "high", "margin", "margin low", "margin high")


def table(records: Mapping[str, dict[str, Any]]) -> str:
    """Records of `statistics.measure` by name: one line a metric, what failed first, then how many passed."""
    rows = [HEADINGS]
    for name, record in sorted(records.items(), key=lambda item: bool(item[1]["passed"])):
        margin = record["margin"]
        rows.append(
            (
                name,
                f"{record['value']:.3f}",
                f"[{record['low']:.3f}, {record['high']:.3f}]",
                record["floor_name"],
                f"{record['floor']:.3f}",
                f"{margin['value']:+.3f} [{margin['low']:+.3f}, {margin['high']:+.3f}]",
                f"{record['ceiling']:.3f}",
                str(record["n"]),
                "passed" if record["passed"] else "FAILED",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = []
    for name, *cells in rows:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *padded]).rstrip())
    passed = sum(record["passed"] for record in records.values())
    lines.append(f"{passed} of {len(records)} metrics passed: better than the best baseline beyond the 95 % interval")
    return "\n".join(lines)


def every_baseline(records: Mapping[str, dict[str, Any]]) -> str:
    """Tab-separated: a row for each metric, for each of its baselines with the margin over it, and for each ceiling."""
    text = StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, record in records.items():
        writer.writerow([name, "the model", *_numbers(record), "", "", ""])
        for baseline in record["baselines"]:
            writer.writerow([name, baseline["name"], *_numbers(baseline), *_numbers(baseline["margin"])])
        writer.writerow([name, "ceiling", f"{record['ceiling']:.6g}", "", "", "", "", ""])
    return text.getvalue()


def _numbers(interval: Mapping[str, float]) -> list[str]:
    return [f"{interval[key]:.6g}" for key in ("value", "low", "high")]
