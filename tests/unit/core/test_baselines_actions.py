"""Constant actions: which ones there are, that they are held, and which is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium.data.environment import Observation
from sensorium.evaluation.baselines.actions import best_constant, constant_actions, hold_each

FRAMES = 3


class Line:
    """A place on a line that starts at the episode's number; a frame earns the place times the axis' weight."""

    def __init__(self, weights: list[float]) -> None:
        self._weights = np.array(weights)

    def reset(self, number: int) -> Observation:
        """Begin."""
        self._frame, self._place = 0, np.full(len(self._weights), float(number))
        return self._observe()

    def step(self, action: np.ndarray) -> Observation:
        """Move."""
        self._frame += 1
        self._place = self._place + np.asarray(action)
        return self._observe()

    def _observe(self) -> Observation:
        nothing, reward = np.zeros(0), float(self._place @ self._weights)
        return Observation(nothing, nothing, nothing, reward, self._frame == FRAMES)


def test_discrete_actions_are_all_held() -> None:
    actions = constant_actions({"kind": "discrete", "size": 4})
    assert list(actions) == ["hold 0", "hold 1", "hold 2", "hold 3"]
    assert [int(action) for action in actions.values()] == [0, 1, 2, 3]
    assert all((action.dtype, action.shape) == (np.int64, ()) for action in actions.values())


@pytest.mark.parametrize(("size", "count"), [(1, 3), (2, 9), (3, 7), (6, 13)])
def test_continuous_actions_are_rest_ends_and_corners(size: int, count: int) -> None:
    actions = constant_actions({"kind": "continuous", "size": size})
    assert len(actions) == count == len({tuple(action) for action in actions.values()})
    assert all((action.dtype, action.shape) == (np.float32, (size,)) for action in actions.values())
    assert {tuple(row) for row in np.vstack([np.eye(size), -np.eye(size), np.zeros((1, size))])} <= {
        tuple(action) for action in actions.values()
    }
    assert set(constant_actions({"kind": "continuous", "size": 2})) >= {"hold (-1, 0)", "hold (1, 1)", "hold (0, 0)"}


def test_a_held_action_earns_its_closed_form() -> None:
    """From place n, holding a for three frames earns 3 n + 6 a on each axis."""
    actions = constant_actions({"kind": "continuous", "size": 2})
    rewards = hold_each([Line([1.0, -2.0])] * 1, actions, [5])
    for name, action in actions.items():
        assert rewards[name].shape == (1, FRAMES)
        assert rewards[name].sum() == pytest.approx(float((15 + 6 * action) @ [1.0, -2.0]))
    assert best_constant(rewards) == "hold (1, -1)"


def test_episodes_are_played_side_by_side() -> None:
    rewards = hold_each([Line([1.0]), Line([1.0])], {"hold (1)": np.ones(1, np.float32)}, [0, 10])
    np.testing.assert_allclose(rewards["hold (1)"], [[1, 2, 3], [11, 12, 13]])
