"""Mixtures of copies: what a pixel will show is what another place shows now, which one is uncertain.

    p(y) = sum_k w_k N(y; c_k + e, s^2)

where c_k is what source k shows at that pixel (a shift of the last frame, or another picture), w_k its probability, e a
correction, and y holds all channels of the pixel. A mean of places cannot be kept for long, one of several can
(Finn et al. 2016, arXiv:1605.07157, section 3, moves pixels by such kernels, trained as a mean).

The K sources are never put side by side: sums over them are loops, with gradients of their own.
Layouts: B pictures, c channels, H and W pixels, K sources.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Sources:
    """What may be copied: all shifts of a picture by up to `reach` pixels, row by row, then other pictures as they are.

    Attributes:
        padded: the picture with its surroundings, [B, c, H + 2 reach, W + 2 reach].
        others: pictures as they are, [B, c, H, W] each.
        reach: the largest shift, along each axis.
    """

    padded: Tensor
    others: Sequence[Tensor]
    reach: int

    def __len__(self) -> int:
        return (2 * self.reach + 1) ** 2 + len(self.others)

    def __iter__(self) -> Iterator[Tensor]:
        height, width = (length - 2 * self.reach for length in self.padded.shape[-2:])
        for down in range(2 * self.reach + 1):
            for right in range(2 * self.reach + 1):
                yield self.padded[:, :, down : down + height, right : right + width]
        yield from self.others

    @property
    def still(self) -> int:
        """Number of the source that is the picture itself."""
        return 2 * self.reach * (self.reach + 1)


def surrounded(picture: Tensor, reach: int) -> Tensor:
    """A picture [B, c, H, W] with surroundings that go on as its border does, [B, c, H + 2 reach, W + 2 reach]."""
    return F.pad(picture, [reach] * 4, mode="replicate")


def mean_copy(weights: Tensor, sources: Sources) -> Tensor:
    """The mean of what the sources show, sum_k w_k c_k, [B, c, H, W], for weights w [B, K, H, W].

    Weights have a gradient, the sources have none.
    """
    mean: Tensor = _Mean.apply(weights, sources)
    return mean


def surprise(logits: Tensor, correction: Tensor, truth: Tensor, sources: Sources, spread: float) -> Tensor:
    """Negative log-likelihood of a picture under the mixture, in nats, less the constant of the normal densities.

    Args:
        logits: l, [B, K, H, W], of the sources' probabilities w = softmax(l).
        correction: e, [B, c, H, W].
        truth: y, [B, c, H, W]; it has no gradient, and neither have the sources.
        sources: K of them.
        spread: s.

    Returns:
        [B, H, W].
    """
    nats: Tensor = _Surprise.apply(logits, correction, truth, sources, spread)
    return nats


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, sources: Sources) -> Tensor:
        ctx.save_for_backward(weights)
        ctx.sources = sources
        return _weighted(weights, sources)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (weights,) = ctx.saved_tensors
        made = torch.empty_like(weights)
        for number, shown in enumerate(ctx.sources):
            torch.sum(gradient * shown, 1, out=made[:, number])
        return made, None


class _Surprise(torch.autograd.Function):
    """With responsibilities r = softmax(l - |y - c - e|^2 / 2 s^2): d/dl = w - r, d/de = (sum r c - y + e) / s^2."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, correction: Tensor, truth: Tensor, sources: Sources, spread: float) -> Tensor:
        rest, scores = truth - correction, torch.empty_like(logits)
        for number, shown in enumerate(sources):
            torch.sum((rest - shown).square_(), 1, out=scores[:, number])
        scores.mul_(-0.5 / spread**2).add_(logits)
        weights, responsible = logits.softmax(1), scores.softmax(1)
        nats = _log_sum(logits, weights) - _log_sum(scores, responsible)
        rest = (rest - _weighted(responsible, sources)).div_(spread**2)
        ctx.save_for_backward(weights.sub_(responsible), rest)
        return nats

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:  # type: ignore[override]
        difference, rest = ctx.saved_tensors
        return difference * gradient[:, None], -rest * gradient[:, None], None, None, None


def _weighted(weights: Tensor, sources: Sources) -> Tensor:
    mean = weights.new_zeros(len(weights), sources.padded.shape[1], *weights.shape[2:])
    for number, shown in enumerate(sources):
        mean.addcmul_(shown, weights[:, number : number + 1])
    return mean


def _log_sum(logits: Tensor, softmax: Tensor) -> Tensor:
    """log sum_k exp l_k from the softmax, without a second exponential (which is slow where it underflows)."""
    return logits.amax(1) - softmax.amax(1).log()
