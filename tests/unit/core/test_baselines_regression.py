"""Ridge regression agrees with scikit-learn's, chooses its penalty over recordings, and knows its own variance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from sensorium.artifacts import ArtifactError
from sensorium.evaluation.baselines.regression import FOLDS, PENALTIES, Ridge, RidgeVariance


def problem(rows: int = 240, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows [n, 12], what they give with noise [n, 3], and eight recordings."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 12)) * rng.uniform(0.1, 3, 12) + 50
    y = x @ np.random.default_rng(9).normal(size=(12, 3)) + 7 + rng.normal(size=(rows, 3))
    return x, y, np.array([f"{number:06d}" for number in np.arange(rows) * 8 // rows])


@pytest.mark.parametrize("penalty", [0.001, 0.1, 10.0])
def test_a_given_penalty_is_that_of_scikit_learn(penalty: float) -> None:
    x, y, groups = problem()
    ridge = Ridge.fit(x, y, groups, [penalty])
    theirs = SklearnRidge(penalty * len(x) * x.var(0).mean()).fit(x, y)
    np.testing.assert_allclose(ridge.weights, theirs.coef_.T, atol=1e-8)
    np.testing.assert_allclose(ridge(x), theirs.predict(x), atol=1e-7)
    assert ridge.fitted_on == set(groups)


def test_the_penalty_is_the_best_of_a_cross_validation_over_recordings() -> None:
    """Few rows with much noise want a larger penalty than many with little; both as scikit-learn's folds choose."""
    chosen = []
    for rows, noise in ((48, 30.0), (2400, 0.0)):
        x, y, groups = problem(rows)
        y = y + noise * np.random.default_rng(1).normal(size=y.shape)
        ridge = Ridge.fit(x, y, groups)
        fold = np.unique(groups, return_inverse=True)[1] % FOLDS
        errors = []
        for penalty in PENALTIES:
            predicted = np.empty_like(y)
            for number in range(FOLDS):
                kept = fold != number
                model = SklearnRidge(penalty * kept.sum() * x[kept].var(0).mean()).fit(x[kept], y[kept])
                predicted[~kept] = model.predict(x[~kept])
            errors.append((np.square(predicted - y).sum(0) / y.var(0)).sum())
        assert ridge.penalty == PENALTIES[int(np.argmin(errors))]
        chosen.append(ridge.penalty)
    assert chosen[0] > chosen[1]


def test_predictions_of_rows_left_out_are_those_of_scikit_learn() -> None:
    x, y, groups = problem()
    fold = np.unique(groups, return_inverse=True)[1] % FOLDS
    ridge = Ridge.fit(x, y, groups, [0.0])
    theirs = cross_val_predict(SklearnRidge(1e-9), x, y, cv=PredefinedSplit(fold))
    np.testing.assert_allclose(ridge.left_out, theirs, atol=1e-5)


def test_one_recording_is_refused() -> None:
    x, y, _ = problem()
    with pytest.raises(ArtifactError, match="at least 2 recordings"):
        Ridge.fit(x, y, np.array(["000000"] * len(x)))


def test_variances_follow_what_they_depend_on_and_are_right_on_average() -> None:
    """Errors whose variance is the square of what is known beforehand, times two."""
    rng = np.random.default_rng(0)
    known = rng.normal(size=(4000, 1)) ** 2
    groups = np.repeat([f"{number:06d}" for number in range(40)], 100)
    square = 2 * (known + 0.1) * rng.normal(size=known.shape) ** 2
    variance = RidgeVariance.fit(known, square, groups)(known)
    assert np.mean(square / variance) == pytest.approx(1, abs=0.05)
    assert np.corrcoef(np.log(variance[:, 0]), np.log(known[:, 0] + 0.1))[0, 1] > 0.95
    constant = square.mean()
    gain = np.log(constant) + square / constant - np.log(variance) - square / variance
    assert gain.mean() > 0.2
