"""The list: 900 digits in the order of what they are worth, of which the first n decode alone, for any n.

    score       of principal components, fitted to examples before the first step
    digits      of a score, the most significant first: each divides what is left of it into ten
    order       the next digit is always of the component of which most is left
    decoded     a linear map of what the digits say of the scores, plus a learned correction

Digits beyond a prefix are not wrong but missing: a component without a digit is at its mean, one with its first digit
in the middle of a tenth. The correction sees how many there are, and training cuts the list at random lengths (nested
dropout: Rippel, Gelbart and Adams 2014, arXiv:1402.0915). It is zero at first, so an untrained list is the linear code.

Layouts: B examples, D numbers of what is seen, C components, N = 900 digits.
"""

from __future__ import annotations

import heapq
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.models.precision import in_float32
from sensorium.models.quantisers.quantiser import Quantised
from sensorium.puzzle.config import CODES, SIDE, ListConfig
from sensorium.puzzle.grid_code import GridCode

DIGITS = SIDE * SIDE
CLIPS = (1.7, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 7.0)  # standard deviations at which a coded score may end
BITS = float(np.log2(CODES))


class ListCode(GridCode):
    """The part that senses share; subclasses say what is seen, and which network corrects it.

    Args:
        config: its section.
        shapes: as the subclass needs.
        seen: shape of what is seen of an example.

    Attributes:
        mean, axes: of the components, [D] and [N, D]; at most N components have a digit, the rest are zero.
        ends: largest score of each that is coded, [N].
        component, place: of each digit of the list, whose it is and how many of its digits stand before, int32 [N].
        corrections: network, [B, 1 + ..., ...] -> what is seen; its first channel is how much of the list there is.
    """

    mean: Tensor
    axes: Tensor
    ends: Tensor
    component: Tensor
    place: Tensor
    corrections: nn.Module

    def __init__(self, config: ListConfig, shapes: dict[str, Any], seen: tuple[int, ...]) -> None:
        super().__init__()
        numbers = int(np.prod(seen))
        self._shape = seen
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("axes", torch.zeros(DIGITS, numbers))
        self.register_buffer("ends", torch.ones(DIGITS))
        self.register_buffer("component", torch.zeros(DIGITS, dtype=torch.int32))
        self.register_buffer("place", torch.zeros(DIGITS, dtype=torch.int32))

    @abstractmethod
    def corrected(self, linear: Tensor, share: Tensor) -> Tensor:
        """What is linearly decoded [B, ...] of a share [B] of the list, with its correction."""

    @in_float32
    def encode(self, seen: Tensor) -> Quantised:
        """[B, ...] -> codes int64 [B, G, G], the list row by row, and the scores that all of them say, [B, N]."""
        scores = (seen.flatten(1) - self.mean) @ self.axes.T
        part = ((scores / self.ends + 1) / 2).clamp(0, 1 - 1e-6)[:, self.component.long()]
        power = CODES ** self.place.double()
        digits = torch.floor(part.double() * power * CODES).long() % CODES
        vectors = self.scores(digits, torch.full((len(seen),), DIGITS, device=seen.device))
        return Quantised(vectors, digits.view(-1, SIDE, SIDE), seen.new_zeros(()), BITS)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes int64 [B, G, G] -> [B, ...]."""
        return self.decode_first(codes, torch.full((len(codes),), DIGITS, device=codes.device))

    def decode_first(self, codes: Tensor, counts: Tensor) -> Tensor:
        """The first codes of each list alone: codes int64 [B, G, G] and how many, int64 [B] -> [B, ...]."""
        return self.corrected(self.linear(codes, counts), counts / DIGITS)

    @in_float32
    def linear(self, codes: Tensor, counts: Tensor) -> Tensor:
        """The same without the correction."""
        scores = self.scores(codes.flatten(1), counts)
        return (self.mean + scores @ self.axes).view(-1, *self._shape)

    def scores(self, digits: Tensor, counts: Tensor) -> Tensor:
        """What the first digits say of the scores: digits int64 [B, N], how many of them count [B] -> [B, N]."""
        there = (torch.arange(DIGITS, device=digits.device) < counts[:, None]).double()
        worth = CODES ** -(self.place.double() + 1)
        whose = nn.functional.one_hot(self.component.long(), DIGITS).double()  # a product adds up in one order
        part, known = (digits * worth * there) @ whose, there @ whose
        return ((2 * part + CODES**-known - 1) * self.ends).float()  # the middle of what is left open

    @torch.no_grad()
    def describe(self, examples: Tensor) -> None:
        """Fit components, ends and the order of the digits to training examples [n, ...]."""
        flat = examples.flatten(1).double()
        self.mean.copy_(flat.mean(0))
        flat -= self.mean
        spread, axes = principal(flat)
        if not len(spread):
            raise ValueError("the training examples are all alike: they have no components")
        component, place = dealt(spread.numpy(), DIGITS)
        self.component.copy_(torch.from_numpy(component))
        self.place.copy_(torch.from_numpy(place))
        self.axes[: len(axes)] = axes.float()
        scores = flat @ axes.T
        levels = CODES ** torch.from_numpy(np.bincount(component, minlength=len(spread))).double()
        errors = []
        for clip in CLIPS:
            ends = (clip * spread).clamp_min(1e-9)
            cell = torch.floor((scores / ends + 1) / 2 * levels).clamp_min(0).minimum(levels - 1)
            errors.append((((2 * cell + 1) / levels - 1) * ends - scores).square().sum(0))
        best = torch.tensor(CLIPS, dtype=torch.double)[torch.stack(errors).argmin(0)]
        self.ends[: len(spread)] = (best * spread).clamp_min(1e-9).float()


def principal(centred: Tensor) -> tuple[Tensor, Tensor]:
    """Standard deviations [C], at most N and the largest first, and axes [C, D] of centred examples, float64 [n, D].

    Of the two products of the examples with themselves, the smaller one is decomposed.
    """
    few = len(centred) < centred.shape[1]
    values, vectors = torch.linalg.eigh((centred @ centred.T if few else centred.T @ centred) / len(centred))
    values, vectors = values.flip(0)[:DIGITS], vectors.flip(1)[:, :DIGITS]
    kept = values > 1e-10 * values[:1]
    spread, vectors = values[kept].sqrt(), vectors[:, kept]
    axes = (vectors.T @ centred) / (spread[:, None] * len(centred) ** 0.5) if few else vectors.T
    return spread, axes


def dealt(spread: np.ndarray, digits: int) -> tuple[np.ndarray, np.ndarray]:
    """Components and places of `digits` decimal digits: the next one always goes where most is left.

    A digit divides what is left of a component's standard deviation by ten.

    Args:
        spread: standard deviations of the components, [C].
        digits: N.

    Returns:
        whose digit each is, int64 [N], and how many of its digits stand before it, int64 [N].
    """
    left = [(-float(value), number, 0) for number, value in enumerate(spread)]
    heapq.heapify(left)
    order = []
    for _ in range(digits):
        value, number, place = heapq.heappop(left)
        order.append((number, place))
        heapq.heappush(left, (value / CODES, number, place + 1))
    component, place = np.array(order, np.int64).T
    return component, place
