"""A linear readout of places and velocities from world states."""

from __future__ import annotations

import numpy as np

from sensorium.data.recording import Split
from sensorium.evaluation.readout import Readout
from sensorium.forecasting.evaluation.forecasts import Forecaster
from sensorium.perception.embed import EmbeddedRecordings


class PlaceReadout:
    """Readouts of positions and velocities, fitted on world states of training recordings.

    Attributes:
        columns: of the positions in the truth, int [K, 2].
        usual: mean position of each thing, [K, 2].
        fitted_on: the recordings.
    """

    def __init__(self, forecaster: Forecaster, embedded: EmbeddedRecordings, split: Split) -> None:
        names = embedded.names(split)
        self.fitted_on = frozenset(names)
        states = forecaster.project(np.concatenate([embedded.field(name, "state") for name in names]))
        truth = np.concatenate([embedded.field(name, "truth.state") for name in names]).astype(np.float64)
        self.columns, speeds = forecaster.columns("x", "y"), forecaster.columns("vx", "vy")
        self.linear = Readout(states, truth[:, self.columns.ravel()], standardise=False)
        self.usual = np.nanmean(truth[:, self.columns], axis=0)
        known = (speeds >= 0).all()  # does the truth have velocities?
        self._speeds = Readout(states, truth[:, speeds.ravel()], standardise=False) if known else None

    def positions(self, states: np.ndarray) -> np.ndarray:
        """States on the model's axes [n, T, D] -> positions [n, T, K, 2]."""
        return self.linear(states).reshape(*states.shape[:2], *self.columns.shape)

    def velocities(self, states: np.ndarray) -> np.ndarray | None:
        """States on the model's axes [n, D] -> velocities a second, [n, K, 2]; None: the truth has none."""
        return None if self._speeds is None else self._speeds(states).reshape(len(states), *self.columns.shape)
