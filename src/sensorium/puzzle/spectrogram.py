"""A second of sound as a picture in decibels: 128 mel bands by 32 columns, on a fixed scale."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from sensorium.models.precision import in_float32
from sensorium.puzzle.config import SOUND_RATE

BANDS, COLUMNS = 128, 32
WINDOW, HOP = 1024, 512  # samples
QUIETEST = -100.0  # dB: power below 1e-10 of a sine's at full scale, in a window, counts as that
RANGE = 140.0  # dB; speech peaks near 41 dB, because the power of a window adds up


class DecibelSpectrogram(nn.Module):
    """Log-mel power in decibels, (dB + 100) / 140, in float32 whatever the precision around it.

    The scale is fixed, so a sound's picture does not depend on what else is in its batch. Triangles on the HTK mel
    scale, 2595 log10(1 + f / 700), from 0 to 8 kHz; Hann windows centred on multiples of the hop, the ends reflected.
    """

    bank: Tensor
    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        bank = melscale_fbanks(WINDOW // 2 + 1, 0.0, SOUND_RATE / 2, BANDS, SOUND_RATE)
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)

    @in_float32
    def forward(self, sounds: Tensor) -> Tensor:
        """Sounds [B, SOUND_RATE] in [-1, 1] -> float32 [B, BANDS, COLUMNS]; digital silence is 0."""
        spectrum = torch.stft(
            sounds, WINDOW, HOP, window=self.window, center=True, pad_mode="reflect", return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        bands = (power.transpose(1, 2) @ self.bank).transpose(1, 2)
        decibels = 10 * bands.clamp_min(10 ** (QUIETEST / 10)).log10()
        return (decibels - QUIETEST) / RANGE


def to_decibels(picture: Tensor) -> Tensor:
    """The inverse of the scale: values of any shape -> decibels."""
    return picture * RANGE + QUIETEST
