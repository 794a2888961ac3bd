"""Environments: worlds that can be acted in, step by step, and players who act in them.

The simulators that recordings come from are environments (the playroom, Atari games, those of Gymnasium), and so is a
dream.

Layouts: E episodes side by side, T frames, A numbers of an action, P values of the body.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Observation:
    """One frame of an episode.

    Attributes:
        frame: the picture, uint8 [H, W, 3].
        sound: int16 [samples a frame]; 0 samples in a silent world.
        body: proprioception, float32 [P]; P is 0 in a world without it.
        reward: of this frame.
        done: whether the episode that is played ends with this frame.
        terminated: whether the world came to an end in this frame: what follows, if anything, is another beginning.
        truncated: whether a time limit of the world ended it in this frame; it would have gone on.
    """

    frame: np.ndarray
    sound: np.ndarray
    body: np.ndarray
    reward: float
    done: bool
    terminated: bool = field(default=False, kw_only=True)
    truncated: bool = field(default=False, kw_only=True)


class Environment(Protocol):
    """A world that can be acted in; its settings, the episode's number and the actions determine what happens."""

    def reset(self, number: int) -> Observation:
        """Begin episode `number`; its first frame, before any action."""
        ...

    def step(self, action: np.ndarray) -> Observation:
        """The next frame, which an action leads to: float32 [A] in [-1, 1], or int64 [], as in recordings."""
        ...


class Simulator(Environment, Protocol):
    """An environment whose episodes are those of recordings: `reset(number)` begins the scene of recording `number`."""

    def rest(self) -> np.ndarray:
        """The action that does nothing."""
        ...

    def habit(self) -> np.ndarray:
        """The next action of the policy that made the recordings; called once a frame."""
        ...

    def expert(self) -> np.ndarray | None:
        """The next action of a scripted player that sees the true state; None if the world has no such player."""
        ...


class Player(Protocol):
    """Acts in E episodes at once."""

    def begin(self, observations: Sequence[Observation]) -> None:
        """Observe the first frame of every episode."""
        ...

    def act(self) -> Sequence[np.ndarray]:
        """The next action in each episode."""
        ...

    def observe(self, observations: Sequence[Observation], actions: Sequence[np.ndarray]) -> None:
        """Observe the frames that the actions led to."""
        ...


def play(environments: Sequence[Environment], player: Player, numbers: Sequence[int]) -> np.ndarray:
    """Play one episode in each environment to its end; all last equally long.

    Args:
        environments: E of them.
        player: who acts.
        numbers: of the episodes, E.

    Returns:
        rewards float64 [E, T].
    """
    observations = [environment.reset(number) for environment, number in zip(environments, numbers, strict=True)]
    player.begin(observations)
    rewards = []
    while not observations[0].done:
        actions = player.act()
        observations = [environment.step(action) for environment, action in zip(environments, actions, strict=True)]
        rewards.append([observation.reward for observation in observations])
        player.observe(observations, actions)
    return np.array(rewards).T


class ScriptedPlayer:
    """Acts by a function for each episode, whatever it observes.

    Args:
        scripts: the next action in each episode, for example `simulator.expert` of each simulator.
    """

    def __init__(self, scripts: Sequence[Callable[[], np.ndarray]]) -> None:
        self._scripts = scripts

    def begin(self, observations: Sequence[Observation]) -> None:
        """Observations are ignored."""

    def act(self) -> list[np.ndarray]:
        """The next action of each script."""
        return [script() for script in self._scripts]

    def observe(self, observations: Sequence[Observation], actions: Sequence[np.ndarray]) -> None:
        """Observations are ignored."""


class RandomPlayer:
    """Acts uniformly at random.

    Args:
        action: {"kind", "size"} of the recordings.
        seed: of the actions.
    """

    def __init__(self, action: dict[str, Any], seed: int) -> None:
        self._discrete, self._size = action["kind"] == "discrete", int(action["size"])
        self._rng, self._episodes = np.random.default_rng(seed), 0

    def begin(self, observations: Sequence[Observation]) -> None:
        """Only the number of episodes matters."""
        self._episodes = len(observations)

    def act(self) -> list[np.ndarray]:
        """A random action for each episode."""
        if self._discrete:
            return list(self._rng.integers(self._size, size=self._episodes))
        return list(self._rng.uniform(-1, 1, (self._episodes, self._size)).astype(np.float32))

    def observe(self, observations: Sequence[Observation], actions: Sequence[np.ndarray]) -> None:
        """Observations are ignored."""
