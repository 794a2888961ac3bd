"""Sounds of other speakers and microphones, from those that there are: played faster or slower, louder or softer."""

from __future__ import annotations

import torch
from torch import Tensor

from sensorium.randomness import Draw


def varied(sounds: Tensor, speed: float, gain: float, draw: Draw) -> Tensor:
    """Each sound at a random speed, which moves pitch and formants too, and at a random level; silence stays silence.

    Args:
        sounds: [B, S].
        speed: largest relative change of the speed, below 1; samples between two are on the line between them.
        gain: largest change of the level, in decibels.
        draw: random numbers of these B rows.

    Returns:
        [B, S]; what a faster sound leaves free at the end is silent.
    """
    change = 2 * draw.uniform("voice", 2) - 1
    place = torch.arange(sounds.shape[1], device=sounds.device) * (1 + speed * change[:, :1])
    first = place.long()
    part = place - first
    wide = torch.nn.functional.pad(sounds, (0, 1))
    last = sounds.shape[1]  # where the padding stands
    before, after = (wide.gather(1, (first + step).clamp_max(last)) for step in (0, 1))
    return ((1 - part) * before + part * after) * 10 ** (gain * change[:, 1:] / 20)
