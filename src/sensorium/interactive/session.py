"""One dream that goes on frame by frame, as its actions tell, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sensorium.generation.dream import Dreamer
from sensorium.interactive.world import World
from sensorium.randomness import stable_seed

TRUE_CLIPS, CLIP_FRAMES = 24, 16  # that doubts are measured by
SMALLEST = 1e-6


@dataclass(frozen=True)
class Moment:
    """One dreamed frame."""

    picture: np.ndarray  # uint8 [H, W, 3]
    doubt: float  # `Senses.show`
    sound: np.ndarray | None  # int16 [samples a frame]; None where dreams have no sound


class Session:
    """A dream from a recording's first frames; equal actions and seed give equal dreams.

    Args:
        world: recordings and models.
        name: the recording to begin with.
        context: true frames before the dream.
        denoising_steps, stillness, seed: as for `Dreamer`.

    Raises:
        ConfigurationError: if there is no such recording, or it is shorter than the context.
    """

    def __init__(
        self, world: World, name: str, *, context: int, denoising_steps: int, seed: int, stillness: float = 0.0
    ) -> None:
        self.beginning = world.begin(name, context)
        self._world = world
        self._dreamer = Dreamer(
            world.dynamics, denoising_steps=denoising_steps, stillness=stillness, seed=stable_seed(seed, "dream")
        )
        self._dreamer.begin(self.beginning.tokens, self.beginning.actions)
        self._senses = world.senses()
        self._senses.show(world.dynamics.split(self.beginning.tokens[0]))

    def step(self, action: np.ndarray | None) -> Moment:
        """Dream the next frame, which `action` leads to: float32 [A], int64 [], or None to dream without."""
        move = None if action is None else torch.from_numpy(np.array(action)[None]).to(self._world.device)
        shown = self._senses.show(self._world.dynamics.split(self._dreamer.step(move)[0]))
        return Moment(shown.pictures[0], float(shown.doubts[0]), shown.sound)


def usual_doubt(world: World, seed: int) -> float:
    """Median doubt of true frames, which a dream's doubts are measured by; above zero."""
    rng = np.random.default_rng(stable_seed(seed, "gauge"))
    names, doubts = world.latents.names("validation") or world.names(), []
    for number in rng.integers(len(names), size=TRUE_CLIPS):
        begun = world.begin(names[number], min(CLIP_FRAMES, world.latents.frames(names[number])))
        doubts.append(world.senses().show(world.dynamics.split(begun.tokens[0])).doubts)
    return max(float(np.median(np.concatenate(doubts))), SMALLEST)
