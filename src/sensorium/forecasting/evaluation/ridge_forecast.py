"""The baseline of every forecast: ridge regressions from the last world state and the actions, nothing learned.

Layouts as in forecasts.py. Rows are the last given state and the actions of the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sensorium.evaluation.baselines.regression import Ridge, RidgeVariance
from sensorium.evaluation.sample import Sample

STATES, PLACES = "ridge, state to states", "ridge, state to places"


def known(states: np.ndarray, actions: np.ndarray | None, given: int) -> np.ndarray:
    """What a forecast may know of windows, flat: the last of the given states, and the actions of the horizon.

    Args:
        states: [n, C or more, D].
        actions: [n, T, ...], or None where there are none.
        given: C.

    Returns:
        float64 [n, D + H * numbers of an action].
    """
    last = states[:, given - 1].astype(np.float64)
    return last if actions is None else np.concatenate([last, flat(actions[:, given:])], 1)


def flat(values: np.ndarray) -> np.ndarray:
    """[n, ...] -> [n, numbers]."""
    return values.reshape(len(values), -1)


@dataclass(frozen=True)
class RidgeForecast:
    """Forecasts by ridge regressions from `known`.

    Attributes:
        future: to the states of all H frames, [n, H * D].
        spread: variances of its errors, from the squares of the last change.
        given: C.
    """

    future: Ridge
    spread: RidgeVariance
    given: int

    @classmethod
    def fit(cls, sample: Sample, states: np.ndarray, given: int) -> RidgeForecast:
        """Fit on windows of training recordings, whose states [n, T, D] are on the axes that are wanted."""
        wanted = flat(states[:, given:].astype(np.float64))
        future = Ridge.fit(known(states, sample.get("action"), given), wanted, sample.groups)
        error = np.square(future.left_out - wanted)
        return cls(future, RidgeVariance.fit(last_change(states, given), error, sample.groups), given)

    def __call__(self, states: np.ndarray, actions: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the frames after the given ones, [n, H, D] each."""
        mean = self.future(known(states, actions, self.given))
        variance = self.spread(last_change(states, self.given))
        shape = len(states), -1, states.shape[-1]
        return mean.reshape(shape), variance.reshape(shape)


def last_change(states: np.ndarray, given: int) -> np.ndarray:
    """Squares of the last change that was given, float64 [n, D]."""
    return np.square(states[:, given - 1].astype(np.float64) - states[:, given - 2])
