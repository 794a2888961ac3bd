"""Players that do one thing for ever, whatever they observe.

In a world whose reward is a place, or whose enemy stands on one side, holding one action earns more than most policies.

Layouts: E episodes side by side, T frames, A numbers of an action.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from sensorium.data.environment import Environment, Observation, play

GRID = 2  # numbers of an action, up to which corners are tried too


class ConstantPlayer:
    """Holds one action in every episode.

    Args:
        action: float32 [A] in [-1, 1], or int64 [].
    """

    def __init__(self, action: np.ndarray) -> None:
        self._action, self._episodes = action, 0

    def begin(self, observations: Sequence[Observation]) -> None:
        """Only the number of episodes matters."""
        self._episodes = len(observations)

    def act(self) -> list[np.ndarray]:
        """The same action for each episode."""
        return [self._action] * self._episodes

    def observe(self, observations: Sequence[Observation], actions: Sequence[np.ndarray]) -> None:
        """Observations are ignored."""


def constant_actions(action: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Every action worth holding, by name: "hold 3", "hold (-1, 0)".

    Args:
        action: {"kind", "size"} of the recordings.

    Returns:
        each of the discrete actions; of continuous ones rest, both ends of each axis and, for up to two axes, the
        corners.
    """
    size = int(action["size"])
    if action["kind"] == "discrete":
        return {f"hold {number}": np.array(number) for number in range(size)}
    if size <= GRID:
        held = np.array(list(product((-1, 0, 1), repeat=size)), np.float32)
    else:
        held = np.concatenate([np.zeros((1, size)), -np.eye(size), np.eye(size)]).astype(np.float32)
    return {f"hold ({', '.join(f'{number:.0f}' for number in values + 0.0)})": values for values in held}


def hold_each(
    environments: Sequence[Environment], actions: Mapping[str, np.ndarray], numbers: Sequence[int]
) -> dict[str, np.ndarray]:
    """Rewards of holding each action in the same episodes, float64 [E, T] each."""
    return {name: play(environments, ConstantPlayer(action), numbers) for name, action in actions.items()}


def best_constant(rewards: Mapping[str, np.ndarray]) -> str:
    """Name of the action that earned most in these episodes, [E, T] each; to be chosen where nothing is judged."""
    return max(rewards, key=lambda name: float(rewards[name].sum()))
