"""Behaviour cloning within the dynamics: what the recorded player did next, and what it earned.

Layouts: B windows, T frames, M coming frames, N tokens, C channels. Dreamer 4 (Hafner et al. 2025), equation 9.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sensorium.config import CloningConfig, DynamicsConfig
from sensorium.models.agent import Agent
from sensorium.models.dynamics import FINEST, Conditioning
from sensorium.models.scalars import code_loss
from sensorium.models.tokenizers import VideoTokenizer
from sensorium.objectives.collapse import mean_difference
from sensorium.objectives.forcing import DynamicsLearner, context_signal, corrupt, tokens_of
from sensorium.objectives.learner import Audio, Batch, Gate, Image, Learner, Metrics
from sensorium.objectives.normalise import RunningScale
from sensorium.randomness import Draw

_SEEN = 0.9  # signal level at which gates look


class CloningLearner(Learner):
    """Loss of the dynamics as before, and of the actions and rewards told by agent tokens that read what dreams show.

    Batches are those of the dynamics with action [B, T + M, ...] and reward [B, T + M], M the distances: the tokens of
    the last M frames are never shown to the agent, what was done and earned in them is told. From frame t the agent
    tells the actions of frames t + 1 to t + M and the rewards of frames t to t + M - 1; each distance has a layer
    of its own, and each gets its share of the loss.

    Args:
        agent: with the dynamics it starts from.
        config: its section.
        dynamics: the section of the dynamics, whose loss is kept on.
        tokenizer: decodes tokens for pictures; it is neither trained nor exported.
    """

    def __init__(
        self, agent: Agent, config: CloningConfig, dynamics: DynamicsConfig, tokenizer: VideoTokenizer
    ) -> None:
        super().__init__()
        self.agent, self.frames, self.distances = agent, dynamics.long_frames, config.distances
        self.scale = RunningScale({"dynamics": 1.0, "action": config.action_weight, "reward": config.reward_weight})
        # In a list, for the agent holds the dynamics already. A learner of their own keeps their running scale at 1.
        self._dynamics = [DynamicsLearner(agent.dynamics, dynamics, tokenizer)]
        self.observed = self.scale.names

    @property
    def model(self) -> Agent:
        """The agent with its dynamics."""
        return self.agent

    def observe(self, metrics: Metrics) -> None:
        """Keep the terms on one scale."""
        self.scale.observe(metrics)

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        shown = self._shown(batch)
        dynamics, _ = self._dynamics[0](shown, draw)
        clean = self.agent.dynamics.standardise(tokens_of(shown))
        signal = context_signal(draw, self.frames)
        read = corrupt(clean, draw.normal("agent", *clean.shape[1:]), signal)
        states = self._watch(read, signal, shown)
        action, reward = self.losses(states, batch)
        terms = {"dynamics": dynamics, "action": action.mean(), "reward": reward.mean()}
        metrics = {name: value.detach() for name, value in terms.items()}
        return self.scale(terms), metrics | {"action_next": action[0].detach(), "reward_now": reward[0].detach()}

    def losses(self, states: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Cross-entropies in nats at each distance, [M] each: of the actions' parts (summed), of the rewards' codes."""
        agent, frames = self.agent, self.frames
        wanted, earned = agent.code.encode(batch["action"]), batch["reward"].float()
        actions, rewards = [], []
        for distance in range(self.distances):
            told = agent.policy(states, distance)
            actions.append(-(wanted[:, distance + 1 : distance + 1 + frames] * told).sum((-2, -1)).mean())
            code = agent.reward(states, distance)
            rewards.append(code_loss(code, earned[:, distance : distance + frames], agent.reward.bins).mean())
        return torch.stack(actions), torch.stack(rewards)

    def gates(self, batch: Batch) -> list[Gate]:
        """What is told must differ between windows; the dynamics must still dream."""
        shown = self._shown(batch)
        states = self._states(shown)
        advice = "a lower learning rate, or more steps"
        chances = self.agent.policy(states).exp()
        return [
            Gate("policy_difference", mean_difference(chances[:, -1].flatten(1)), 0.01, advice),
            Gate("state_difference", mean_difference(states[:, -1]), 0.05, advice),
            *self._dynamics[0].gates(shown),
        ]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """The dreams of the dynamics within."""
        return self._dynamics[0].show(self._shown(batch))

    def _shown(self, batch: Batch) -> Batch:
        """The frames that the dynamics may see."""
        whole = ("index", "scene")  # of a window, not of its frames
        return {name: value if name in whole else value[:, : self.frames] for name, value in batch.items()}

    def _states(self, shown: Batch) -> Tensor:
        clean = self.agent.dynamics.standardise(tokens_of(shown))
        noise = torch.randn(clean.shape[1:], generator=torch.Generator().manual_seed(0)).to(clean).expand_as(clean)
        tau = torch.full(clean.shape[:2], _SEEN, device=clean.device)
        noised = corrupt(clean, noise, tau)
        return self._watch(noised, tau, shown)

    def _watch(self, frames: Tensor, tau: Tensor, shown: Batch) -> Tensor:
        """States of the agent, [B, T, D], at frames [B, T, N, C] of signal levels tau [B, T]."""
        scene = self.agent.dynamics.encode_scene(shown["scene"])
        return self.agent(frames, Conditioning(tau, torch.full_like(tau, FINEST), shown["action"], scene=scene))[1]
