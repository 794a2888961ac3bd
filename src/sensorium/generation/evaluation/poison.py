"""Poisoned dreamers, the negative controls of evaluations of dreams: every metric must call them worse.

A network that never learned is easily told from one that did. These are harder: one block of the trained network with
its weights shuffled, a frame that stands still, and the mean of all training frames.
"""

from __future__ import annotations

import copy
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from sensorium.generation.dynamics import Dynamics

Poison = Literal["block", "frozen", "mean"]
POISONS: tuple[Poison, ...] = get_args(Poison)


class AnyDreamer(Protocol):
    """What dreams one frame a call: models.dream.Dreamer, or one of those below."""

    def begin(self, context: Tensor, actions: Tensor | None) -> None:
        """Start from true frames, tokens [B, T, N, C], and the actions that led to them."""

    def step(self, action: Tensor | None) -> Tensor:
        """The next frame, tokens [B, 1, N, C]."""


class Frozen:
    """Dreams the last true frame, for ever."""

    def begin(self, context: Tensor, actions: Tensor | None) -> None:
        """As `AnyDreamer.begin`."""
        self._frame = context[:, -1:]

    def step(self, action: Tensor | None) -> Tensor:
        """As `AnyDreamer.step`."""
        return self._frame


class Mean:
    """Dreams the mean of the training frames, as tokens, for ever.

    Args:
        mean: [N, C].
    """

    def __init__(self, mean: Tensor) -> None:
        self._mean = mean

    def begin(self, context: Tensor, actions: Tensor | None) -> None:
        """As `AnyDreamer.begin`."""
        self._frame = self._mean.expand(len(context), 1, -1, -1)

    def step(self, action: Tensor | None) -> Tensor:
        """As `AnyDreamer.step`."""
        return self._frame


def with_shuffled_block(dynamics: Dynamics, seed: int = 0) -> Dynamics:
    """A copy of which one block, in the middle, has the entries of each of its weights in random order."""
    poisoned = copy.deepcopy(dynamics)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in poisoned.blocks[len(poisoned.blocks) // 2].parameters():
            order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
            weight.copy_(weight.flatten()[order].view_as(weight))
    return poisoned
