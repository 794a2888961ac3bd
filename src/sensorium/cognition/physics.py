"""Prior knowledge of physics as explicit geometry, with a learned trust and correction.

The prior has inertia, gravity, solidity and support: no body enters a wall or the floor; there it stops. A correction
learns the rest of the motion, and a trust learns in which contexts the law of gravity holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

LEAST, MOST, FIRST = 0.3, 1.0, 0.9  # trust: its bounds, and where it starts
STEPS = 24  # Euler steps of a prediction


@dataclass(frozen=True)
class Room:
    """The parameters of the laws in a room, in its own units and seconds.

    Attributes:
        low: smallest coordinate of a wall's surface, x and y alike.
        high: largest one; y points down, so the floor is at y = high.
        gravity: acceleration downwards.
        damping: share of velocity kept each second.
    """

    low: float
    high: float
    gravity: float
    damping: float

    def moves(self, position: Tensor, velocity: Tensor, size: Tensor, seconds: float, gravity: float) -> Tensor:
        """Displacements [..., 2] of bodies under inertia, solidity, support and the given gravity.

        Args:
            position: [..., 2], of the centres.
            velocity: [..., 2], units a second.
            size: [...], radii.
            seconds: time ahead.
            gravity: acceleration downwards.
        """
        dt, place, speed = seconds / STEPS, position, velocity
        pull = torch.tensor([0.0, gravity * dt])
        for _ in range(STEPS):
            speed = speed * self.damping**dt + pull
            wanted = place + speed * dt
            place = torch.minimum(torch.maximum(wanted, self.low + size[..., None]), self.high - size[..., None])
            speed = torch.where(place == wanted, speed, 0.0)  # a surface stops what moves into it
        return place - position

    def laws(self, position: Tensor, velocity: Tensor, size: Tensor, seconds: float) -> tuple[Tensor, Tensor]:
        """Displacement without gravity, and what gravity adds to it: two of [..., 2]."""
        free = self.moves(position, velocity, size, seconds, 0.0)
        return free, self.moves(position, velocity, size, seconds, self.gravity) - free


class Correction(nn.Module):
    """A network [B, inputs] -> [B, outputs] with a linear path around its hidden layer; zero before training."""

    def __init__(self, inputs: int, width: int, seed: int, outputs: int = 2) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.straight = nn.Linear(inputs, outputs)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in (self.last, self.straight):
                layer.weight.zero_()
                layer.bias.zero_()
            self.first.weight.copy_(inputs**-0.5 * torch.randn(self.first.weight.shape, generator=generator))
            self.first.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.last(torch.tanh(self.first(x))) + self.straight(x)


class Trust(nn.Module):
    """The trust in a law for each context: w = LEAST + (MOST - LEAST) sigmoid(theta . context + theta_0).

    [B, contexts], one-hot, -> [B, 1]. theta_0 is fixed by FIRST, theta starts at 0.
    """

    def __init__(self, contexts: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(contexts))
        share = (FIRST - LEAST) / (MOST - LEAST)
        self.start = math.log(share / (1 - share))

    def forward(self, context: Tensor) -> Tensor:
        """See the class."""
        return LEAST + (MOST - LEAST) * torch.sigmoid(context @ self.theta + self.start)[:, None]


class TrustedPrior(nn.Module):
    """free + w(context) law + (1 - w(context)) correction(state, context), with the trust w in [LEAST, MOST].

    If the correction's share (1 - w) correction is penalised, w is identified: it is the part of the law that holds.

    A context is one-hot. Besides the shared parameters, each context has its own trust and its own readout of the
    correction's hidden units; `OWN` names these parameters. If only they learn an exception, the rule stays as it was.
    """

    OWN = ("trust.theta", "readout")

    def __init__(self, inputs: int, contexts: int, width: int, seed: int) -> None:
        super().__init__()
        self.shared, self.trust = Correction(inputs, width, seed), Trust(contexts)
        self.readout = nn.Parameter(torch.zeros(contexts, width + inputs + 1, 2))

    def forward(self, free: Tensor, law: Tensor, state: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """The predicted displacement and the correction's share of it, both [B, 2].

        Args:
            free: [B, 2], displacement without the law.
            law: [B, 2], what the law adds.
            state: [B, inputs].
            context: [B, contexts].
        """
        trust = self.trust(context)
        features = torch.cat([torch.tanh(self.shared.first(state)), state, torch.ones_like(state[:, :1])], dim=1)
        own = torch.einsum("bc,bco->bo", context, torch.einsum("bf,cfo->bco", features, self.readout))
        share = (1 - trust) * (self.shared(state) + own)
        return free + trust * law + share, share
