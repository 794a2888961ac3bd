"""The agent: learned tokens that watch the dynamics, and what is read from them: actions, rewards, values.

Layouts: B windows, T frames, D width, N distances, P parts of an action, K bins a part. Dreamer 4 (Hafner et al. 2025),
section 3.3: agent tokens see all of their frame and their own past, no other token sees them.

On time: the action a_t led to frame t and is among the tokens of frame t. So the state h_t of the agent knows a_t, and
the policy tells the actions *after* it, a_{t+1}, a_{t+2}, ...; telling a_t would be copying. Rewards are no tokens: the
reward of frame t itself is told from h_t, so it is that of the action which was really taken.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.config import CloningConfig, DynamicsConfig, ImaginationConfig, parse_section
from sensorium.models.dynamics import Conditioning, Dynamics
from sensorium.models.layers import RMSNorm
from sensorium.models.scalars import BINS, expectation, symexp_bins, two_hot

_ACTION_BINS = 11  # a part of a continuous action, from -1 to 1


class ActionCode:
    """Actions as categories: a discrete action is one, a continuous one has a part for each of its numbers.

    Bins can hold what a Gaussian cannot (a hand that goes left or right around a thing, commands at their limit), and
    their chances, entropies and divergences are exact sums.

    Args:
        action: {"kind": "continuous" | "discrete", "size": A} of the recordings.
    """

    def __init__(self, action: dict[str, Any]) -> None:
        self.continuous = action["kind"] == "continuous"
        self.parts = int(action["size"]) if self.continuous else 1
        self.bins = _ACTION_BINS if self.continuous else int(action["size"])

    def encode(self, action: Tensor) -> Tensor:
        """Actions [..., A] in [-1, 1] or int64 [...] -> weights of bins [..., P, K]; their means are the actions."""
        if not self.continuous:
            return F.one_hot(action, self.bins)[..., None, :].float()
        return two_hot(action, torch.linspace(-1, 1, self.bins, device=action.device))

    def decode(self, chosen: Tensor) -> Tensor:
        """Numbers of bins int64 [..., P] -> actions, as they are recorded."""
        return chosen * (2 / (self.bins - 1)) - 1 if self.continuous else chosen[..., 0]


class Head(nn.Module):
    """One hidden layer, then an output layer for each distance; all of them zero at first, so even chances."""

    def __init__(self, dim: int, distances: int, outputs: int) -> None:
        super().__init__()
        self.shared = nn.Sequential(RMSNorm(dim, eps=1e-6), nn.Linear(dim, 2 * dim), nn.SiLU())
        self.distances = nn.ModuleList(_zero(nn.Linear(2 * dim, outputs)) for _ in range(distances))

    def forward(self, state: Tensor, distance: int = 0) -> Tensor:
        """States [..., D] -> logits [..., outputs] of what lies at one distance."""
        return self.distances[distance](self.shared(state)).float()


class Policy(Head):
    """Chances of the coming actions: distance 0 is the next one, the only one that is ever played."""

    def __init__(self, dim: int, distances: int, code: ActionCode) -> None:
        super().__init__(dim, distances, code.parts * code.bins)
        self.code = code

    def forward(self, state: Tensor, distance: int = 0) -> Tensor:
        """States [..., D] -> log-chances [..., P, K]."""
        logits = super().forward(state, distance)
        return logits.unflatten(-1, (self.code.parts, self.code.bins)).log_softmax(-1)


class Scalar(Head):
    """A real number at each distance, as a code over symexp bins."""

    bins: Tensor

    def __init__(self, dim: int, distances: int = 1) -> None:
        super().__init__(dim, distances, BINS)
        self.register_buffer("bins", symexp_bins(), persistent=False)

    def mean(self, state: Tensor, distance: int = 0) -> Tensor:
        """States [..., D] -> expected numbers [...]."""
        return expectation(self(state, distance), self.bins)


class Agent(nn.Module):
    """Dynamics with an agent in them, the policy and the rewards that were cloned from recordings.

    Args:
        config: its section.
        shapes: {"dynamics": {"config": its section, "shapes": its shapes}}: what the dynamics were before.
    """

    def __init__(self, config: CloningConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        before = shapes["dynamics"]
        section: DynamicsConfig = parse_section(DynamicsConfig, json.dumps(before["config"]))
        self.dynamics = Dynamics(section, before["shapes"])
        self.token = nn.Parameter(0.02 * torch.randn(1, self.dynamics.dim))
        self.code = ActionCode(before["shapes"]["action"])
        self.policy = Policy(self.dynamics.dim, config.distances, self.code)
        self.reward = Scalar(self.dynamics.dim, config.distances)

    def forward(self, frames: Tensor, given: Conditioning) -> tuple[Tensor, Tensor]:
        """Predict frames as `Dynamics.denoise` does: clean tokens [B, T, N, C], and states of the agent [B, T, D]."""
        tokens, states = self.dynamics.denoise(frames, given, agent=self.token)
        return tokens, states[:, :, 0]


class Actor(nn.Module):
    """What imagination trains: a policy that starts as the cloned one, and the value of its states.

    Args:
        config: its section.
        shapes: {"dim": D, "distances": of the cloned policy, "action": as in the recordings}.
    """

    def __init__(self, config: ImaginationConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        self.policy = Policy(int(shapes["dim"]), int(shapes["distances"]), ActionCode(shapes["action"]))
        self.value = Scalar(int(shapes["dim"]))


def _zero(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def pick(log_chances: Tensor, uniform: Tensor) -> Tensor:
    """Draw from log-chances [..., P, K] by uniform numbers [..., P] in [0, 1): int64 [..., P]."""
    ends = log_chances.exp().cumsum(-1)
    return (ends < (uniform[..., None] * ends[..., -1:])).sum(-1)


def log_chance(log_chances: Tensor, chosen: Tensor) -> Tensor:
    """ln pi of the bins int64 [..., P] under [..., P, K]: the parts are independent, [...]."""
    return log_chances.gather(-1, chosen[..., None])[..., 0].sum(-1)


def divergence(log_chances: Tensor, prior: Tensor) -> Tensor:
    """KL[pi || prior] of log-chances [..., P, K], in nats: [...]."""
    return (log_chances.exp() * (log_chances - prior)).sum((-2, -1))
