"""A small environment of Gymnasium whose frames say what led to them, and a policy for it."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

KINDS: dict[str, spaces.Space] = {
    "discrete": spaces.Discrete(3, start=-1),
    "box": spaces.Box(np.array([0.0, -4.0]), np.array([1.0, 4.0])),
    "unbounded": spaces.Box(-np.inf, np.inf, (1,)),
    "text": spaces.Text(3),
}
SIDE = 24


class Counter(gymnasium.Env):
    """Counts its steps. The grey of a picture is ten times the count; observed are the count, a draw and a text.

    Args:
        kind: of its actions, in KINDS.
        lasts: steps after which an episode terminates; 0: never.
        breaks: the step that fails; 0: none.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 12}  # noqa: RUF012

    def __init__(self, kind: str = "discrete", lasts: int = 5, breaks: int = 0, render_mode: str | None = None) -> None:
        self.action_space, self.render_mode = KINDS[kind], render_mode
        self.observation_space = spaces.Dict(
            {
                "count": spaces.Box(0.0, 10_000.0, (1,)),
                "inner": spaces.Dict(
                    {"draw": spaces.Discrete(1000), "eye": spaces.Box(0, 255, (SIDE, SIDE), np.uint8)}
                ),
                "word": spaces.Text(9),
            }
        )
        self._lasts, self._breaks = lasts, breaks

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """The count is 0."""
        super().reset(seed=seed)
        self._count, self._draw = 0, int(self.np_random.integers(1000))
        return self._observed(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Count; what is earned is the sum of the action's numbers."""
        assert self.action_space.contains(action), action
        self._count += 1
        if self._count == self._breaks:
            raise RuntimeError("out of order")
        return self._observed(), float(np.sum(action)), self._count == self._lasts, False, {}

    def render(self) -> np.ndarray:
        """Grey for the count, darker in the corner."""
        picture = np.full((SIDE, SIDE, 3), 10 * self._count % 250, np.uint8)
        picture[0, 0] = self._draw % 256
        return picture

    def _observed(self) -> dict[str, Any]:
        inner = {"draw": self._draw, "eye": self.render()[..., 0]}
        return {"count": np.array([self._count], np.float32), "inner": inner, "word": "again"}


def last(environment: gymnasium.Env, observation: dict[str, Any], random: np.random.Generator) -> int:
    """The last choice while the count is even, else the first."""
    return 1 if observation["count"][0] % 2 == 0 else -1


def astray(environment: gymnasium.Env, observation: dict[str, Any], random: np.random.Generator) -> int:
    """No choice at all."""
    return 7


gymnasium.register("Counter-v0", Counter)
gymnasium.register("Limited-v0", Counter, max_episode_steps=4, kwargs={"lasts": 0})
