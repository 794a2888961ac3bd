"""Finite scalar quantisation (FSQ): each channel is bounded and rounded to one of a few evenly spaced levels.

Levels are symmetric around 0 for even numbers of them too: -1, ..., 1 in steps of 2 / (L - 1). So ten levels are ten
levels, in order, and the code of a single channel is ordinal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from sensorium.models.quantisers.quantiser import Quantised, Quantiser, check_dim, straight_through

Bound = Literal["tanh", "clamp"]


class ScalarQuantiser(Quantiser):
    """FSQ.

    Args:
        levels: of each channel, at least 2; D is their number, the size their product.
        bound: what brings a channel into [-1, 1]: tanh, or clamp for channels that mostly lie there already.

    The first channel counts fastest: code = sum of level_i times the product of the numbers of levels before i.
    """

    _levels: Tensor
    _basis: Tensor

    def __init__(self, levels: Sequence[int], bound: Bound = "tanh") -> None:
        if not levels or min(levels) < 2:
            raise ValueError(f"levels are {list(levels)}: every channel needs at least 2")
        super().__init__(len(levels), math.prod(levels))
        self._bound = bound
        self.register_buffer("_levels", torch.tensor(levels), persistent=False)
        basis = torch.tensor([1, *levels[:-1]]).cumprod(0)
        self.register_buffer("_basis", basis, persistent=False)

    def forward(self, vectors: Tensor) -> Quantised:
        check_dim(vectors, self.dim)
        bounded = vectors.tanh() if self._bound == "tanh" else vectors.clamp(-1, 1)
        steps = (self._levels - 1) / 2
        level = torch.floor((bounded + 1) * steps + 0.5)  # a half goes up on every device
        quantised = straight_through(bounded, level / steps - 1)
        codes = (level.long() * self._basis).sum(-1)
        return Quantised(quantised, codes, vectors.new_zeros(()), self.bits)

    def decode(self, codes: Tensor) -> Tensor:
        level = codes[..., None] // self._basis % self._levels
        return level / ((self._levels - 1) / 2) - 1
