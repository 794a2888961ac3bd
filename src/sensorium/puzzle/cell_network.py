"""Codes of a grid cell by cell, in the order of reading: a masked convolutional network with a condition.

Each cell sees the cells above it and those to its left, never itself or what comes later, and the whole of a condition,
which has a vector for each cell (van den Oord et al. 2016, "Conditional image generation with PixelCNN decoders",
without gates). So one pass gives the probability of a whole grid, and minus its logarithm are bits that an arithmetic
coder would really take.

Layouts: B grids, W channels, G = 30 rows and columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.puzzle.config import CODES
from sensorium.puzzle.map_code import NORM, silent

DILATIONS = (1, 3)  # of the blocks, by turns: neighbours, and the same digit of the word before


class ReadingConv(nn.Conv2d):
    """A convolution that sees rows above and cells to the left, [B, C, G, G] -> [B, O, G, G].

    Args:
        channels, outputs: C and O.
        reach: cells to the left, to the right in rows above, and rows upwards.
        dilation: cells between two that are seen.
        own: whether a cell sees itself.
    """

    seen: Tensor

    def __init__(self, channels: int, outputs: int, reach: int, dilation: int = 1, own: bool = True) -> None:
        super().__init__(channels, outputs, (reach + 1, 2 * reach + 1), dilation=dilation)
        seen = torch.ones(reach + 1, 2 * reach + 1)
        seen[-1, reach + own :] = 0
        self.register_buffer("seen", seen, persistent=False)
        self._margin = reach * dilation

    def forward(self, x: Tensor) -> Tensor:
        margin = self._margin
        wide = F.pad(x, (margin, margin, margin, 0))
        return F.conv2d(wide, self.weight * self.seen, self.bias, dilation=self.dilation)


class CellBlock(nn.Module):
    """x + pointwise(silu(convolution(silu(norm(x))))), [B, W, G, G] -> same; as `LocalResidual`, but causal."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width, 1, 1))
        self.wide = ReadingConv(width, width, 1, dilation)
        self.pointwise = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = x * (x.square().mean(1, keepdim=True) + NORM).rsqrt() * self.scale
        return x + self.pointwise(F.silu(self.wide(F.silu(hidden))))


class CellNetwork(nn.Module):
    """What is added to the log probabilities of the codes of each cell; zero at first.

    Args:
        width: W.
        blocks: how many.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.first = ReadingConv(CODES + 1, width, 2, own=False)
        self.blocks = nn.Sequential(*(CellBlock(width, DILATIONS[n % len(DILATIONS)]) for n in range(blocks)))
        self.last = silent(nn.Conv2d(width, CODES, 1))

    def forward(self, cells: Tensor, condition: Tensor) -> Tensor:
        """Cells as `one_hot` [B, CODES, G, G] and a condition [B, W, G, G] -> [B, CODES, G, G]."""
        inside = torch.ones_like(cells[:, :1])
        result: Tensor = self.last(F.silu(self.blocks(self.first(torch.cat([cells, inside], 1)) + condition)))
        return result


def one_hot(codes: Tensor) -> Tensor:
    """Codes int64 [B, G, G] -> float [B, CODES, G, G]."""
    return F.one_hot(codes, CODES).movedim(-1, 1).float()


def bits(logits: Tensor, codes: Tensor) -> Tensor:
    """Bits that each cell takes, [B, G, G], by logits [B, CODES, G, G]."""
    return F.cross_entropy(logits.float(), codes, reduction="none") / torch.log(torch.tensor(2.0))
