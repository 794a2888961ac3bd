"""Codes of rhythm and of harmony that earn their names: what is composed needs them, and probes learn with them.

The compositional agent of earlier work calls parts of a song rhythm, harmony and timbre, and nothing makes them so.
Here the code of rhythm is made of song A, that of harmony of song B, and all that is composed is made of these two: the
drums of A with the harmony of B, which is known. Two linear probes learn along: onset strength of the drums from the
one code, chroma of the harmony from the other.

Layouts: B songs, N channels of latents, T moments, PART channels of a code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.models.layers import Block, RMSNorm
from sensorium.models.precision import in_float32
from sensorium.music.cascade import LOUD
from sensorium.music.config import RATE
from sensorium.music.latents import HOP, CosineLatents
from sensorium.music.legacy_agents import PART, SCALES, convolution
from sensorium.music.sizes import LATENTS

HEADS, LAYERS = 4, 2  # of the composer
CLASSES = 12  # of pitch
SPECTRUM = 4096  # samples of the spectrum that chroma is read from
LOWEST, HIGHEST = 110.0, 1760.0  # Hz of what counts for chroma
QUIET = 1e-4  # power that counts as silence


@dataclass(frozen=True)
class Composed:
    """What was made of two codes.

    Attributes:
        latents: [B, N, T].
        onsets: onset strength by the probe of the code of rhythm, [B, T].
        chroma: by the probe of the code of harmony, [B, CLASSES, T].
    """

    latents: Tensor
    onsets: Tensor
    chroma: Tensor


def extractor(first: int, second: int) -> nn.Sequential:
    """Two convolutions, [B, N, T] -> [B, PART, T]."""
    return nn.Sequential(convolution(LATENTS, LATENTS, first), nn.LeakyReLU(0.2), convolution(LATENTS, PART, second))


class CodeComposer(nn.Module):
    """Codes of two songs, and what is composed of them.

    Args:
        dim: width of the composer.
        scale: standard deviation of each channel of the latents.
    """

    scale: Tensor

    def __init__(self, dim: int, scale: list[float]) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale)[:, None], persistent=False)
        self.rhythm, self.harmony = (extractor(*SCALES[name]) for name in ("rhythm", "harmony"))
        self.read = nn.Linear(2 * PART, dim)
        self.blocks = nn.ModuleList(Block(dim, HEADS) for _ in range(LAYERS))
        self.write = nn.Sequential(RMSNorm(dim, eps=1e-6), nn.Linear(dim, LATENTS))
        self.onset_probe, self.chroma_probe = nn.Linear(PART, 1), nn.Linear(PART, CLASSES)

    def codes(self, songs: Tensor) -> tuple[Tensor, Tensor]:
        """Latents of songs [B, N, T] -> their codes of rhythm and of harmony, [B, PART, T] each."""
        seen = torch.asinh(LOUD * songs / self.scale)
        return self.rhythm(seen), self.harmony(seen)

    def compose(self, rhythm: Tensor, harmony: Tensor) -> Composed:
        """Codes [B, PART, T] -> what they say."""
        x = self.read(torch.cat((rhythm, harmony), 1).transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        return Composed(
            self.write(x).transpose(1, 2) * self.scale,
            self.onset_probe(rhythm.transpose(1, 2))[..., 0],
            self.chroma_probe(harmony.transpose(1, 2)).transpose(1, 2),
        )

    def forward(self, songs: Tensor) -> Composed:
        """Latents of A and of B, [B, 2, N, T] -> the rhythm of A with the harmony of B."""
        return self.compose(self.codes(songs[:, 0])[0], self.codes(songs[:, 1])[1])


@in_float32
def onset_strength(sounds: Tensor) -> Tensor:
    """How far the bands of latents rise from moment to moment, sounds [B, S] -> [B, T]."""
    bands = CosineLatents().to(sounds.device).encode(sounds).square().unflatten(1, (-1, 8)).mean(2)
    rises = (bands + QUIET).log().diff(dim=-1).relu().mean(1)
    return F.pad(rises, (1, 0))


@in_float32
def chroma_of(sounds: Tensor) -> Tensor:
    """Magnitudes by pitch class at each moment, of norm 1 or 0: sounds [B, S] -> [B, CLASSES, T]."""
    samples = (CosineLatents.moments(sounds.shape[-1]) - 1) * HOP
    padded = F.pad(sounds, (0, samples - sounds.shape[-1]))
    window = torch.hann_window(SPECTRUM, device=sounds.device)
    spectra = torch.stft(padded, SPECTRUM, HOP, window=window, return_complex=True, pad_mode="constant").abs()
    frequencies = torch.fft.rfftfreq(SPECTRUM, 1 / RATE, device=sounds.device)
    heard = (frequencies >= LOWEST) & (frequencies <= HIGHEST)
    classes = (69 + 12 * (frequencies[heard] / 440).log2()).round().long() % CLASSES
    found = F.one_hot(classes, CLASSES).T.float() @ spectra[:, heard]
    return found / (found.norm(dim=1, keepdim=True) + 1e-1)
