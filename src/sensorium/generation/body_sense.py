"""The body sense in a dream: what will be felt, from what was felt, the action, and a glimpse of the picture there.

Each number moves freely, as the action says (`free_motion.py`), or something changes that:

    p(x) = (1 - g) N(x; f, s^2) + g N(x; f + u e, v)

with the free motion f between bounds, known from the recordings, the chance g that it is not, a correction e and a
variance v of a network, and the number's usual change u. So a correction is paid for, and what is felt does not drift
where nothing happens. Sight follows: maps of where the body is felt, and what is felt, enter the blocks of the fine
path.

The P numbers of the sense are a stream of M = ceil(P / C) tokens of C channels, zeros behind them (`to_tokens`).
Layouts: R frames that are predicted, G rows and columns of video tokens, c channels of a picture, D width of the
condition, A numbers of an action. tau is the signal level: 0 noise, 1 clean. Places are (x, y), from -1 to 1 across
the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.generation.config import GLIMPSE, GLIMPSED, LAST_FRAMES

_FEATURES = 16  # of the convolution of a glimpse
_HIDDEN = 64
_LOGARITHM = 6.0  # largest of a variance, of either sign, in units of the usual change
_SMALLEST = 0.01  # usual change of a number that hardly changes
_FREE = 0.3  # deviation of free motion, in units of the usual change
_HINDERED = -2.0  # logit of the chance that a number does not move freely, at the start
_CHARGE = 1.0  # for the chance that a number does not move freely, in nats
_LIKELIHOOD = 0.7  # share of the likelihood in the loss
_BLUR = 1.3  # of the maps, in squared tokens


class Expected(NamedTuple):
    """What is expected to be felt in frames, [..., M, C] each.

    Attributes:
        free: where the numbers move freely.
        changed: their mean where they do not.
        variance: of these.
        chance: logit of the chance that they do not.
        unit: usual change of each number.
    """

    free: Tensor
    changed: Tensor
    variance: Tensor
    chance: Tensor
    unit: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> Expected:
        """All tensors, each after a change of shape."""
        return Expected(*(function(part) for part in self))

    def seen(self, noised: Tensor, tau: Tensor, sharpness: float) -> Tensor:
        """The mean after noised numbers z = tau x + (1 - tau) e were seen, [R, M, C].

        Each of the two is weighed by its chance to the power of `sharpness` times N(z; tau m, r), with
        r = (1 - tau)^2 + tau^2 v; its own posterior mean is m + g (z - tau m), g = tau v / r, as in the fine path.

        Args:
            noised: z, [R, M, C].
            tau: [R].
            sharpness: 1 the mean of both, 4 about one of them.
        """
        level, means, odds = tau[:, None, None], [], []
        variances = (_FREE * self.unit).square(), self.variance
        for mean, variance, sign in zip((self.free, self.changed), variances, (-1, 1), strict=True):
            spread = (1 - level).square() + level.square() * variance
            means.append(mean + level * variance / spread * (noised - level * mean))
            evidence = -((noised - level * mean).square() / spread + spread.log()) / 2
            odds.append(sharpness * F.logsigmoid(sign * self.chance) + evidence)
        return torch.lerp(means[0], means[1], torch.sigmoid(odds[1] - odds[0]))

    def surprise(self, truth: Tensor) -> Tensor:
        """Negative log-likelihood of what is truly felt, less that of a free motion that was sure: 0 or more."""
        least, nats = (_FREE * self.unit).square(), []
        for mean, variance in ((self.free, least), (self.changed, self.variance)):
            nats.append(((truth - mean).square() / variance + (variance / least).log()) / 2)
        free, changed = F.logsigmoid(-self.chance) - nats[0], F.logsigmoid(self.chance) - nats[1]
        return -torch.logaddexp(free, changed)


class Felt(NamedTuple):
    """The body sense of frames.

    Attributes:
        tokens: standardised, [B, T, M, C]; of denoised frames as predicted, without gradient.
        before: those of the frame before each.
        predicted: tokens of the denoised frames, [B, T - keep, M, C].
        expected: of them before the noised ones were seen; None if no frame is denoised.
    """

    tokens: Tensor
    before: Tensor
    predicted: Tensor
    expected: Expected | None


class BodySense(nn.Module):
    """Predicts what is felt, and shows sight where.

    Args:
        tokens: M.
        channels: C.
        grid: G.
        colours: c.
        dim: D.
        action: A.
    """

    where: Tensor
    offset: Tensor
    step: Tensor
    bounds: Tensor
    centres: Tensor

    def __init__(self, tokens: int, channels: int, grid: int, colours: int, dim: int, action: int) -> None:
        super().__init__()
        self.tokens, self.grid, self.action = tokens, grid, action
        numbers = tokens * channels
        known = LAST_FRAMES * numbers + dim
        self.glimpse = nn.Conv2d(GLIMPSED * colours, _FEATURES, 4, stride=2)
        self.gather = nn.Linear(_FEATURES * ((GLIMPSE - 4) // 2 + 1) ** 2, _HIDDEN)
        self.enter, self.hidden = nn.Linear(known + _HIDDEN, _HIDDEN), nn.Linear(_HIDDEN, _HIDDEN)
        self.leave, self.embed = nn.Linear(_HIDDEN, 3 * numbers), nn.Linear(2 * numbers, dim)
        for layer in (self.leave, self.embed):  # training starts at free motion
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.leave.bias[2 * numbers :] = _HINDERED
        self.register_buffer("where", torch.zeros(2, numbers))
        self.register_buffer("offset", torch.zeros(2))
        still = torch.zeros(numbers, action + 2)
        still[:, 0] = 1
        self.register_buffer("step", still)
        self.register_buffer("bounds", torch.tensor([[-1e6], [1e6]]).repeat(1, numbers))
        self.register_buffer("centres", (torch.arange(grid) + 0.5) / grid * 2 - 1, persistent=False)

    def describe(self, where: Tensor, offset: Tensor) -> None:
        """Set where the body is seen: at where [2, M C] times the standardised numbers, plus offset [2]."""
        self.where.copy_(where)
        self.offset.copy_(offset)

    def describe_motion(self, step: Tensor, bounds: Tensor) -> None:
        """Set the free motion of standardised numbers.

        Args:
            step: each number's next value from the number, the action and 1, [M C, A + 2].
            bounds: least and largest value, [2, M C].
        """
        self.step.copy_(step)
        self.bounds.copy_(bounds)

    def free(self, last: Tensor, commands: Tensor) -> Tensor:
        """What is felt after `last` [R, M, C] and actions [R, A] where nothing hinders it, [R, M, C]."""
        numbers = last.flatten(1)
        moved = numbers * self.step[:, 0] + commands @ self.step[:, 1:-1].T + self.step[:, -1]
        return self.bounded(moved.view_as(last))

    def bounded(self, tokens: Tensor) -> Tensor:
        """Tokens [..., M, C] between the least and the largest that was felt."""
        low, high = self.bounds.view(2, *tokens.shape[-2:])
        return torch.maximum(torch.minimum(tokens, high), low)

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
        self,
        recent: Tensor,
        pictures: Tensor,
        led: Tensor,
        change: Tensor,
        noised: Tensor,
        tau: Tensor,
        sharpness: float = 1.0,
    ) -> tuple[Tensor, Expected]:
        """What is felt in frames: tokens [R, M, C], and what was expected before the noised ones were seen.

        Args:
            recent: what was felt in the frames before, newest last, [R, LAST_FRAMES, M, C].
            pictures: the last frames, newest last, [R, GLIMPSED c, H, W].
            led: embedding of the action, and the action itself, [R, D + A].
            change: mean squared change a frame, [M, C].
            noised: [R, M, C].
            tau: [R].
            sharpness: as for `Expected.seen`.
        """
        last, unit = recent[:, -1], change.sqrt().clamp_min(_SMALLEST)
        moves, commands = led.split([led.shape[1] - self.action, self.action], dim=1)
        known = torch.cat([recent.flatten(1), moves], 1)
        h = F.silu(self.enter(torch.cat([known, self._glimpsed(pictures, self.place(last))], 1)))
        made = self.leave(F.silu(self.hidden(h))).float().unflatten(1, (3, *last.shape[1:]))
        correction, doubt, chance = made.unbind(1)
        free = self.free(last, commands)
        variance = unit.square() * (_FREE**2 + doubt.clamp(-_LOGARITHM, _LOGARITHM).exp())
        expected = Expected(free, free + unit * correction, variance, chance, unit.expand_as(free))
        return self.bounded(expected.seen(noised, tau, sharpness)), expected

    def loss(self, prediction: Tensor, target: Tensor, expected: Expected, clean: Tensor, weight: Tensor) -> Tensor:
        """Squared error of the objective, likelihood of what is felt, and cost of changes, of each frame: [B, T].

        Args:
            prediction, target: standardised tokens, [B, T, M, C].
            expected: of `predict`.
            clean: the truth, [B, T, M, C].
            weight: of the squared error, [B, T].
        """
        squared = weight * ((prediction - target) / expected.unit).square().mean((2, 3))
        charge = _CHARGE * torch.sigmoid(expected.chance).mean((2, 3))
        return (1 - _LIKELIHOOD) * squared + _LIKELIHOOD * expected.surprise(clean).mean((2, 3)) + charge

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
