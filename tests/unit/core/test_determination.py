"""The coefficient of determination from sums over rows."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium.evaluation.scores import determination, r_squared, sums_of_squares


def test_it_is_that_of_truth_and_prediction() -> None:
    """With any weights, with undefined truths, and with a variable that does not vary."""
    rng = np.random.default_rng(0)
    truth = rng.normal(5, [1, 2, 3, 0], (200, 4))
    samples = np.stack([truth, truth + rng.normal(size=truth.shape)], -1)
    samples[rng.random(truth.shape) < 0.2, 0] = np.nan
    for weights in (np.ones(200), rng.integers(0, 3, 200).astype(float)):
        assert determination(sums_of_squares(samples), weights) == pytest.approx(r_squared(samples, weights), abs=1e-9)
