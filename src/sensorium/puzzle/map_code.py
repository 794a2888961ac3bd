"""The map: a grid of 30 x 30 cells in which every cell is a place, coded by one of ten levels.

    cell        the level at its place (`pooled`) plus a bounded learned correction, rounded to one of ten levels
    decoded     a linear map of the levels around each place, plus a learned correction

Both corrections are zero at first. So an untrained map is what an engineer would write down: pooled levels, and the
best linear decoder of them (ridge regression on training examples). Its codes are in order by construction, training
begins there, and nothing but the 900 codes reaches the decoder.

Layouts: B examples, G = 30 rows and columns of cells, F levels around a place, P places of what is decoded, O numbers
at each of them.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.models.precision import in_float32
from sensorium.models.quantisers.quantiser import Quantised
from sensorium.models.quantisers.scalar import ScalarQuantiser
from sensorium.puzzle.config import CODES, MapConfig
from sensorium.puzzle.grid_code import GridCode

ENDS = 0.002  # share of the cells of the examples beyond each end of the levels: extremes would waste a code
RIDGE = 1e-2  # of the linear decoder, for each example
NORM = 1e-6


class MapCode(GridCode):
    """The part that sound and sight share; subclasses say what is pooled and which networks correct it.

    Args:
        config: its section.
        shapes: as the subclass needs.
        around: F.
        outputs: O.

    Attributes:
        low, high: values of the lowest and of the highest level.
        weights: of the linear decoder, [F + 1, O]; the last row is the constant.
        encoder, decoder: the networks that correct, [B, ...] -> [B, G, G] in units of half the range of the levels, and
            levels [B, G, G] -> as decoded.
    """

    encoder: nn.Module
    decoder: nn.Module
    low: Tensor
    high: Tensor
    weights: Tensor

    def __init__(self, config: MapConfig, shapes: dict[str, Any], around: int, outputs: int) -> None:
        super().__init__()
        self.quantiser = ScalarQuantiser([CODES], bound="clamp")
        self._most = 2 * config.correction / (CODES - 1)
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.ones(()))
        self.register_buffer("weights", torch.zeros(around + 1, outputs))

    @abstractmethod
    def pooled(self, seen: Tensor) -> Tensor:
        """The value at the place of each cell: [B, ...] -> [B, G, G]."""

    @abstractmethod
    def neighbours(self, levels: Tensor) -> Tensor:
        """The levels around each place: [B, G, G] -> [B, P, F]."""

    @abstractmethod
    def to_places(self, seen: Tensor) -> Tensor:
        """[B, ...] -> [B, P, O]."""

    @abstractmethod
    def from_places(self, values: Tensor) -> Tensor:
        """[B, P, O] -> [B, ...], the inverse of `to_places`."""

    def start(self, seen: Tensor) -> Tensor:
        """Levels of the pooled values, before rounding: [B, ...] -> [B, G, G], mostly in [-1, 1]."""
        return 2 * (self.pooled(seen) - self.low) / (self.high - self.low) - 1

    def encode(self, seen: Tensor) -> Quantised:
        """[B, ...] -> codes int64 [B, G, G] from 0, the lowest level, and their levels [B, G, G, 1] in [-1, 1]."""
        correction = self._most * torch.tanh(self.encoder(seen) / self._most)
        found: Quantised = self.quantiser((self.start(seen) + correction)[..., None])
        return found

    def decode(self, codes: Tensor) -> Tensor:
        """Codes int64 [B, G, G] -> [B, ...]; nothing else is needed."""
        return self.decode_levels(self.quantiser.decode(codes)[..., 0])

    def decode_levels(self, levels: Tensor) -> Tensor:
        """Levels [B, G, G] in [-1, 1] -> [B, ...]."""
        return self.linear(levels) + self.decoder(levels)

    @in_float32
    def linear(self, levels: Tensor) -> Tensor:
        """What the linear decoder makes of levels."""
        return self.from_places(self.neighbours(levels) @ self.weights[:-1] + self.weights[-1])

    def forward(self, seen: Tensor) -> tuple[Tensor, Quantised]:
        """[B, ...] -> (decoded, codes)."""
        quantised = self.encode(seen)
        return self.decode_levels(quantised.vectors[..., 0]), quantised

    @torch.no_grad()
    @in_float32
    def describe(self, examples: Tensor) -> None:
        """Set the ends of the levels and the linear decoder from training examples [n, ...]."""
        values = self.pooled(examples).flatten().sort().values
        last = len(values) - 1
        self.low.copy_(values[round(ENDS * last)])
        self.high.copy_(values[round((1 - ENDS) * last)])
        if not self.high > self.low:
            raise ValueError("the training examples are all alike: their pooled values do not differ")
        around, outputs = len(self.weights), self.weights.shape[1]
        moments, targets = torch.zeros(around, around).double(), torch.zeros(around, outputs).double()
        for part in examples.split(64):
            inputs = self.neighbours(self.quantiser(self.start(part)[..., None]).vectors[..., 0]).flatten(0, 1)
            inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], 1).double()
            moments += inputs.T @ inputs
            targets += inputs.T @ self.to_places(part).flatten(0, 1).double()
        penalty = torch.full((around,), RIDGE * len(examples)).double()
        penalty[-1] = 0
        self.weights.copy_(torch.linalg.solve(moments + penalty.diag(), targets))


class LocalResidual(nn.Module):
    """x + pointwise(silu(convolution(silu(norm(x))))), [B, D, ...] -> same.

    The norm divides each place by its own root mean square, so that a cell depends on nothing beyond the reach of the
    convolutions: codes stay still where nothing moves.

    Args:
        width: D.
        convolution: nn.Conv1d or nn.Conv2d.
    """

    def __init__(self, width: int, convolution: type[nn.Conv1d] | type[nn.Conv2d]) -> None:
        super().__init__()
        places = (1,) * (1 if convolution is nn.Conv1d else 2)
        self.scale = nn.Parameter(torch.ones(width, *places))
        self.wide = convolution(width, width, 3, padding=1)
        self.pointwise = convolution(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = x * (x.square().mean(1, keepdim=True) + NORM).rsqrt() * self.scale
        return x + self.pointwise(nn.functional.silu(self.wide(nn.functional.silu(hidden))))


def silent(layer: nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d) -> nn.Module:
    """The layer with zeros for weights: a correction begins as none."""
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
