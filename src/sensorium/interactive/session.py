"""One dream that goes on frame by frame, as its actions tell, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sensorium.interactive.world import World
from sensorium.models.dream import Dreamer
from sensorium.randomness import stable_seed

TRUE_FRAMES = 128  # that doubts are measured by
SMALLEST = 1e-6


@dataclass(frozen=True)
class Moment:
    """One dreamed frame."""

    picture: np.ndarray  # uint8 [H, W, 3]
    doubt: float  # `World.show`


class Session:
    """A dream from a recording's first frames; equal actions and seed give equal dreams.

    Args:
        world: recordings and models.
        name: the recording to begin with.
        context: true frames before the dream.
        denoising_steps, seed: as for `Dreamer`.

    Raises:
        ConfigurationError: if there is no such recording, or it is shorter than the context.
    """

    def __init__(self, world: World, name: str, *, context: int, denoising_steps: int, seed: int) -> None:
        self.beginning = world.begin(name, context)
        self._world = world
        self._dreamer = Dreamer(world.dynamics, denoising_steps=denoising_steps, seed=stable_seed(seed, "dream"))
        self._dreamer.begin(self.beginning.tokens, self.beginning.actions)

    def step(self, action: np.ndarray | None) -> Moment:
        """Dream the next frame, which `action` leads to: float32 [A], int64 [], or None to dream without."""
        move = None if action is None else torch.from_numpy(np.array(action)[None]).to(self._world.device)
        streams = self._world.dynamics.split(self._dreamer.step(move)[0])
        pictures, doubts = self._world.show(streams["video"])
        return Moment(pictures[0], float(doubts[0]))


def usual_doubt(world: World, seed: int) -> float:
    """Median doubt of true frames, which a dream's doubts are measured by; above zero."""
    rng = np.random.default_rng(stable_seed(seed, "gauge"))
    names = world.latents.names("validation") or world.names()
    frames = []
    for number in rng.integers(len(names), size=TRUE_FRAMES):
        latent = world.latents.field(names[number], "latent")
        frames.append(latent[rng.integers(len(latent))])
    doubts = world.show(torch.from_numpy(np.stack(frames)).float().to(world.device))[1]
    return max(float(np.median(doubts)), SMALLEST)
