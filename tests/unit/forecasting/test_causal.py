"""What causal is judged beside: regressions that find the effects of a linear world, in rooms that judge nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_state_dynamics import toy_room

from sensorium.config import PlayroomConfig
from sensorium.data.sources import playroom
from sensorium.evaluation.sample import Sample
from sensorium.forecasting.config import CausalConfig
from sensorium.forecasting.evaluation import causal
from sensorium.forecasting.evaluation.causal_places import (
    ActionRegressor,
    LinearPlaces,
    best_share,
    best_share_elsewhere,
)

GIVEN, HORIZON = 3, 4
COLUMNS = np.array([[0, 1]])


class Seen:
    """A readout that sees places as they are; as `PlaceForecaster`."""

    given, things, columns = GIVEN, ("body",), COLUMNS

    def known(self, sample: Sample, actions: np.ndarray) -> np.ndarray:
        return causal_known(sample["state"], actions)

    def true(self, sample: Sample) -> np.ndarray:
        return sample["truth.state"][..., COLUMNS]


def causal_known(states: np.ndarray, actions: np.ndarray) -> np.ndarray:
    return np.concatenate([states[:, GIVEN - 1], actions[:, GIVEN:].reshape(len(actions), -1)], 1)


def windows(rows: int, seed: int, *, habit: float = 0.0, noise: float = 0.0) -> Sample:
    """Places that drift, and that actions move; by habit, the actions of a window go where its drift goes."""
    rng = np.random.default_rng(seed)
    drift = rng.normal(size=(rows, 1, 2))
    actions = rng.normal(size=(rows, GIVEN + HORIZON, 2)) + habit * drift
    chance = noise * rng.normal(size=(rows, 1, 2))  # the same in all frames after the context
    steps = drift + actions + np.concatenate([np.zeros((rows, GIVEN, 2)), np.repeat(chance, HORIZON, 1)], 1)
    places = rng.normal(size=(rows, 1, 2)) + steps.cumsum(1)
    state = np.concatenate([places, np.broadcast_to(drift, places.shape)], -1)
    groups = np.array([f"{number % 10:06d}" for number in range(rows)])
    return Sample(groups, np.zeros(rows, int), {"state": state, "action": actions, "truth.state": state})


def test_with_the_state_effects_are_found_and_without_it_habits_mislead() -> None:
    """Whoever sees no state mistakes the drift for the doing of the actions that go along with it."""
    observed, test = windows(800, 0, habit=1.0), windows(100, 1)
    other = test["action"].copy()
    other[:, GIVEN:] += 1
    truth = np.repeat(np.arange(1, HORIZON + 1)[None, :, None, None], 2, -1)  # a unit further in every frame
    places: Any = Seen()
    linear, blind = LinearPlaces(places, [observed]), ActionRegressor(observed, COLUMNS, GIVEN)
    seen = linear.forecast(test, other) - linear.forecast(test, test["action"])
    np.testing.assert_allclose(seen, np.broadcast_to(truth, seen.shape), atol=0.02)
    unseen = (blind(other) - blind(test["action"])).reshape(seen.shape)
    assert (unseen[:, -1] > 1.3 * truth[:, -1]).all()
    assert linear.fitted_on == blind.fitted_on == set(observed.names)


def test_the_share_of_the_noise_is_the_one_that_forecasts_best() -> None:
    """Chance that is the same under other actions is kept whole; without chance there is nothing to keep."""
    places: Any = Seen()
    linear = LinearPlaces(places, [windows(800, 0)])
    for noise, share in ((2.0, 1.0), (0.0, None)):
        test = windows(100, 1, noise=noise)
        other = test["action"].copy()
        other[:, GIVEN:] += 1
        outcome = test["truth.state"][:, GIVEN:][..., COLUMNS] + np.arange(1, HORIZON + 1)[None, :, None, None]
        errors = [np.square(linear.forecast(test, other, kept) - outcome).mean() for kept in (0.0, 1.0)]
        if share is not None:
            assert best_share(linear, test, other, outcome) == share
            assert errors[1] < 0.05 * errors[0]
        else:
            assert max(errors) < 0.01


def test_the_share_of_a_ridge_is_chosen_in_rooms_that_it_has_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each window once, by a ridge whose rooms are others, and with the share that a ridge of other windows has."""
    places: Any = Seen()
    observed, tried = windows(800, 0), windows(100, 1, noise=2.0)
    other = tried["action"].copy()
    other[:, GIVEN:] += 1
    outcome = tried["truth.state"][:, GIVEN:][..., COLUMNS] + np.arange(1, HORIZON + 1)[None, :, None, None]
    judged: list[str] = []
    forecast = LinearPlaces.forecast

    def watched(self: LinearPlaces, sample: Sample, actions: np.ndarray, kept: float = 0.0) -> np.ndarray:
        assert not self.fitted_on & set(sample.names)
        judged.extend(sample.names if kept == 1 else [])
        return forecast(self, sample, actions, kept)

    monkeypatch.setattr(LinearPlaces, "forecast", watched)
    assert best_share_elsewhere(places, [observed], tried, other, outcome) == 1.0
    assert sorted(judged) == sorted(tried.names)


def test_no_room_of_the_readout_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playroom, "simulate", toy_room)
    monkeypatch.setattr(causal, "playroom_settings", lambda _: PlayroomConfig(recordings=20, frames=32))
    forecaster: Any = SimpleNamespace(recordings=None, perceive=lambda room: np.zeros((32, 4), np.float32))
    judged, fitting, shuffled = causal.simulated_rooms(forecaster, CausalConfig(learned_from=4, rooms=3))
    assert len(judged.names) == 3
    assert len(fitting.names) == len(shuffled.names) == 4
    assert not judged.names & (fitting.names | shuffled.names)
    assert not fitting.names & shuffled.names
    assert min(judged.names) == "000020"  # no recording holds it
