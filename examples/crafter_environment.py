"""Crafter (Hafner 2021, "Benchmarking the Spectrum of Agent Capabilities") with the interface of Gymnasium.

The package `crafter` follows the older Gym: `reset` takes no seed and `step` does not say why an episode ended. Such a
package becomes a source of recordings by a module like this one, in the folder of the run or on PYTHONPATH:

    data: {source: gymnasium, environment: "crafter_environment:Crafter-v0", picture: observation, size: 64}
"""

from __future__ import annotations

from typing import Any

import crafter
import gymnasium
import numpy as np


class Crafter(gymnasium.Env[np.ndarray, int]):
    """One world of Crafter an episode; the observation is the picture, 64 x 64."""

    metadata = {"render_modes": [], "render_fps": 16}  # noqa: RUF012
    observation_space = gymnasium.spaces.Box(0, 255, (64, 64, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(17)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Begin a new world."""
        super().reset(seed=seed)
        self._world = crafter.Env(seed=int(self.np_random.integers(2**31)))
        return self._world.reset(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """The next frame; an episode ends when the player dies, or after 10,000 steps."""
        picture, reward, done, info = self._world.step(action)
        died = info["discount"] == 0
        return picture, float(reward), died, done and not died, info


gymnasium.register("Crafter-v0", Crafter)
