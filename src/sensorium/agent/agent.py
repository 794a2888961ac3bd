"""The agent: learned tokens within the dynamics, and heads that predict actions, rewards, ends and values from them.

After Dreamer 4 (Hafner et al. 2025), section 3.3: agent tokens attend to all tokens of their frame and to their own
past; no other token attends to them.

The action a_t led to frame t and is among the tokens of frame t. So the agent's state h_t depends on a_t, and the
policy predicts the actions *after* it, a_{t+1}, a_{t+2}, ...; predicting a_t would be copying. Rewards are not among
the tokens: the reward of frame t, which a_t earned, is predicted from h_t.

Layouts: B windows, T frames, D width, N distances (in frames), P parts of an action, K bins of a part, C channels of a
token.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.agent.config import CloningConfig, ImaginationConfig
from sensorium.agent.scalars import BINS, expected_value, symexp_bins, two_hot
from sensorium.config import parse_section
from sensorium.generation.conditioning import Conditioning
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dynamics import Dynamics
from sensorium.models.layers import RMSNorm
from sensorium.models.load import Loadable

_ACTION_BINS = 11  # of a part of a continuous action, from -1 to 1


class ActionCode:
    """Actions as categories: a discrete action is one part; a continuous one has a part for each of its numbers.

    Bins represent distributions that a Gaussian cannot (two modes; commands at their limits), and their probabilities,
    entropies and divergences are exact sums.

    Args:
        action: {"kind": "continuous" | "discrete", "size": A} of the recordings.
    """

    def __init__(self, action: dict[str, Any]) -> None:
        self.continuous = action["kind"] == "continuous"
        self.parts = int(action["size"]) if self.continuous else 1
        self.bins = _ACTION_BINS if self.continuous else int(action["size"])

    def encode(self, action: Tensor) -> Tensor:
        """Actions [..., A] in [-1, 1] or int64 [...] -> weights of bins [..., P, K], whose means are the actions."""
        if not self.continuous:
            return F.one_hot(action, self.bins)[..., None, :].float()
        return two_hot(action, torch.linspace(-1, 1, self.bins, device=action.device))

    def decode(self, chosen: Tensor) -> Tensor:
        """Indices of bins int64 [..., P] -> actions as in recordings."""
        return chosen * (2 / (self.bins - 1)) - 1 if self.continuous else chosen[..., 0]


class Head(nn.Module):
    """One hidden layer, then an output layer for each distance, zero at first: a uniform distribution."""

    def __init__(self, dim: int, distances: int, outputs: int) -> None:
        super().__init__()
        self.shared = nn.Sequential(RMSNorm(dim, eps=1e-6), nn.Linear(dim, 2 * dim), nn.SiLU())
        self.distances = nn.ModuleList(_zero(nn.Linear(2 * dim, outputs)) for _ in range(distances))

    def forward(self, state: Tensor, distance: int = 0) -> Tensor:
        """States [..., D] -> logits [..., outputs] for one distance."""
        return self.distances[distance](self.shared(state)).float()


class Policy(Head):
    """Distributions of the coming actions; distance 0 is the next action, the only one that is executed."""

    def __init__(self, dim: int, distances: int, code: ActionCode) -> None:
        super().__init__(dim, distances, code.parts * code.bins)
        self.code = code

    def forward(self, state: Tensor, distance: int = 0) -> Tensor:
        """States [..., D] -> log-probabilities [..., P, K]."""
        logits = super().forward(state, distance)
        return logits.unflatten(-1, (self.code.parts, self.code.bins)).log_softmax(-1)


class Scalar(Head):
    """Predicts a real number at each distance, as a distribution over symexp bins."""

    bins: Tensor

    def __init__(self, dim: int, distances: int = 1) -> None:
        super().__init__(dim, distances, BINS)
        self.register_buffer("bins", symexp_bins(), persistent=False)

    def mean(self, state: Tensor, distance: int = 0) -> Tensor:
        """States [..., D] -> expected numbers [...]."""
        return expected_value(self(state, distance), self.bins)


class Agent(Loadable):
    """Dynamics with agent tokens, the policy cloned from recordings, and the predicted rewards.

    Args:
        config: its section.
        shapes: {"dynamics": {"config": section, "shapes": shapes}} of the dynamics that it starts from; and
            {"continues": True} if the recordings say where episodes end.
    """

    Config = CloningConfig
    kind = "clone"

    def __init__(self, config: CloningConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        before = shapes["dynamics"]
        section: DynamicsConfig = parse_section(DynamicsConfig, json.dumps(before["config"]))
        self.dynamics = Dynamics(section, before["shapes"])
        self.token = nn.Parameter(0.02 * torch.randn(1, self.dynamics.dim))
        self.code = ActionCode(before["shapes"]["action"])
        self.policy = Policy(self.dynamics.dim, config.distances, self.code)
        self.reward = Scalar(self.dynamics.dim, config.distances)
        self.continuation = Head(self.dynamics.dim, config.distances, 1) if shapes.get("continues") else None

    def forward(self, frames: Tensor, given: Conditioning) -> Tensor:
        """States of the agent [B, T, D] at frames [B, T, N, C], each noised to its own level (`Dynamics.watch`)."""
        return self.dynamics.watch(frames, given, self.token)[:, :, 0]

    def continuing(self, state: Tensor) -> Tensor:
        """Probability [...] that an episode does not end in a frame, from states [..., D]; 1 in endless worlds."""
        if self.continuation is None:
            return torch.ones(state.shape[:-1], device=state.device)
        return self.continuation(state)[..., 0].sigmoid()


class Actor(Loadable):
    """What imagination trains: a policy that starts as the cloned one, and the values of its states.

    Args:
        config: its section.
        shapes: {"dim": D, "distances": of the cloned policy, "action": as in the recordings}.
    """

    Config = ImaginationConfig
    kind = "agent"

    def __init__(self, config: ImaginationConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        self.policy = Policy(int(shapes["dim"]), int(shapes["distances"]), ActionCode(shapes["action"]))
        self.value = Scalar(int(shapes["dim"]))


def _zero(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def pick(log_chances: Tensor, uniform: Tensor) -> Tensor:
    """Sample bins int64 [..., P] from log-probabilities [..., P, K] by uniform numbers [..., P] in [0, 1)."""
    ends = log_chances.exp().cumsum(-1)
    return (ends < (uniform[..., None] * ends[..., -1:])).sum(-1)


def log_chance(log_chances: Tensor, chosen: Tensor) -> Tensor:
    """ln pi [...] of the bins int64 [..., P] under log-probabilities [..., P, K]; the parts are independent."""
    return log_chances.gather(-1, chosen[..., None])[..., 0].sum(-1)


def divergence(log_chances: Tensor, prior: Tensor) -> Tensor:
    """KL[pi || prior] [...] in nats, of log-probabilities [..., P, K]."""
    return (log_chances.exp() * (log_chances - prior)).sum((-2, -1))
