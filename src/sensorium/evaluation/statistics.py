"""Intervals, baselines and ceilings: how a number becomes a result.

A score is a statistic over weighted samples, and passes when it is better than the strongest of its baselines beyond
chance. There are two kinds of intervals, by what is drawn at random:

recordings    `measure`: whole recordings are drawn with replacement (the cluster bootstrap: Field and Welsh,
              "Bootstrapping clustered data", 2007), for windows of one recording are alike. Percentiles are those of an
              expanded interval (`tail`): plain ones are too narrow with few recordings
seeds         `measure_over_seeds`: Student's t over one number a seed, for seeds are few: the least and the greatest
              of three cover their mean in 76 % of the cases

Baselines that were measured on the same samples are drawn with the same weights, so the comparison is paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import Field
from scipy.stats import norm
from scipy.stats import t as student

from sensorium.artifacts import ArtifactError, Stored, digest, write_json
from sensorium.evaluation.scores import mean
from sensorium.progress import track

DRAWS = 1000
CONFIDENCE = 0.95
NOTHING: frozenset[str] = frozenset()  # was fitted

Statistic = Callable[[np.ndarray, np.ndarray], float]  # (samples [n, ...], weights [n]) -> score
Score = float | np.ndarray  # a constant, or samples shaped like those of the value


class StatisticsError(ArithmeticError):
    """A score that is not a number: the message names the metric and what was measured."""

    exit_code = 70


class LeakError(StatisticsError):
    """A recording that something was fitted on is among those that judge it."""


class Interval(Stored):
    """A score and its interval."""

    value: float
    low: float
    high: float


class Baseline(Interval):
    """What something simple scores on the same samples, and by how much the judged thing is better."""

    name: str
    margin: Interval


class Metric(Interval):
    """The record that `measure` makes.

    Attributes:
        baselines: all of them, the strongest first.
        floor, floor_name: of the strongest one.
        margin: by which the value is better than the floor.
    """

    n: int
    floor: float
    floor_name: str
    ceiling: float
    higher_is_better: bool
    margin: Interval
    passed: bool
    baselines: list[Baseline] = Field(min_length=1)


def baseline_values(record: Mapping[str, Any]) -> dict[str, float]:
    """What each baseline of a record scores, by name, the strongest first."""
    return {baseline["name"]: baseline["value"] for baseline in record["baselines"]}


class EvaluationResult(Stored):
    """The file that `write_result` writes."""

    name: str = Field(pattern=r"^[\w-]+$")
    metrics: dict[str, Metric] = Field(min_length=1)
    inputs: dict[str, str]


def tail(recordings: int) -> float:
    """Share of the resampled scores to leave out on either side of an interval over that many recordings.

    Hesterberg, "What teachers should know about the bootstrap" (2015), the expanded percentile interval: resampled
    means vary by (n - 1) / n too little, and their percentiles are a normal's where Student's t is needed. So the
    percentiles are taken at the normal probability of sqrt(n / (n - 1)) times the t quantile: 0.0108 for 12 recordings,
    0.0238 for 160, 0.025 for very many.
    """
    quantile = student.ppf((1 + CONFIDENCE) / 2, recordings - 1)
    return float(norm.cdf(-math.sqrt(recordings / (recordings - 1)) * quantile))


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
    fitted_on: Collection[str],
    baselines: Mapping[str, Score],
    ceilings: Mapping[str, Score],
    references: Mapping[str, Score] | None = None,
    statistic: Statistic = mean,
    higher_is_better: bool = True,
    centred: bool = False,
    reflected: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Make the record of one metric (`Metric`), with intervals over recordings.

    `passed`: the 95 % interval of the margin over the strongest baseline lies above zero.

    Args:
        name: of the metric, for messages.
        samples: [n, ...] whatever the statistic takes.
        groups: recording of each sample, n names.
        fitted_on: recordings that readouts, baselines and choices were fitted on; NOTHING if there are none.
        baselines: what simple, trivial or untrained things score: constants, or samples shaped like `samples`.
        ceilings: what is attainable; the tightest is reported as the ceiling.
        references: other scores worth knowing; `passed` does not depend on them.
        statistic: from weighted samples to a score.
        higher_is_better: False for ranks and errors.
        centred: shift the resampled scores so that their mean is the score, for statistics that grow if a recording
            is drawn twice, such as distances of distributions. It recentres, and corrects no bias.
        reflected: reflect the resampled scores at the score before their percentiles are taken (the basic bootstrap;
            Davison and Hinkley 1997, section 5.2), for scores such as R^2, whose resamples are biased as they are.
        seed: of the resampling.

    Raises:
        LeakError: if a recording is in both `fitted_on` and `groups`, naming it.
        StatisticsError: if a score is not finite, naming it.
    """
    if len(samples) != len(groups):
        raise StatisticsError(f"{name}: {len(samples)} samples, but recordings of {len(groups)}")
    if leaked := sorted(set(fitted_on) & set(groups)):
        raise LeakError(
            f"{name}: fitted on {len(leaked)} of the recordings that judge it ({', '.join(leaked[:3])}"
            f"{', ...' if len(leaked) > 3 else ''}); what is fitted and what is judged must share no recording"
        )
    weights = resampled_weights(groups, seed)
    resampled = _Recordings(name, statistic, weights, centred, len(set(groups)), reflected)
    record = _record(resampled, samples, baselines, ceilings, references or {}, higher_is_better)
    return {**record, "recordings": len(set(groups)), "fitted_on": len(set(fitted_on))}


def measure_over_seeds(
    name: str,
    values: np.ndarray,
    *,
    baselines: Mapping[str, Score],
    ceilings: Mapping[str, Score],
    references: Mapping[str, Score] | None = None,
    higher_is_better: bool = True,
) -> dict[str, Any]:
    """Make the record of a metric that has one number a seed, with Student's t intervals over the seeds.

    Args:
        name: of the metric, for messages.
        values: one for each seed, [n]; n >= 2.
        baselines, ceilings, references: constants, or a number for each seed, [n].
        higher_is_better: False for errors.

    Raises:
        StatisticsError: if there is only one seed, or a score is not finite, naming it.
    """
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        raise StatisticsError(f"{name}: an interval over seeds needs at least 2 of them, found {len(values)}")
    return _record(_Seeds(name, len(values)), values, baselines, ceilings, references or {}, higher_is_better)


class _Drawn(Protocol):
    """How scores vary with what is drawn at random."""

    def point(self, what: str, value: Score) -> float:
        """The score of samples, or a constant; `what` is for messages."""

    def score(self, what: str, value: Score) -> tuple[float, np.ndarray]:
        """The same, and numbers that vary as it does."""

    def interval(self, point: float, numbers: np.ndarray) -> tuple[float, float]:
        """Ends of the 95 % interval of a score, or of the difference of two, from it and the numbers."""


def _record(
    drawn: _Drawn,
    samples: np.ndarray,
    baselines: Mapping[str, Score],
    ceilings: Mapping[str, Score],
    references: Mapping[str, Score],
    higher_is_better: bool,
) -> dict[str, Any]:
    sign = 1.0 if higher_is_better else -1.0
    value, numbers = drawn.score("the model", samples)

    def compared(name: str, baseline: Score) -> dict[str, Any]:
        point, others = drawn.score(f"baseline {name!r}", baseline)
        margin = _interval(drawn, sign * (value - point), sign * (numbers - others))
        return {"name": name, **_interval(drawn, point, others), "margin": margin}

    listed = [compared(name, baseline) for name, baseline in baselines.items()]
    listed.sort(key=lambda baseline: -sign * baseline["value"])
    strongest = listed[0]
    ceiling_scores = {key: drawn.point(f"ceiling {key!r}", ceiling) for key, ceiling in ceilings.items()}
    return {
        **_interval(drawn, value, numbers),
        "n": len(samples),
        "floor": strongest["value"],
        "floor_name": strongest["name"],
        "ceiling": sign * min(sign * ceiling for ceiling in ceiling_scores.values()),
        "higher_is_better": higher_is_better,
        "margin": strongest["margin"],
        "passed": strongest["margin"]["low"] > 0,
        "baselines": listed,
        "ceilings": ceiling_scores,
        "references": {key: drawn.point(f"reference {key!r}", other) for key, other in references.items()},
    }


def _interval(drawn: _Drawn, value: float, numbers: np.ndarray) -> dict[str, float]:
    low, high = drawn.interval(value, numbers)
    return {"value": value, "low": low, "high": high}


@dataclass(frozen=True)
class _Recordings:
    """A statistic on all samples and on resampled recordings (`measure`): its numbers are one for each draw."""

    name: str
    statistic: Statistic
    weights: np.ndarray  # [draws, n]
    centred: bool
    recordings: int
    reflected: bool = False

    def point(self, what: str, value: Score) -> float:
        point = self.statistic(value, np.ones(len(value))) if isinstance(value, np.ndarray) else float(value)
        _check_finite(self.name, what, point, np.array(point), self.weights.shape[1])
        return point

    def score(self, what: str, value: Score) -> tuple[float, np.ndarray]:
        point = self.point(what, value)
        if isinstance(value, np.ndarray):
            rounds = track(self.weights, f"{self.name}, {what}: resamplings")
            numbers = np.array([self.statistic(value, weights) for weights in rounds])
        else:
            numbers = np.full(len(self.weights), point)
        _check_finite(self.name, what, point, numbers, self.weights.shape[1])
        return point, numbers - numbers.mean() + point if self.centred else numbers

    def interval(self, point: float, numbers: np.ndarray) -> tuple[float, float]:
        left_out = tail(self.recordings)
        varied = 2 * point - numbers if self.reflected else numbers
        low, high = np.quantile(varied, [left_out, 1 - left_out])
        return float(low), float(high)


@dataclass(frozen=True)
class _Seeds:
    """The mean over seeds (`measure_over_seeds`): its numbers are those of the seeds."""

    name: str
    count: int

    def point(self, what: str, value: Score) -> float:
        return self.score(what, value)[0]

    def score(self, what: str, value: Score) -> tuple[float, np.ndarray]:
        numbers = np.broadcast_to(np.asarray(value, np.float64), (self.count,))
        point = float(numbers.mean())
        _check_finite(self.name, what, point, numbers, self.count)
        return point, numbers

    def interval(self, point: float, numbers: np.ndarray) -> tuple[float, float]:
        half = float(student.ppf((1 + CONFIDENCE) / 2, self.count - 1) * numbers.std(ddof=1) / math.sqrt(self.count))
        return point - half, point + half


def _check_finite(name: str, what: str, point: float, numbers: np.ndarray, count: int) -> None:
    if not (math.isfinite(point) and np.isfinite(numbers).all()):
        raise StatisticsError(f"{name}: the score of {what} is {point} over {count} samples, not a number")


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
