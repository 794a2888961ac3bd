"""The short-time spectrum of music and the way back.

Frame t sees the samples [t * HOP, t * HOP + SIZE) of a sound that is preceded by SIZE - HOP zeros, so that every sample
lies in SIZE / HOP frames. Hann windows there and back; their squares add up to 1.5 at every sample.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.models.precision import in_float32

SIZE, HOP = 2048, 512  # samples, at 24 kHz: 85 and 21 ms
BINS = SIZE // 2 + 1
LEAD = SIZE - HOP  # zeros before a sound
GAIN = 1.5  # sum of the squared windows


def frames_of(samples: int) -> int:
    """Frames that see any of so many samples."""
    return -(-(samples + LEAD) // HOP)


@in_float32
def analyse(sounds: Tensor) -> Tensor:
    """Sounds [..., S] -> complex spectra [..., BINS, frames_of(S)]."""
    count = frames_of(sounds.shape[-1])
    after = (count - 1) * HOP + SIZE - LEAD - sounds.shape[-1]
    padded = F.pad(sounds.reshape(-1, sounds.shape[-1]), (LEAD, after))
    window = torch.hann_window(SIZE, device=sounds.device)
    spectra = torch.stft(padded, SIZE, HOP, window=window, center=False, return_complex=True)
    return spectra.reshape(*sounds.shape[:-1], BINS, count)


def overlapped(spectra: Tensor) -> Tensor:
    """Spectra [n, BINS, frames] -> what their frames add up to, [n, (frames - 1) * HOP + SIZE], zeros before included."""
    window = torch.hann_window(SIZE, device=spectra.device)[:, None] / GAIN
    pieces = torch.fft.irfft(spectra, dim=-2) * window
    length = (spectra.shape[-1] - 1) * HOP + SIZE
    return F.fold(pieces, (1, length), (1, SIZE), stride=(1, HOP))[:, 0, 0]


def synthesise(spectra: Tensor, samples: int) -> Tensor:
    """Spectra [..., BINS, frames] -> sounds [..., samples]; the inverse of `analyse`."""
    sounds = overlapped(spectra.reshape(-1, *spectra.shape[-2:]))[:, LEAD : LEAD + samples]
    return sounds.reshape(*spectra.shape[:-2], samples)
