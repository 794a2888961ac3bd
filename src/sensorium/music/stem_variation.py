"""How stems are varied in training, so that no model learns how loud a song is, or which songs belong together."""

from __future__ import annotations

import torch
from torch import Tensor

from sensorium.randomness import Draw


def vary_stems(stems: Tensor, draw: Draw, gain: float) -> Tensor:
    """Stems at other levels; in every other row the songs have exchanged their harmonies.

    Args:
        stems: drums and harmony of two songs, [B, 4, S].
        draw: random numbers of the rows.
        gain: largest change of loudness of a stem, in dB.
    """
    decibels = (2 * draw.uniform("gain", stems.shape[1]) - 1) * gain
    stems = stems * 10 ** (decibels / 20)[..., None]
    exchanged = (draw.uniform("exchange") < 0.5)[:, None, None]
    return torch.where(exchanged, stems[:, [0, 3, 2, 1]], stems)
