"""Metrics as a table for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEADINGS = ("metric", "value", "95 % interval", "floor", "above it", "ceiling", "n", "")


def table(records: Mapping[str, dict[str, Any]]) -> str:
    """Records of `statistics.measure` by name: one line a metric, then how many passed."""
    rows = [HEADINGS]
    for name, record in records.items():
        margin = record["margin"]
        rows.append(
            (
                name,
                f"{record['value']:.3f}",
                f"[{record['low']:.3f}, {record['high']:.3f}]",
                f"{record['floor']:.3f}",
                f"{margin['value']:.3f} [{margin['low']:.3f}, {margin['high']:.3f}]",
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
    lines.append(f"{passed} of {len(records)} metrics passed: better than the floor beyond the 95 % interval")
    return "\n".join(lines)
