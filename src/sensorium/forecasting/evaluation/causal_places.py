"""Places under actions, in rooms with one body: by the state dynamics, and by ridge regressions beside which they are
judged.

Layouts: n windows, T frames (C given, H after them), K things with two coordinates, A numbers of an action.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sensorium.evaluation.baselines.regression import Ridge
from sensorium.evaluation.readout import Readout
from sensorium.evaluation.sample import Sample
from sensorium.forecasting.evaluation.forecasts import Forecaster
from sensorium.forecasting.evaluation.ridge_forecast import flat, known
from sensorium.forecasting.evaluation.rooms import SingleBodyRooms

EXCLUDED = "nearest"  # the body nearest to the hand is a different one from frame to frame
RENAMED = {"largest": "body"}
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the noise
FOLDS = 2  # of the rooms, where what is fitted and what chooses the share must not share one


class PlaceForecaster:
    """Readout of places from true or forecast world states.

    Args:
        forecaster: the judged state dynamics.
        rooms: the readout is fitted in them.
        given: frames of the context.

    Attributes:
        things: their names.
        columns: of their places in the truth, int [K, 2].
        fitted_on: names of the rooms.
    """

    def __init__(self, forecaster: Forecaster, rooms: Sequence[SingleBodyRooms], given: int) -> None:
        kept = [number for number, thing in enumerate(forecaster.things) if thing != EXCLUDED]
        self.things = [RENAMED.get(forecaster.things[number], forecaster.things[number]) for number in kept]
        self.columns = forecaster.columns("x", "y")[kept]
        self.given = given
        self.fitted_on = frozenset(name for part in rooms for name in part.names)
        self._forecaster = forecaster
        states, truth = (np.concatenate([getattr(part, key) for part in rooms]) for key in ("states", "truth"))
        self._readout = Readout(forecaster.project(states), truth[:, self.columns.ravel()], standardise=False)

    def true(self, sample: Sample) -> np.ndarray:
        """Readout of the true world states: places in all frames, [n, T, K, 2]."""
        return self._places(self._forecaster.project(sample["state"]))

    def forecast(self, sample: Sample, actions: np.ndarray, kept: float = 0.0) -> np.ndarray:
        """Places after the context under these actions, with a share of the noise inferred from the window."""
        if not kept:
            return self._places(self._forecaster.forecast(sample["state"], actions, self.given)[0][:, self.given - 1 :])
        next_frames = self._forecaster.forecast(sample["state"], sample["action"], sample["state"].shape[1])[0]
        noise = kept * (self._forecaster.project(sample["state"])[:, 1:] - next_frames)
        mean = self._forecaster.forecast(sample["state"], actions, self.given, noise=noise)[0]
        return self._places((mean + noise)[:, self.given - 1 :])

    def known(self, sample: Sample, actions: np.ndarray) -> np.ndarray:
        """The last world state of the context and the actions after it, flat: [n, numbers]."""
        return known(self._forecaster.project(sample["state"]), actions, self.given)

    def _places(self, states: np.ndarray) -> np.ndarray:
        return self._readout(states).reshape(*states.shape[:2], len(self.things), 2)


class LinearPlaces:
    """Places by a ridge regression from the last world state and the actions.

    Args:
        places: the readout of true places.
        samples: windows that it is fitted on.
    """

    def __init__(self, places: PlaceForecaster, samples: Sequence[Sample]) -> None:
        self._places = places
        rows = np.concatenate([places.known(sample, sample["action"]) for sample in samples])
        truth = np.concatenate(
            [flat(sample["truth.state"][:, places.given :][..., places.columns]) for sample in samples]
        )
        self._ridge = Ridge.fit(rows, truth, np.concatenate([sample.groups for sample in samples]))
        self.fitted_on = self._ridge.fitted_on

    def forecast(self, sample: Sample, actions: np.ndarray, kept: float = 0.0) -> np.ndarray:
        """As `PlaceForecaster.forecast`; the noise is the difference between the places read out and its own."""
        answer = self._answer(sample, actions)
        if not kept:
            return answer
        noise = self._places.true(sample)[:, self._places.given :] - self._answer(sample, sample["action"])
        return answer + kept * noise

    def _answer(self, sample: Sample, actions: np.ndarray) -> np.ndarray:
        return self._ridge(self._places.known(sample, actions)).reshape(len(sample), -1, len(self._places.things), 2)


class ActionRegressor:
    """A ridge regression from the actions after the context to displacements, blind to the state: observational.

    Args:
        sample: windows that it is fitted on.
        columns: of the places in the truth, [K, 2].
        given: frames of the context.
    """

    def __init__(self, sample: Sample, columns: np.ndarray, given: int) -> None:
        places, self._given = sample["truth.state"][..., columns], given
        moved = flat(places[:, given:] - places[:, given - 1 : given])
        self._ridge = Ridge.fit(flat(sample["action"][:, given:]), moved, sample.groups)
        self.fitted_on = self._ridge.fitted_on

    def __call__(self, actions: np.ndarray) -> np.ndarray:
        """Actions [n, T, A] -> displacements, [n, H * K * 2]."""
        return self._ridge(flat(actions[:, self._given :]))


def best_share(
    forecaster: PlaceForecaster | LinearPlaces, sample: Sample, changed: np.ndarray, truth: np.ndarray
) -> float:
    """The share of the noise with which the outcomes of other actions, [n, H, K, 2], are forecast best."""
    return SHARES[int(np.argmin(_errors(forecaster, sample, changed, truth)))]


def best_share_elsewhere(
    places: PlaceForecaster, fitted: Sequence[Sample], sample: Sample, changed: np.ndarray, truth: np.ndarray
) -> float:
    """The same for a `LinearPlaces` of the windows `fitted`, each room judged by one that was fitted in other rooms."""
    names, errors = np.unique(sample.groups), np.zeros(len(SHARES))
    for fold in range(FOLDS):
        out = names[fold::FOLDS]
        elsewhere = LinearPlaces(places, [part.rows(~np.isin(part.groups, out)) for part in fitted])
        here = np.isin(sample.groups, out)
        if here.any():
            errors += here.sum() * _errors(elsewhere, sample.rows(here), changed[here], truth[here])
    return SHARES[int(np.argmin(errors))]


def _errors(
    forecaster: PlaceForecaster | LinearPlaces, sample: Sample, changed: np.ndarray, truth: np.ndarray
) -> np.ndarray:
    return np.array([np.square(forecaster.forecast(sample, changed, share) - truth).mean() for share in SHARES])
