"""The body sense in a dream: what will be felt, from what was felt, the action, and a glimpse of the picture there.

Sight follows it: maps of where the body is felt, and what is felt, enter the blocks of the fine path.

The P numbers of the sense are a stream of M = ceil(P / C) tokens of C channels, zeros behind them (`to_tokens`).
Layouts: R frames that are predicted, G rows and columns of video tokens, c channels of a picture, D width of the
condition. tau is the signal level: 0 noise, 1 clean. Places are (x, y), from -1 to 1 across the picture.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.generation.config import GLIMPSE, GLIMPSED, LAST_FRAMES
from sensorium.generation.kalman import Gaussian

_FEATURES = 16  # of the convolution of a glimpse
_HIDDEN = 64
_LOGARITHM = 12.0  # largest of a variance, of either sign, in units of the usual change
_SMALLEST = 0.01  # usual change of a number that hardly changes
_LIKELIHOOD = 0.7  # share of the likelihood in the loss
_OFF = 0.1  # distance, of half the picture, by which a dream has left the truth
_BLUR = 1.3  # of the maps, in squared tokens


class Felt(NamedTuple):
    """The body sense of frames.

    Attributes:
        tokens: standardised, [B, T, M, C]; of denoised frames as predicted, without gradient.
        before: those of the frame before each.
        predicted: tokens of the denoised frames, [B, T - keep, M, C].
        prior: what was expected of them before the noised ones were seen; None if no frame is denoised.
    """

    tokens: Tensor
    before: Tensor
    predicted: Tensor
    prior: Gaussian | None


class BodySense(nn.Module):
    """Predicts what is felt, and shows sight where.

    Args:
        tokens: M.
        channels: C.
        grid: G.
        colours: c.
        dim: D.
    """

    where: Tensor
    offset: Tensor
    centres: Tensor

    def __init__(self, tokens: int, channels: int, grid: int, colours: int, dim: int) -> None:
        super().__init__()
        self.tokens, self.grid = tokens, grid
        numbers = tokens * channels
        known = LAST_FRAMES * numbers + dim
        self.glimpse = nn.Conv2d(GLIMPSED * colours, _FEATURES, 4, stride=2)
        self.gather = nn.Linear(_FEATURES * ((GLIMPSE - 4) // 2 + 1) ** 2, _HIDDEN)
        self.enter, self.hidden = nn.Linear(known + _HIDDEN, _HIDDEN), nn.Linear(_HIDDEN, _HIDDEN)
        self.linear, self.leave = nn.Linear(known, numbers), nn.Linear(_HIDDEN, 2 * numbers)
        self.embed = nn.Linear(2 * numbers, dim)
        for layer in (self.linear, self.leave, self.embed):  # training starts at what is felt now
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.register_buffer("where", torch.zeros(2, numbers))
        self.register_buffer("offset", torch.zeros(2))
        self.register_buffer("centres", (torch.arange(grid) + 0.5) / grid * 2 - 1, persistent=False)

    def describe(self, where: Tensor, offset: Tensor) -> None:
        """Set where the body is seen: at where [2, M C] times the standardised numbers, plus offset [2]."""
        self.where.copy_(where)
        self.offset.copy_(offset)

    def place(self, tokens: Tensor) -> Tensor:
        """Where a body of standardised tokens [..., M, C] is seen, [..., 2]."""
        return tokens.flatten(-2) @ self.where.T + self.offset

    def maps(self, *tokens: Tensor) -> Tensor:
        """A bump on the grid of the video tokens for each of some bodies, each [R, M, C] -> [R, bodies, G, G]."""
        places = torch.stack([self.place(each) for each in tokens], 1)
        near = torch.exp((self.centres - places[..., None]).square() * (-((self.grid / 2) ** 2) / _BLUR))
        return near[:, :, 1, :, None] * near[:, :, 0, None, :]

    def condition(self, before: Tensor, now: Tensor) -> Tensor:
        """What the blocks and the transformer learn of bodies [..., M, C]: [..., D]."""
        learned: Tensor = self.embed(torch.cat([before.flatten(-2), now.flatten(-2)], -1))
        return learned

    def predict(
        self, recent: Tensor, pictures: Tensor, moves: Tensor, change: Tensor, noised: Tensor, tau: Tensor
    ) -> tuple[Tensor, Gaussian]:
        """What is felt in frames: tokens [R, M, C], and what was expected before the noised ones z were seen.

        With the mean m and variance v that are expected the prediction is the posterior mean of N(m, v) given
        z = tau x + (1 - tau) e, as that of the fine path: m + g (z - tau m), g = tau v / ((1 - tau)^2 + tau^2 v).

        Args:
            recent: what was felt in the frames before, newest last, [R, LAST_FRAMES, M, C].
            pictures: the last frames, newest last, [R, GLIMPSED c, H, W].
            moves: embedding of the action, [R, D].
            change: mean squared change a frame, [M, C].
            noised: [R, M, C].
            tau: [R].
        """
        last, unit = recent[:, -1], change.sqrt().clamp_min(_SMALLEST)
        known = torch.cat([recent.flatten(1), moves], 1)
        h = F.silu(self.enter(torch.cat([known, self._glimpsed(pictures, self.place(last))], 1)))
        moved, doubt = self.leave(F.silu(self.hidden(h))).float().chunk(2, 1)
        moved = (moved + self.linear(known).float()).view_as(last)
        doubt = doubt.clamp(-_LOGARITHM, _LOGARITHM).exp().view_as(last)
        mean, variance = last + unit * moved, unit.square() * doubt
        level = tau[:, None, None]
        gain = level * variance / ((1 - level).square() + level.square() * variance)
        return mean + gain * (noised - level * mean), Gaussian(mean, variance)

    def loss(
        self, prediction: Tensor, target: Tensor, prior: Gaussian, clean: Tensor, change: Tensor, weight: Tensor
    ) -> Tensor:
        """Squared error of the objective, and likelihood of what is truly felt, of each frame: [B, T].

        The likelihood's gradient is weighted by the standard deviation (Seitzer et al. 2022, arXiv:2203.09168, with
        beta = 1/2): otherwise numbers that are nearly sure take all of it.

        Args:
            prediction, target: standardised tokens, [B, T, M, C].
            prior: of `predict`.
            clean: the truth, [B, T, M, C].
            change: mean squared change a frame, [M, C].
            weight: of the squared error, [B, T].
        """
        unit = change.sqrt().clamp_min(_SMALLEST)
        variance = prior.variance / unit.square()
        nats = ((prior.mean - clean) / unit).square() / variance + variance.log() + _LOGARITHM
        likelihood = (nats * variance.detach().sqrt()).mean((2, 3)) / 2
        squared = weight * ((prediction - target) / unit).square().mean((2, 3))
        return (1 - _LIKELIHOOD) * squared + _LIKELIHOOD * likelihood

    def guided(self, dreamed: Tensor, truth: Tensor) -> Tensor:
        """What is felt in a dream, [B, M, C], with the truth where the body is felt elsewhere: clips stay near."""
        off = (self.place(dreamed) - self.place(truth)).abs().amax(-1)
        return torch.where((off > _OFF)[:, None, None], truth, dreamed)

    def _glimpsed(self, pictures: Tensor, places: Tensor) -> Tensor:
        """Features of what is seen about places [R, 2], of GLIMPSE x GLIMPSE pixels."""
        steps = (torch.arange(GLIMPSE, device=places.device) - (GLIMPSE - 1) / 2) * 2 / pictures.shape[-1]
        around = torch.stack(torch.meshgrid(steps, steps, indexing="ij")[::-1], -1)
        seen = F.grid_sample(
            pictures, places[:, None, None] + around, padding_mode="border", align_corners=False
        )  # fmt: skip
        return F.silu(self.gather(F.silu(self.glimpse(seen)).flatten(1)))


def to_tokens(body: Tensor, channels: int) -> Tensor:
    """What is felt as tokens, [..., P] -> [..., M, C], with zeros after the last number."""
    missing = -body.shape[-1] % channels
    return F.pad(body, (0, missing)).unflatten(-1, (-1, channels))
