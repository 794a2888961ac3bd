"""Spectrograms back to sounds: what the bands leave of a spectrum, and phases that fit it.

It is lossy twice over: 128 bands do not fix 513 frequencies, and no phase is coded. Phases are found by the fast
algorithm of Griffin and Lim (Perraudin, Balazs and Soendergaard 2013, "A fast Griffin-Lim algorithm", WASPAA).
"""

from __future__ import annotations

import torch
from torch import Tensor

from sensorium.puzzle.config import SOUND_RATE
from sensorium.puzzle.spectrogram import COLUMNS, HOP, WINDOW, DecibelSpectrogram, to_decibels

STEP = HOP // 2  # samples between the frames of the sound that is made: half as many as between columns
BAND_ROUNDS, PHASE_ROUNDS = 40, 60
MOMENTUM = 0.99  # of the paper
TINY = 1e-12


@torch.no_grad()
def to_sound(pictures: Tensor) -> Tensor:
    """A sound whose spectrogram is near the given ones, which follow each other.

    Args:
        pictures: float [G, BANDS, COLUMNS] on the scale of `DecibelSpectrogram`, a second each.

    Returns:
        float32 [G * SOUND_RATE], the same each time.
    """
    samples = len(pictures) * SOUND_RATE
    count = samples // STEP + 1
    magnitude = _spectrum(_between(to_decibels(pictures.float()), count)).sqrt()
    window = torch.hann_window(WINDOW, device=pictures.device)

    def consistent(spectrum: Tensor) -> tuple[Tensor, Tensor]:
        sound = torch.istft(spectrum, WINDOW, STEP, window=window, length=samples)
        return sound, torch.stft(sound, WINDOW, STEP, window=window, return_complex=True)

    generator = torch.Generator().manual_seed(0)
    turns = torch.rand(magnitude.shape, generator=generator).to(magnitude)
    last = torch.polar(magnitude, 2 * torch.pi * turns)
    spectrum = last
    for _ in range(PHASE_ROUNDS):
        found = consistent(magnitude * spectrum / spectrum.abs().clamp_min(TINY))[1]
        spectrum, last = found + MOMENTUM * (found - last), found
    return consistent(magnitude * spectrum / spectrum.abs().clamp_min(TINY))[0]


def _between(decibels: Tensor, count: int) -> Tensor:
    """Columns [G, BANDS, COLUMNS] at their moments -> [BANDS, count], every STEP samples, on lines between them.

    A second is no whole number of hops: its columns begin anew with it.
    """
    seconds = torch.arange(len(decibels), device=decibels.device)[:, None] * SOUND_RATE
    moments = (seconds + torch.arange(COLUMNS, device=decibels.device) * HOP).flatten()
    columns = decibels.transpose(0, 1).flatten(1)
    wanted = torch.arange(count, device=decibels.device) * STEP
    after = torch.searchsorted(moments, wanted, right=True).clamp(1, len(moments) - 1)
    first, last = moments[after - 1], moments[after]
    share = ((wanted - first) / (last - first)).clamp(0, 1)
    return columns[:, after - 1] * (1 - share) + columns[:, after] * share


def _spectrum(decibels: Tensor) -> Tensor:
    """Power [WINDOW / 2 + 1, K], nowhere negative, whose bands are near those given, [BANDS, K].

    Multiplicative updates for the divergence, in which a faint band counts as well as a loud one (Lee and Seung 2001,
    "Algorithms for non-negative matrix factorization", theorem 2), from a spectrum that is even within its bands.
    """
    bank = DecibelSpectrogram().bank.to(decibels)  # [frequencies, BANDS]
    wanted = 10 ** (decibels / 10)
    power = bank @ (wanted / bank.sum(0).clamp_min(TINY)[:, None])
    for _ in range(BAND_ROUNDS):
        ratio = wanted / (bank.T @ power).clamp_min(TINY)
        power = power * (bank @ ratio + TINY) / (bank.sum(1, keepdim=True) + TINY)
    return power
