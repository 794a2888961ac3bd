"""The dream that `dream` and `play` act in, and the scale of its round-trip errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sensorium.generation.dream import Dreamer
from sensorium.generation.dream_environment import DreamEnvironment
from sensorium.interactive.parts import DreamParts
from sensorium.randomness import stable_seed

CLIPS, CLIP_FRAMES = 24, 16  # true clips that give the typical error
SMALLEST = 1e-6


def dream_environment(
    parts: DreamParts,
    names: Sequence[str],
    *,
    context: int,
    denoising_steps: int,
    seed: int,
    stillness: float = 0.0,
    sharpness: float = 1.0,
    frames: int | None = None,
) -> DreamEnvironment:
    """A dream to act in; equal actions and seed give equal dreams.

    Args:
        parts: recordings and models.
        names: recordings; episode `number` begins with names[number % len(names)].
        context: true frames before the dream.
        denoising_steps, seed, stillness, sharpness: as for `Dreamer`.
        frames: as for `DreamEnvironment`.

    Its `reset` raises ConfigurationError if there is no such recording, or it is shorter than the context.
    """
    dreamer = Dreamer(
        parts.dynamics,
        denoising_steps=denoising_steps,
        stillness=stillness,
        sharpness=sharpness,
        seed=stable_seed(seed, "dream"),
    )
    return DreamEnvironment(
        dreamer, parts.decoder(), lambda number: parts.begin(names[number % len(names)], context), frames=frames
    )


def typical_round_trip_error(parts: DreamParts, seed: int) -> float:
    """Median round-trip error of true frames, above zero: the unit of a dream's errors."""
    rng = np.random.default_rng(stable_seed(seed, "gauge"))
    names, decoder, errors = parts.latents.names("validation") or parts.names(), parts.decoder(), []
    for number in rng.integers(len(names), size=CLIPS):
        begun = parts.begin(names[number], min(CLIP_FRAMES, parts.latents.frames(names[number])))
        errors.append(decoder.step(decoder.remember(), begun.tokens).round_trip_error)
    return max(float(np.median(np.concatenate(errors))), SMALLEST)
