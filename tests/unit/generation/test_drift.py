"""The distance of long dreams: its interval holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sensorium.evaluation.statistics import NOTHING, _Recordings, measure, resampled_weights
from sensorium.generation.evaluation.drift import frechet


def test_the_interval_of_a_distance_holds_the_distance() -> None:
    """Rows that are drawn twice lessen the variety, so distances of distributions grow when they are resampled."""
    samples = np.random.default_rng(0).normal(size=(24, 12))
    groups = [str(row) for row in range(24)]
    free: dict[str, Any] = {"statistic": frechet, "higher_is_better": False, "baselines": {"far": 99.0}}
    plain, centred = (
        measure("distance", samples, groups, centred=centred, fitted_on=NOTHING, ceilings={"none": 0.0}, **free)
        for centred in (False, True)
    )
    assert plain["low"] > plain["value"]
    assert centred["low"] < centred["value"] < centred["high"]
    assert centred["high"] - centred["low"] == pytest.approx(plain["high"] - plain["low"])
    itself = free | {"baselines": {"itself": samples}}
    same = measure("distance", samples, groups, centred=True, fitted_on=NOTHING, ceilings={"none": 0.0}, **itself)
    assert not same["passed"]


def test_a_distance_of_distributions_is_covered_where_it_is_centred() -> None:
    """Around what it is on average with as many recordings: its own bias with n is not corrected."""

    trials, draws = 150, 150  # of a simulation, of a bootstrap

    def pieces(rng: np.random.Generator) -> np.ndarray:
        return 1.2 * rng.normal(size=(32, 4)) + 0.3

    expected = np.mean([frechet(pieces(np.random.default_rng(10**6 + n)), np.ones(32)) for n in range(1000)])
    groups, covered = [f"r{number}" for number in range(32)], {True: 0, False: 0}
    for trial in range(trials):
        samples, weights = pieces(np.random.default_rng(trial)), resampled_weights(groups, trial, draws)
        for centred in covered:
            drawn = _Recordings("m", frechet, weights, centred, 32)
            low, high = drawn.interval(*drawn.score("the model", samples))
            covered[centred] += low <= expected <= high
    assert 0.88 <= covered[True] / trials <= 0.99, covered
    assert covered[False] < covered[True]
