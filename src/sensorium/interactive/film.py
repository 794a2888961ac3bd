"""A dream of known actions as pictures and sound, for a film."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sensorium.data.sample_formats import to_sounds
from sensorium.interactive.environment import dream_environment
from sensorium.interactive.parts import DreamParts
from sensorium.progress import track


def dream_on(
    parts: DreamParts, name: str, moves: np.ndarray | None, frames: int, settings: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """The true frames that a dream begins with, and then the dreamed ones.

    Args:
        parts: recordings and models.
        name: recording to begin with.
        moves: float32 [T, A] or int64 [T], T >= frames: what leads to each dreamed frame; None: nothing steers.
        frames: to dream.
        settings: of `dream_environment`.

    Returns:
        Pictures uint8 [context + frames, H, W, 3]; sound float32 [S] in [-1, 1], None if nothing is heard; the body
        sense float32 [context + frames, P], None if it is not dreamed.
    """
    environment = dream_environment(parts, [name], **settings)
    environment.reset(0)
    numbers = track(range(frames), "frames dreamed")
    dreamed = [environment.step(None if moves is None else moves[number]) for number in numbers]
    begun = environment.beginning
    pictures = np.concatenate([begun.pictures, np.stack([observation.frame for observation in dreamed])])
    felt = None
    if parts.dynamics.body:
        true = parts.recordings.field(name, "body")[: len(begun.pictures)]
        felt = np.concatenate([true, np.stack([observation.body for observation in dreamed])])
    if begun.sound is None:
        return pictures, None, felt
    heard = [begun.sound, *(observation.sound for observation in dreamed)]
    return pictures, to_sounds(torch.from_numpy(np.concatenate(heard))).numpy(), felt
