"""Critics: networks that tell real samples from made ones.

A critic keeps no statistics of its batch and drops nothing at random: its slope at a sample would depend on others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.config.critic import SoundCriticConfig
from sensorium.models.precision import in_float32

LEAK = 0.2
QUIET = 1e-6  # power of a coefficient below which its magnitude is not compressed
DILATIONS = (1, 2, 4)  # in time


class Opinion(NamedTuple):
    """What a critic says of some samples.

    Attributes:
        scores: of each part of it, [B, ...]; the larger, the more real.
        features: outputs of its inner layers, [B, ...] each.
    """

    scores: tuple[Tensor, ...]
    features: tuple[Tensor, ...]


class Critic(nn.Module, ABC):
    """A network that judges samples."""

    @abstractmethod
    def forward(self, samples: Tensor) -> Opinion:
        """Judge samples [B, ...]; row i of the opinion depends on row i alone."""


class SoundCritic(Critic):
    """Convolutions over complex spectra of several resolutions (Defossez et al. 2022, arXiv:2210.13438, section 3.4).

    Real and imaginary parts are the two channels of a picture, so phases are judged, too. Magnitudes are compressed to
    about their square root, because the upper bands of music are a thousand times weaker than the lower ones.
    """

    def __init__(self, config: SoundCriticConfig) -> None:
        super().__init__()
        self.parts = nn.ModuleList(_SpectrumCritic(size, config.channels) for size in config.ffts)

    def forward(self, samples: Tensor) -> Opinion:
        """Judge sounds [B, S] in [-1, 1]."""
        opinions = [part(samples) for part in self.parts]
        scores, features = zip(*opinions, strict=True)
        return Opinion(tuple(scores), tuple(feature for some in features for feature in some))


class _SpectrumCritic(nn.Module):
    """Judges a spectrum: scores [B, frames, bins / 8]."""

    window: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        self.layers = nn.ModuleList([nn.Conv2d(2, channels, (3, 9), padding=(1, 4))])
        for dilation in DILATIONS:
            padding = dilation, 4
            self.layers.append(nn.Conv2d(channels, channels, (3, 9), (1, 2), padding, (dilation, 1)))
        self.layers.append(nn.Conv2d(channels, channels, 3, padding=1))
        self.head = nn.Conv2d(channels, 1, 3, padding=1)
        for layer in (*self.layers, self.head):  # torch's own start shrinks the signal from layer to layer
            nn.init.kaiming_normal_(layer.weight, LEAK)
            nn.init.zeros_(layer.bias)

    def forward(self, sounds: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Sounds [B, S] -> scores and features."""
        hidden, features = self.spectrum(sounds), []
        for layer in self.layers:
            hidden = F.leaky_relu(layer(hidden), LEAK)
            features.append(hidden)
        return self.head(hidden)[:, 0], features

    @in_float32
    def spectrum(self, sounds: Tensor) -> Tensor:
        """Sounds [B, S] -> compressed real and imaginary parts [B, 2, frames, bins], zeros before and after."""
        padded = F.pad(sounds, (self.size // 2, self.size // 2))
        whole = torch.stft(padded, self.size, self.size // 4, window=self.window, center=False, return_complex=True)
        parts = torch.view_as_real(whole).movedim(-1, 1).transpose(2, 3) / self.window.square().sum().sqrt()
        return parts / (parts.square().sum(1, keepdim=True) + QUIET) ** 0.25
