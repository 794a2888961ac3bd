"""The distance of long dreams: its interval holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sensorium.evaluation.statistics import NOTHING, measure
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
