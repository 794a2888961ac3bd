"""What the evaluations that dream need: memory of the device, rows a pass, operations and minutes of a job."""

from __future__ import annotations

from typing import Any

from sensorium.evaluation.harness import ROWS
from sensorium.generation import dream_costs
from sensorium.planning.resources import minutes
from sensorium.planning.table import size
from sensorium.settings import Config

TERA = 1e12
HEADING = ("evaluation", "rows a pass", "a row", "memory", "TFLOP", "runtime")


def dreams_estimate(settings: Config, micro_batch: int, limit: float) -> dict[str, dict[str, Any]]:
    """Evaluation -> bytes of the most rows that fit by halving, and operations; `limit` is the device's memory."""
    counted, found = dream_costs.operations(settings), {}
    for name, parts in dream_costs.dreams(settings).items():
        if name not in settings.evaluations_on():
            continue
        longest = max(parts, key=lambda part: part.context)
        rows = min(micro_batch or ROWS, longest.rows)
        while rows > 1 and dream_costs.memory(settings, longest, rows) > limit:
            rows //= 2
        taken = dream_costs.memory(settings, longest, rows)
        found[name] = {
            "rows_a_pass": rows,
            "row_bytes": dream_costs.ring_bytes(settings),
            "memory_bytes": taken,
            "fits": taken <= limit,
            "operations": counted[name],
            "minutes": minutes(settings, name),
        }
    return found


def dreams_rows(found: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    """The table of them, with its heading."""
    rows = [
        (
            name,
            str(each["rows_a_pass"]),
            size(each["row_bytes"]),
            size(each["memory_bytes"]) + ("" if each["fits"] else " (does not fit)"),
            f"{each['operations'] / TERA:.3g}",
            f"{each['minutes']} min",
        )
        for name, each in found.items()
    ]
    return [HEADING, *rows]
