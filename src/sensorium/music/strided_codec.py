"""Codecs of strided convolutions on samples, in the shapes of two papers; they want a GPU.

seanet  SEANet as in EnCodec (Défossez et al. 2022, arXiv:2210.13438): ELU, a residual unit before each stride
dac     the Descript audio codec (Kumar et al. 2023, arXiv:2306.06546): Snake, three dilated units at each stride

Both without weight normalisation, and without what would make a sample depend on all before it (EnCodec's LSTM): so a
piece of a sound, with its context, gives the numbers of the whole.

Layouts: B sounds, C channels, S samples, at any rate in between; latents are [B, T, LATENTS].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.models.layers import RMSNorm
from sensorium.models.precision import in_float32
from sensorium.music.codec_config import LATENTS, CodecConfig
from sensorium.music.sizes import strided_units


class Snake(nn.Module):
    """x + sin(a x)^2 / a, with an `a` for each channel: periodic, and never falling (Liu et al. 2020)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.ones(channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, S] -> the same shape."""
        return x + (self.frequency * x).sin().square() / (self.frequency + 1e-9)


def activation(kind: str, channels: int) -> nn.Module:
    """What a kind has between its layers."""
    return Snake(channels) if kind == "dac" else nn.ELU()


def same(channels: int, others: int, kernel: int, dilation: int = 1) -> nn.Conv1d:
    """A convolution that keeps the length; zeros lie beyond the ends."""
    return nn.Conv1d(channels, others, kernel, dilation=dilation, padding=dilation * (kernel // 2))


class Unit(nn.Module):
    """A residual unit of two convolutions."""

    def __init__(self, kind: str, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        hidden = channels if kind == "dac" else channels // 2
        self.layers = nn.Sequential(
            activation(kind, channels),
            same(channels, hidden, kernel, dilation),
            activation(kind, hidden),
            same(hidden, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, S] -> the same shape."""
        return x + self.layers(x)


class Narrow(nn.Conv1d):
    """A strided convolution: [B, C, S] -> [B, C', S / stride]."""

    def __init__(self, channels: int, others: int, stride: int) -> None:
        super().__init__(channels, others, 2 * stride, stride)

    def forward(self, x: Tensor) -> Tensor:
        stride = self.stride[0]
        return super().forward(F.pad(x, (stride // 2, stride - stride // 2)))


class Widen(nn.ConvTranspose1d):
    """The transposed one: [B, C, S] -> [B, C', S * stride]."""

    def __init__(self, channels: int, others: int, stride: int) -> None:
        super().__init__(channels, others, 2 * stride, stride)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        stride = self.stride[0]
        return super().forward(x, output_size)[..., stride // 2 : stride // 2 + x.shape[-1] * stride]


class StridedCodec(nn.Module):
    """Sounds to latents and back.

    Args:
        config: the codec's section, of kind seanet or dac.

    Attributes:
        context: latents to either side that a latent, and a sample, depend on at most.
    """

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        kind, strides, width = config.kind, config.preset.strides, config.channels
        dilations, kernel, ends = strided_units(kind)
        self.hop = config.preset.hop
        encoder: list[nn.Module] = [same(1, width, 7)]
        decoder: list[nn.Module] = [same(width, 1, 7), activation(kind, width)]  # from the samples on, like the encoder
        reach, samples = 6, 1  # samples that the layers so far see to one side, of both; samples of a step of theirs
        for stride in strides:
            units = [[Unit(kind, width, kernel, dilation) for dilation in dilations] for _ in range(2)]
            reach += sum(dilation * (kernel // 2) for dilation in dilations) * samples + stride * samples
            encoder += [*units[0], activation(kind, width), Narrow(width, 2 * width, stride)]
            decoder += [*units[1], Widen(2 * width, width, stride), activation(kind, 2 * width)]
            width, samples = 2 * width, samples * stride
        encoder += [activation(kind, width), same(width, LATENTS, ends)]
        decoder.append(same(LATENTS, width, 7))
        self.norm = RMSNorm(LATENTS, eps=1e-6)  # or fresh weights would give latents that all round to 0
        self.encoder, self.decoder = nn.Sequential(*encoder), nn.Sequential(*reversed(decoder))
        self.context = -(-reach // samples) + 3 + 1

    def encode(self, sounds: Tensor) -> Tensor:
        """Sounds [B, T * hop] -> latents [B, T, LATENTS]."""
        return self.norm(self.encoder(sounds[:, None]).transpose(1, 2))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, T, LATENTS] -> sounds float32 [B, T * hop]."""
        return self._bounded(self.decoder(latents.transpose(1, 2))[:, 0])

    @staticmethod
    @in_float32
    def _bounded(sounds: Tensor) -> Tensor:
        return sounds.tanh()
