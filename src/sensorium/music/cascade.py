"""The cascade: of two songs' latents, what is taken of either in each channel at each moment, in two stages.

A stage reads the latents of both songs, the second one also what the first one made of them. A small transformer
(rotary positions, normalised queries and keys) sees `reach` moments to either side, and each channel and moment then
has three shares that add up to 1: take A, take B, neither. As both songs can be wanted in one place, a learned
correction follows: gains of both songs and a rest, which begin at zero.

Nothing is normalised over time: a piece of a song, with its context, gives the numbers of the whole.

Layouts: B pairs, N channels of latents, T moments, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.models.layers import Block, RMSNorm
from sensorium.models.load import Loadable
from sensorium.models.precision import in_float32
from sensorium.music.cascade_config import CascadeConfig
from sensorium.music.mask_network import shifted
from sensorium.music.sizes import LATENTS, TAPS

STAGES = 2
LOUD = 4.0  # latents are seen as asinh(LOUD x / scale): linear for small ones, logarithmic for large ones


@dataclass(frozen=True)
class Taken:
    """What a stage made of two songs.

    Attributes:
        latents: [B, N, T].
        shares: of A, of B and of neither, [B, 3, N, T], in [0, 1]; they add up to 1.
        parts: what is taken of A and of B, corrections included, [B, 2, N, T].
    """

    latents: Tensor
    shares: Tensor
    parts: Tensor


class CascadeStage(nn.Module):
    """Latents of some sounds -> shares of two of them, and corrections."""

    def __init__(self, sounds: int, config: CascadeConfig) -> None:
        super().__init__()
        self.reach = config.reach
        self.read = nn.Linear(TAPS * sounds * LATENTS, config.dim)
        self.blocks = nn.ModuleList(Block(config.dim, config.heads) for _ in range(config.layers))
        self.norm = RMSNorm(config.dim, eps=1e-6)
        self.hide = nn.Linear(config.dim + sounds * LATENTS, 2 * config.dim)
        self.share = nn.Linear(2 * config.dim, 3 * LATENTS)
        self.correct = nn.Linear(2 * config.dim, 3 * LATENTS)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Compressed latents [B, T, sounds * N] -> logits of shares and corrections, [B, 3, N, T] each."""
        x = self.read(shifted(seen, 1))
        place = torch.arange(x.shape[1], device=x.device)
        near = (place[:, None] - place).abs() <= self.reach
        for block in self.blocks:
            x = block(x, near)
        hidden = F.gelu(self.hide(torch.cat((self.norm(x), seen), -1)))
        logits, corrections = (
            part(hidden).unflatten(-1, (3, LATENTS)).permute(0, 2, 3, 1) for part in (self.share, self.correct)
        )
        return logits, corrections


class Cascade(Loadable):
    """Latents of two songs -> latents of the drums of one with the harmony of the other.

    Args:
        config: its section.
        shapes: {"scale": standard deviation of each channel of the latents that it learned from}.
    """

    Config = CascadeConfig
    kind = "music_cascade"
    scale: Tensor

    def __init__(self, config: CascadeConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        if len(shapes["scale"]) != LATENTS:
            raise ValueError(f"scale has {len(shapes['scale'])} numbers; latents have {LATENTS} channels")
        self.register_buffer("scale", torch.tensor(shapes["scale"]), persistent=False)
        self.stages = nn.ModuleList(CascadeStage(2 + number, config) for number in range(STAGES))
        self.context = STAGES * (config.layers * config.reach + 1)

    def forward(self, songs: Tensor) -> list[Taken]:
        """Latents of both songs, [B, 2, N, T] -> what each stage made of them; the last one is the answer."""
        found: list[Taken] = []
        for stage in self.stages:
            sounds = [*songs.unbind(1), *(each.latents for each in found)]
            seen = torch.cat([self._seen(sound) for sound in sounds], 1).transpose(1, 2)
            found.append(self._taken(songs, *stage(seen)))
        return found

    @in_float32
    def _seen(self, latents: Tensor) -> Tensor:
        return torch.asinh(LOUD * latents / self.scale[:, None])

    @in_float32
    def _taken(self, songs: Tensor, logits: Tensor, corrections: Tensor) -> Taken:
        shares = logits.softmax(1)
        parts = (shares[:, :2] + corrections[:, :2]) * songs
        rest = corrections[:, 2] * self.scale[:, None]
        return Taken(parts.sum(1) + rest, shares, parts)
