"""The result of a study and its form as text: metrics, controls that must fail, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import Field

from sensorium.artifacts import Stored
from sensorium.evaluation.statistics import EvaluationResult, Interval, Metric, measure_over_seeds

Cell = str | int | float | Mapping[str, float]  # a mapping is an estimate: value, low, high


@dataclass(frozen=True)
class Table:
    """Rows of a study that are not metrics: one column for each key, the same keys in every row."""

    title: str
    rows: Sequence[Mapping[str, Cell]]


@dataclass(frozen=True)
class Findings:
    """All that a study found.

    Attributes:
        metrics: records of `statistics.measure`.
        controls: metrics of broken or naive mechanisms, which must not pass.
        tables: further rows for the reader.
        log: what happened step by step, for an audit; stored as lines of JSON beside the result.
    """

    metrics: Mapping[str, dict[str, Any]]
    controls: Mapping[str, dict[str, Any]]
    tables: Sequence[Table] = field(default_factory=tuple)
    log: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


class StoredTable(Stored):
    """A table in a file: the cells of each row in the order of the columns."""

    title: str
    columns: list[str]
    rows: list[list[str | int | float | Interval]]


class StudyResult(EvaluationResult):
    """The file of a study."""

    controls: dict[str, Metric]
    tables: list[StoredTable]
    seeds: list[int] = Field(min_length=1)
    revision: int
    commit: str


def over_seeds(
    name: str, values: np.ndarray, floor: float, ceiling: float, *, higher_is_better: bool = True
) -> dict[str, Any]:
    """The record of a metric that has one number a seed, float [seeds]: it passes when its interval clears `floor`."""
    return measure_over_seeds(
        name,
        values,
        baselines={"required": floor},
        ceilings={"attainable": ceiling},
        higher_is_better=higher_is_better,
    )


def estimate(values: np.ndarray) -> dict[str, float]:
    """Mean over seeds with its 95 % interval (Student's t); values float [seeds]."""
    record = over_seeds("estimate", values, 0.0, 0.0)
    return {key: record[key] for key in ("value", "low", "high")}


def markdown(record: Mapping[str, Any]) -> str:
    """The stored result of a study as Markdown: metrics, controls, tables, and where they come from.

    A result from before baselines were listed says so.
    """
    lines = ["| metric | value | 95 % interval | n | floor | ceiling | |", "|---|---|---|---|---|---|---|"]
    for name, metric in record["metrics"].items():
        lines.append(_line(name, metric, "passed" if metric["passed"] else "**does not pass**"))
    for name, metric in record["controls"].items():
        lines.append(_line(f"control: {name}", metric, "**PASSES**" if metric["passed"] else "fails, as it must"))
    for table in record["tables"]:
        keys = list(table["columns"])
        lines += ["", f"{table['title']}:", "", f"| {' | '.join(keys)} |", "|---" * len(keys) + "|"]
        lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in table["rows"]]
    seeds = record["seeds"]
    lines += [
        "",
        f"Seeds {seeds[0]} to {seeds[-1]}, revision {record['revision']}, commit `{record['commit']}`; settings: "
        f"`studies.{record['name']}` in [studies.yaml](../config/studies.yaml). Made by: "
        f"`snakemake --profile local -j1 results/studies/{record['name']}.json`, then "
        f"`sensorium study-tables results/studies/{record['name']}.json`.",
    ]
    return "\n".join(lines)


def _line(name: str, metric: Mapping[str, Any], verdict: str) -> str:
    sign = "" if metric["higher_is_better"] else " (less is better)"
    interval = f"[{metric['low']:.3f}, {metric['high']:.3f}]"
    numbers = [f"{metric['value']:.3f}", interval, str(metric["n"])]
    floor = f"{metric['floor']:.3f}{_named(metric)}"
    return f"| {name}{sign} | {' | '.join(numbers)} | {floor} | {metric['ceiling']:.3f} | {verdict} |"


def _named(metric: Mapping[str, Any]) -> str:
    """Which baseline is the floor, where there is a choice."""
    return f" ({metric['floor_name']})" if len(metric.get("baselines", ())) > 1 else ""


def _cell(value: Cell) -> str:
    if isinstance(value, Mapping):
        return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
