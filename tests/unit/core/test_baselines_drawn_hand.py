"""A hand that follows its commands: where it goes, and what it looks like there."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from sensorium.evaluation.baselines import drawn_hand
from sensorium.evaluation.baselines.drawn_hand import DrawnHand, FollowedPlace, PlacedPicture

SIZE, HORIZON = 8, 3


def windows(seed: int, count: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is felt, commands, and places of a hand that goes where it is told."""
    rng = np.random.default_rng(seed)
    start, commands = rng.uniform(0.3, 0.7, (count, 1, 2)), rng.uniform(-1, 1, (count, HORIZON, 2))
    places = np.concatenate([start, start + 0.08 * commands.cumsum(1)], 1)
    return start[:, 0], commands, places


def picture(places: np.ndarray) -> np.ndarray:
    """A spot at each place on grey, [n, 3, SIZE, SIZE]."""
    middle = (np.arange(SIZE) + 0.5) / SIZE
    far = (middle - places[:, :1]) ** 2, (middle - places[:, 1:]) ** 2
    spot = np.exp(-(far[0][:, None, :] + far[1][:, :, None]) / 0.02)
    return np.repeat(0.3 + 0.5 * spot[:, None], 3, 1)


def test_the_place_follows_the_commands_up_to_then() -> None:
    felt, commands, places = windows(0)
    follow = FollowedPlace(felt, commands, places)
    other = windows(1, 30)
    assert follow(other[0], other[1], other[2][:, 0]) == pytest.approx(other[2][:, 1:], abs=1e-3)
    assert np.abs(follow.errors).max() < 1e-3
    later = other[1].copy()
    later[:, 1:] = 0
    assert np.array_equal(
        follow(other[0], later, other[2][:, 0])[:, 0], follow(other[0], other[1], other[2][:, 0])[:, 0]
    )
    assert follow(felt[:1], np.full((1, HORIZON, 2), 99.0), felt[:1]).max() == 1


def test_the_picture_is_the_ridge_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn_hand, "PENALTIES", (3.0,))
    places = np.random.default_rng(0).random((300, 2))
    fitted = PlacedPicture(picture(places), places, (picture(places[:9]), places[:9]))
    rows = fitted.weights(places)
    assert rows.sum(1) == pytest.approx(1)
    flat = picture(places).reshape(300, -1)
    known = Ridge(alpha=3.0, fit_intercept=False).fit(rows.toarray(), flat - flat.mean(0))
    asked = fitted.weights(np.array([[0.2, 0.7], [1.0, 0.0]]))
    assert fitted(asked).reshape(2, -1) == pytest.approx(known.predict(asked.toarray()), abs=1e-5)


def test_a_cell_counts_by_its_distance() -> None:
    places = np.random.default_rng(0).random((50, 2))
    fitted = PlacedPicture(picture(places), places, (picture(places), places))
    weights = fitted.weights(np.array([[2.75 / SIZE, 5.5 / SIZE]])).toarray().reshape(SIZE, SIZE)
    assert weights[5, 2] == pytest.approx(0.75)
    assert weights[5, 3] == pytest.approx(0.25)


def test_other_commands_move_the_drawn_hand() -> None:
    felt, commands, places = windows(0, 2000)
    seen, checked = places.reshape(-1, 2)[::3], windows(2)[2].reshape(-1, 2)
    drawn = DrawnHand(
        FollowedPlace(felt, commands, places), PlacedPicture(picture(seen), seen, (picture(checked), checked))
    )
    felt, commands, places = windows(1, 40)
    changed = commands[::-1]
    then = places[:, :1] + 0.08 * changed.cumsum(1)
    true = picture(then[:, -1]) - picture(places[:, -1])
    found = (drawn(felt, changed, places[:, 0]) - drawn(felt, commands, places[:, 0]))[:, -1]
    assert found.shape == true.shape
    assert np.vdot(found, true) > 0.9 * np.linalg.norm(found) * np.linalg.norm(true)
