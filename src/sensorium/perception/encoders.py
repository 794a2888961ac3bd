"""Encoders of the senses: one frame, or one frame's sound, to one embedding.

Strided convolutions with few channels while the maps are large; the last small grid is flattened rather than
averaged, so that a linear readout still finds where things are. No batch norm anywhere.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.models.load import Loadable
from sensorium.models.spectrogram import LogMel
from sensorium.perception.config import AudioEncoderConfig, VisionEncoderConfig
from sensorium.perception.priors import SightPriors, onset_flux

GROUPS = 4


class VisionEncoder(Loadable):
    """Images float [B, 3, H, W] in [0, 1] -> embeddings [B, dim]."""

    Config = VisionEncoderConfig
    kind = "encoder_vision"

    def __init__(self, config: VisionEncoderConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        side, width = int(shapes["size"]), config.width
        self.priors = SightPriors(config.priors)
        layers: list[nn.Module] = [nn.Conv2d(self.priors.channels, width, 5, stride=2, padding=2), *_normed(width)]
        side //= 2
        while side >= 8:
            layers += [nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), *_normed(2 * width)]
            width, side = 2 * width, (side + 1) // 2
            layers += [ResidualConvolution(width)]
        self.layers = nn.Sequential(*layers)
        self.side = side  # places of the last grid in a row
        self.head = nn.Linear(width * side * side, config.dim)

    def forward(self, images: Tensor) -> Tensor:
        """Embed each image by itself."""
        return self.head(self.grid(images))

    def grid(self, images: Tensor) -> Tensor:
        """Input of the linear head, [B, channels * side * side]; it keeps where things are."""
        return self.layers(self.priors(images)).flatten(1)


def _normed(width: int) -> list[nn.Module]:
    return [nn.GroupNorm(GROUPS, width), nn.SiLU()]


class ResidualConvolution(nn.Module):
    """x + conv(silu(norm(x))) on [B, C, H, W]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x."""
        return x + self.branch(x)


class AudioEncoder(Loadable):
    """Sounds float [B, S] in [-1, 1] -> one embedding a frame, [B, S / samples_per_frame, dim], causal in time."""

    Config = AudioEncoderConfig
    kind = "encoder_audio"

    def __init__(self, config: AudioEncoderConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        width, bands = config.width, config.mels
        self.samples_per_frame = int(shapes["samples_per_frame"])
        self.spectrogram = LogMel(bands, int(shapes["sample_rate"]), self.samples_per_frame)
        self.onset = config.priors.onset
        self.layers = nn.ModuleList()
        channels = 1 + self.onset
        for kernel, stride, grown in ((7, (4, 2), width), (3, (2, 2), 2 * width), (3, (2, 1), 4 * width)):
            self.layers.append(CausalConv(channels, grown, kernel, stride))
            channels, bands = grown, -(-bands // stride[0])
        self.head = nn.Linear(channels * bands, config.dim)

    def forward(self, sounds: Tensor) -> Tensor:
        """Embed every frame of each sound from the sound up to its end.

        Raises:
            ValueError: if S is not a whole number of frames.
        """
        if sounds.shape[1] % self.samples_per_frame:
            raise ValueError(f"{sounds.shape[1]} samples are no whole number of frames of {self.samples_per_frame}")
        spectrogram = self.spectrogram(sounds)
        x = torch.stack([spectrogram, onset_flux(spectrogram)] if self.onset else [spectrogram], dim=1)
        for layer in self.layers:
            x = layer(x)
        return self.head(x.permute(0, 3, 1, 2).flatten(2))  # [B, T, C * bands]

    def pool(self, embeddings: Tensor) -> Tensor:
        """Embedding of a whole window: [B, T, dim] -> [B, dim]."""
        return embeddings.mean(1)


class BodyEncoder(nn.Module):
    """The body's sense of each frame by itself, standardised numbers [..., size] -> [..., dim].

    An affine map plus a hidden layer for what only several numbers show together, such as a push at a place.
    It has no contrastive objective of its own; it is part of the fusion and trained with it.
    """

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        hidden = max(32, 4 * size)
        self.direct = nn.Linear(size, dim)
        self.meet = nn.Linear(size, hidden)
        self.tell = nn.Linear(hidden, dim, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """Embed each frame."""
        return self.direct(values) + self.tell(F.silu(self.meet(values)))


class CausalConv(nn.Module):
    """Convolution on [B, C, bands, columns] that sees no later column, normalised at each column by itself."""

    def __init__(self, channels: int, width: int, kernel: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.history = 3 - stride[1]  # pads the past so that a strided output ends where its last column ends
        self.convolution = nn.Conv2d(channels, width, (kernel, 3), stride=stride, padding=(kernel // 2, 0))
        self.scale = nn.Parameter(torch.ones(width, 1, 1))
        self.shift = nn.Parameter(torch.zeros(width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, M, N] -> [B, width, M / stride, N / stride]."""
        x = self.convolution(F.pad(x, (self.history, 0)))
        power = x.float().square().mean((1, 2), keepdim=True)  # over time it would leak the future
        return F.silu(x * torch.rsqrt(power + 1e-2) * self.scale + self.shift)
