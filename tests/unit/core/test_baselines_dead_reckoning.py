"""Dead reckoning, against a known motion and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from sensorium.evaluation.baselines.dead_reckoning import EVERY, STRENGTHS, FreeMotion, LinearMap

ROOMS, FRAMES, AHEAD = 60, 30, (1, 4, 40)


def walked(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, actions, and whether a step was free, of a walk between walls at 0 and 1, sometimes held back."""
    actions = rng.uniform(-1, 1, (ROOMS, FRAMES, 2))
    free = rng.uniform(size=(ROOMS, FRAMES)) > 0.3
    places = np.empty((ROOMS, FRAMES, 2))
    place = rng.uniform(0.2, 0.8, (ROOMS, 2))
    for frame in range(FRAMES):
        place = np.clip(place + 0.1 * free[:, frame, None] * actions[:, frame], 0, 1)
        places[:, frame] = place
    return places, actions, free


def test_free_motion_learns_the_step_and_the_walls() -> None:
    """From steps that nothing hindered alone, so that it does not shrink; at a wall it stays."""
    places, actions, free = walked(np.random.default_rng(0))
    motion = FreeMotion(places, actions, free)
    start, right = np.array([[0.5, 0.5]]), np.tile(np.array([[[1.0, -0.5]]]), (1, 9, 1))
    reached = motion(start, right)
    assert reached[0, 0] == pytest.approx([0.6, 0.45], abs=1e-3)
    assert reached[0, 2] == pytest.approx([0.8, 0.35], abs=3e-3)
    assert reached[0, -1] == pytest.approx([1.0, 0.05], abs=0.01)
    hindered = FreeMotion(places, actions, np.ones_like(free))(start, right)
    assert hindered[0, 0, 0] < 0.58


def test_the_linear_map_is_a_ridge_for_each_number_of_frames() -> None:
    """Its places are those of scikit-learn, within the range of the recordings; too far ahead it holds the last one."""
    rng = np.random.default_rng(1)
    places, actions, _ = walked(rng)
    sense = np.concatenate([places, rng.normal(size=(ROOMS, FRAMES, 3))], 2)
    linear = LinearMap(sense, actions, places, 5, AHEAD)
    now, moves = sense[:7, 3], rng.uniform(-1, 1, (7, 40, 2))
    reached = linear(now, moves)
    assert reached.shape == (7, 3, 2)
    for column, frames in enumerate((1, 4, FRAMES - 6)):
        starts = range(5, FRAMES - frames, EVERY)
        rows = [np.concatenate([sense[:, s], actions[:, s + 1 : s + 1 + frames].reshape(ROOMS, -1)], 1) for s in starts]
        scaler = StandardScaler().fit(np.concatenate(rows))
        ridge = RidgeCV(STRENGTHS).fit(
            scaler.transform(np.concatenate(rows)), np.concatenate([places[:, s + frames] for s in starts])
        )
        asked = np.concatenate([now, moves[:, :frames].reshape(7, -1)], 1)
        expected = np.clip(ridge.predict(scaler.transform(asked)), places.min(), places.max())
        assert reached[:, column] == pytest.approx(expected, abs=5e-3)
