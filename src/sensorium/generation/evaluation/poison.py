"""Poisoned dreamers, the negative controls of evaluations of dreams: every metric must rate them worse.

An untrained network is an easy control. These are harder: the trained network with the weights of one block shuffled,
a frame that stands still, and the mean training picture. One is for `uncertainty` alone, whose metrics of few steps
must fail: a network that knows no step size but the finest.
"""

from __future__ import annotations

import copy
from typing import Literal, get_args

import torch
from torch import Tensor

from sensorium.generation.dynamics import Dynamics

Poison = Literal["block", "frozen", "mean", "finest"]
POISONS: tuple[Poison, ...] = get_args(Poison)


class Frozen:
    """Dreams the last true frame for ever (`models.dream.FrameDreamer`)."""

    def begin(self, context: Tensor, actions: Tensor | None) -> None:
        """Keep the last frame of the context, tokens [B, T, N, C]."""
        self._frame = context[:, -1:]

    def step(self, action: Tensor | None) -> Tensor:
        """That frame, [B, 1, N, C]."""
        return self._frame


class Mean:
    """Dreams the mean training picture for ever (`models.dream.FrameDreamer`).

    Args:
        mean: tokens of it, [N, C].
    """

    def __init__(self, mean: Tensor) -> None:
        self._mean = mean

    def begin(self, context: Tensor, actions: Tensor | None) -> None:
        """Repeat the mean for each row of the context, tokens [B, T, N, C]."""
        self._frame = self._mean.expand(len(context), 1, -1, -1)

    def step(self, action: Tensor | None) -> Tensor:
        """The mean frame, [B, 1, N, C]."""
        return self._frame


def with_shuffled_block(dynamics: Dynamics, seed: int = 0) -> Dynamics:
    """A copy whose middle block has the entries of each of its weights in random order."""
    poisoned = copy.deepcopy(dynamics)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in poisoned.blocks[len(poisoned.blocks) // 2].parameters():
            order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
            weight.copy_(weight.flatten()[order].view_as(weight))
    return poisoned


def with_finest_steps(dynamics: Dynamics) -> Dynamics:
    """A copy that takes every step for the finest one, as if larger ones had not been trained."""
    poisoned = copy.deepcopy(dynamics)
    with torch.no_grad():
        poisoned.sizes.weight.copy_(poisoned.sizes.weight[-1:].expand_as(poisoned.sizes.weight))
    return poisoned
