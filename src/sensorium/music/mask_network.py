"""A band-split network that finds drums: of each bin of a mixture's spectrum, which share is drums.

Bins are cut into bands, narrow ones below and wide ones above (after Luo and Yu, "Music source separation with
band-split RNN", 2023, arXiv:2209.15174). Layers alternate between times of a band and bands of a time. Harmony is what
the mask leaves, so both stems always add up to the mixture. The network sees `CONTEXT` frames to either side and
nothing beyond, and nothing is normalised over time: a piece of a sound, with its context, gives the numbers of the
whole.

Layouts: B mixtures, K bands, T frames, C channels: [B, K, T, C].
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.models.layers import RMSNorm
from sensorium.models.load import Loadable
from sensorium.models.precision import in_float32
from sensorium.music.config import RATE, MaskConfig
from sensorium.music.sizes import BANDS, TAPS

QUIETEST = 1e-2  # power of a bin that counts as silence


@in_float32
def log_power(spectra: Tensor) -> Tensor:
    """Complex spectra -> log power on a fixed scale: silence -1, a tone at -20 dB of full scale 1.7."""
    return (spectra.real.square() + spectra.imag.square() + QUIETEST).log10() / 2


def shifted(x: Tensor, step: int) -> Tensor:
    """[..., T, C] -> [..., T, TAPS * C]: each frame with those `step` before and after it, zeros beyond the ends."""
    wide = F.pad(x, (0, 0, step, step))
    return torch.cat([wide[..., tap * step : tap * step + x.shape[-2], :] for tap in range(TAPS)], dim=-1)


class Layer(nn.Module):
    """Times of a band, then bands of a time; residual."""

    def __init__(self, width: int, step: int) -> None:
        super().__init__()
        self.step = step
        self.before, self.between = RMSNorm(width, eps=1e-6), RMSNorm(width, eps=1e-6)
        self.over_time = nn.Sequential(nn.Linear(TAPS * width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.into, self.out = nn.Linear(len(BANDS), len(BANDS)), nn.Linear(len(BANDS), len(BANDS))

    def forward(self, x: Tensor) -> Tensor:
        """[B, K, T, C] -> the same shape."""
        x = x + self.over_time(shifted(self.before(x), self.step))
        mixed = self.between(x).flatten(2)
        mixed = F.gelu(self.into.weight @ mixed + self.into.bias[:, None])
        mixed = self.out.weight @ mixed + self.out.bias[:, None]
        return x + mixed.view_as(x)


class Group(nn.Module):
    """Neighbouring bands of one number of bins: their bins to channels, and channels with their bins to a mask."""

    def __init__(self, bands: int, bins: int, width: int) -> None:
        super().__init__()
        self.bands, self.bins = bands, bins
        self.read = _weights(bands, TAPS * bins, width)
        self.read_bias = nn.Parameter(torch.zeros(bands, 1, width))
        self.hide = _weights(bands, width + TAPS * bins, 2 * width)
        self.hide_bias = nn.Parameter(torch.zeros(bands, 1, 2 * width))
        self.write = _weights(bands, 2 * width, bins)
        self.write_bias = nn.Parameter(torch.zeros(bands, 1, bins))

    def local(self, power: Tensor) -> Tensor:
        """Log power [B, bands * bins, T] -> [bands, B * T, TAPS * bins]: each band with the frames around."""
        rows, _, frames = power.shape
        split = power.view(rows, self.bands, self.bins, frames).permute(1, 0, 3, 2)
        return shifted(split, 1).reshape(self.bands, rows * frames, TAPS * self.bins)

    def encode(self, local: Tensor) -> Tensor:
        """[bands, B * T, TAPS * bins] -> [bands, B * T, C]."""
        return torch.baddbmm(self.read_bias, local, self.read)

    def decode(self, local: Tensor, x: Tensor) -> Tensor:
        """The same and channels [bands, B * T, C] -> logits [bands, B * T, bins]."""
        hidden = F.gelu(torch.baddbmm(self.hide_bias, torch.cat((x, local), -1), self.hide))
        return torch.baddbmm(self.write_bias, hidden, self.write)


class MaskNetwork(Loadable):
    """Shares of drums, [B, BINS, T], in [0, 1].

    Args:
        config: its section.
        shapes: {"rate": samples a second}.
    """

    Config = MaskConfig
    kind = "music_mask"

    def __init__(self, config: MaskConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        if shapes["rate"] != RATE:
            raise ValueError(f"a mask of sounds of {shapes['rate']} samples a second; songs have {RATE}")
        self.rate = RATE
        groups = [(len(list(same)), bins) for bins, same in groupby(BANDS)]
        self.groups = nn.ModuleList(Group(count, bins, config.width) for count, bins in groups)
        self.layers = nn.ModuleList(Layer(config.width, 2**number) for number in range(config.layers))
        self.last = RMSNorm(config.width, eps=1e-6)

    @property
    def context(self) -> int:
        """Frames to either side of a frame that its mask depends on."""
        return 1 + sum(layer.step for layer in self.layers)  # type: ignore[misc]

    def forward(self, spectra: Tensor) -> Tensor:
        """Complex spectra [B, BINS, T] of mixtures -> float32 masks [B, BINS, T]."""
        power = log_power(spectra)
        rows, _, frames = power.shape
        sizes = [group.bands * group.bins for group in self.groups]  # type: ignore[operator]
        local = [group.local(part) for group, part in zip(self.groups, power[:, : sum(sizes)].split(sizes, 1))]  # type: ignore[operator] # noqa: B905
        read = [group.encode(part) for group, part in zip(self.groups, local, strict=True)]  # type: ignore[operator]
        x = torch.cat(read).view(len(BANDS), rows, frames, -1).transpose(0, 1)
        for layer in self.layers:
            x = layer(x)
        x = self.last(x).transpose(0, 1).reshape(len(BANDS), rows * frames, -1)
        parts = x.split([group.bands for group in self.groups])  # type: ignore[misc]
        logits = [
            group.decode(*both).view(group.bands, rows, frames, group.bins).permute(1, 0, 3, 2).flatten(1, 2)  # type: ignore[operator]
            for group, *both in zip(self.groups, local, parts, strict=True)
        ]
        return self._shares(torch.cat(logits, 1))

    @staticmethod
    @in_float32
    def _shares(logits: Tensor) -> Tensor:
        """Logits [B, BINS - 1, T] -> masks [B, BINS, T]; the highest bin has the mask of the one below."""
        shares = logits.sigmoid()
        return torch.cat((shares, shares[:, -1:]), 1)


def _weights(bands: int, inputs: int, outputs: int) -> nn.Parameter:
    """Weights of an affine map for each band, drawn as `nn.Linear` draws them."""
    bound = inputs**-0.5
    return nn.Parameter(torch.empty(bands, inputs, outputs).uniform_(-bound, bound))
