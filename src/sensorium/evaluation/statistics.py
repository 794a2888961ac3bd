"""Intervals, floors and ceilings: how a number becomes a result.

A score is a statistic over weighted samples. Its interval comes from resampling whole recordings with
replacement (the cluster bootstrap: Field and Welsh, "Bootstrapping clustered data", 2007), for windows of one
recording are alike. Floors that were measured on the same samples are resampled with the same weights, so
the comparison is paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from sensorium.artifacts import ArtifactError, Stored, digest, write_json
from sensorium.evaluation.scores import mean
from sensorium.progress import track

DRAWS = 1000
CONFIDENCE = 0.95

Statistic = Callable[[np.ndarray, np.ndarray], float]  # (samples [n, ...], weights [n]) -> score
Score = float | np.ndarray  # a constant, or samples shaped like those of the value


class StatisticsError(ArithmeticError):
    """A score that is not a number: the message names the metric and what was measured."""

    exit_code = 70


class Interval(Stored):
    """A score and its interval."""

    value: float
    low: float
    high: float


class Metric(Interval):
    """The record that `measure` makes."""

    n: int
    floor: float
    ceiling: float
    higher_is_better: bool
    margin: Interval
    passed: bool


class EvaluationResult(Stored):
    """The file that `write_result` writes."""

    name: str = Field(pattern=r"^[\w-]+$")
    metrics: dict[str, Metric] = Field(min_length=1)
    inputs: dict[str, str]


def resampled_weights(groups: Sequence[str], seed: int, draws: int = DRAWS) -> np.ndarray:
    """How often each sample is drawn if whole recordings are drawn with replacement, float [draws, n]."""
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        raise ArtifactError(
            f"an interval needs samples from at least 2 test recordings, found {len(names)}; "
            "raise data.recordings or data.test_fraction"
        )
    picks = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return picks[:, member].astype(np.float64)


def measure(
    name: str,
    samples: np.ndarray,
    groups: Sequence[str],
    *,
    statistic: Statistic = mean,
    floors: Mapping[str, Score],
    ceilings: Mapping[str, Score],
    references: Mapping[str, Score] | None = None,
    higher_is_better: bool = True,
    centred: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Make the JSON record of one metric.

    `passed`: the 95 % interval of the margin over the best floor lies above zero.

    Args:
        name: of the metric, for messages.
        samples: [n, ...] whatever the statistic takes.
        groups: recording of each sample, n names.
        statistic: from weighted samples to a score.
        floors: what trivial or untrained things score: constants, or samples shaped like `samples`.
        ceilings: what is attainable; the tightest is reported as the ceiling.
        references: other scores worth knowing; `passed` does not depend on them.
        higher_is_better: False for ranks and errors.
        centred: shift the resampled scores so that their mean is the score, for statistics that grow if a recording
            is drawn twice, such as distances of distributions (bias: Efron and Tibshirani 1993, section 10.2).
        seed: of the resampling.

    Raises:
        StatisticsError: if a score is not finite, naming it.
    """
    if len(samples) != len(groups):
        raise StatisticsError(f"{name}: {len(samples)} samples, but recordings of {len(groups)}")
    resampled = _Resampled(name, statistic, resampled_weights(groups, seed), centred)
    sign = 1.0 if higher_is_better else -1.0
    value, drawn = resampled.score("the model", samples)
    floor_scores = {key: resampled.score(f"floor {key!r}", floor) for key, floor in floors.items()}
    best = max(floor_scores, key=lambda key: sign * floor_scores[key][0])
    margin = _interval(sign * (drawn - floor_scores[best][1]))
    ceiling_scores = {key: resampled.score(f"ceiling {key!r}", ceiling)[0] for key, ceiling in ceilings.items()}
    low, high = _interval(drawn)
    return {
        "value": value,
        "low": low,
        "high": high,
        "n": len(samples),
        "recordings": len(set(groups)),
        "floor": floor_scores[best][0],
        "ceiling": sign * min(sign * ceiling for ceiling in ceiling_scores.values()),
        "higher_is_better": higher_is_better,
        "margin": {"value": sign * (value - floor_scores[best][0]), "low": margin[0], "high": margin[1]},
        "passed": margin[0] > 0,
        "floors": {key: point for key, (point, _) in floor_scores.items()},
        "ceilings": ceiling_scores,
        "references": {
            key: resampled.score(f"reference {key!r}", other)[0] for key, other in (references or {}).items()
        },
    }


@dataclass(frozen=True)
class _Resampled:
    """A statistic on all samples and on resampled recordings (`measure`)."""

    name: str
    statistic: Statistic
    weights: np.ndarray  # [draws, n]
    centred: bool

    def score(self, what: str, value: Score) -> tuple[float, np.ndarray]:
        """The score of samples, or a constant, and the same for each draw, [draws].

        Raises:
            StatisticsError: if a score is not finite, naming `what`.
        """
        if isinstance(value, np.ndarray):
            point = self.statistic(value, np.ones(len(value)))
            rounds = track(self.weights, f"{self.name}, {what}: resamplings")
            drawn = np.array([self.statistic(value, weights) for weights in rounds])
        else:
            point, drawn = float(value), np.full(len(self.weights), float(value))
        if not (math.isfinite(point) and np.isfinite(drawn).all()):
            count = self.weights.shape[1]
            raise StatisticsError(f"{self.name}: the score of {what} is {point} over {count} samples, not a number")
        return point, drawn - drawn.mean() + point if self.centred else drawn


def _interval(drawn: np.ndarray) -> tuple[float, float]:
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return float(low), float(high)


def write_result(
    path: Path,
    name: str,
    metrics: Mapping[str, dict[str, Any]],
    inputs: Mapping[str, Path],
    seconds: float,
    **notes: Any,
) -> None:
    """Write one evaluation: its metrics, the digests of the manifests it read, and how long it took.

    Raises:
        StatisticsError: if there is no metric, or anything in it is NaN or infinite.
    """
    if not metrics:
        raise StatisticsError(f"{name}: no metric was measured")
    digests = {key: digest(manifest) for key, manifest in inputs.items()}
    record = {"name": name, "metrics": dict(metrics), "inputs": digests, "seconds": round(seconds, 2), **notes}
    try:
        write_json(path, record)
    except ValueError as error:
        raise StatisticsError(f"{name}: a result is not a finite number ({error})") from error
