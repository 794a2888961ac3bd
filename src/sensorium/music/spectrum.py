"""The short-time spectrum of music and the way back.

Frame t sees the samples [t * size / 4, t * size / 4 + size) of a sound that has 3/4 size zeros before it, so that every
sample lies in four frames. Hann windows there and back; their squares add up to 1.5 at every sample.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.models.precision import in_float32

SIZE = 2048  # samples at 24 kHz: 85 ms, and 21 ms from frame to frame
BINS = SIZE // 2 + 1
GAIN = 1.5  # sum of the squared windows


def lead(size: int) -> int:
    """Zeros before a sound."""
    return size - size // 4


def frames_of(samples: int, size: int = SIZE) -> int:
    """Frames that see any of so many samples."""
    return -(-(samples + lead(size)) // (size // 4))


@in_float32
def framed(sounds: Tensor, size: int = SIZE) -> Tensor:
    """Sounds [n, S], zeros before included, -> complex spectra [n, size / 2 + 1, frames] of its whole frames."""
    window = torch.hann_window(size, device=sounds.device)
    return torch.stft(sounds, size, size // 4, window=window, center=False, return_complex=True)


def analyse(sounds: Tensor) -> Tensor:
    """Sounds [..., S] -> complex spectra [..., BINS, frames_of(S)]."""
    samples = sounds.shape[-1]
    after = (frames_of(samples) - 1) * (SIZE // 4) + SIZE - lead(SIZE) - samples
    spectra = framed(F.pad(sounds.reshape(-1, samples), (lead(SIZE), after)))
    return spectra.reshape(*sounds.shape[:-1], *spectra.shape[1:])


def overlapped(spectra: Tensor, size: int = SIZE) -> Tensor:
    """Spectra [n, bins, frames] -> what their frames add up to, [n, (frames - 1) * size / 4 + size]."""
    pieces = torch.fft.irfft(spectra, dim=-2) * (torch.hann_window(size, device=spectra.device)[:, None] / GAIN)
    length = (spectra.shape[-1] - 1) * (size // 4) + size
    return F.fold(pieces, (1, length), (1, size), stride=(1, size // 4))[:, 0, 0]


def synthesise(spectra: Tensor, samples: int) -> Tensor:
    """Spectra [..., BINS, frames] -> sounds [..., samples]; the inverse of `analyse`."""
    sounds = overlapped(spectra.reshape(-1, *spectra.shape[-2:]))[:, lead(SIZE) : lead(SIZE) + samples]
    return sounds.reshape(*spectra.shape[:-2], samples)
