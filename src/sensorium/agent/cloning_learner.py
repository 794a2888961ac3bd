"""Behaviour cloning within the dynamics: predict the recorded player's next actions and rewards.

After Dreamer 4 (Hafner et al. 2025), equation 9. Layouts: B windows, T frames, M distances, N tokens, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.agent.agent import Agent
from sensorium.agent.config import CloningConfig
from sensorium.agent.scalars import code_loss
from sensorium.generation.conditioning import FINEST, Conditioning
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dynamics_learner import DynamicsLearner, tokens_of
from sensorium.generation.shortcut_forcing import context_signal, corrupt
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.randomness import Draw
from sensorium.training.collapse import mean_difference
from sensorium.training.learner import Audio, Batch, Gate, Image, Learner, Metrics
from sensorium.training.normalise import RunningScale

_SEEN = 0.9  # signal level of the input frames of the gates


class CloningLearner(Learner):
    """The loss of the dynamics, and the losses of the actions and rewards that the agent's states predict.

    Batches are those of the dynamics, with action [B, T + M, ...] and reward [B, T + M]. The agent reads the tokens of
    the first T frames, with the noise that dreamed frames have. From frame t it predicts the actions of frames t + 1 to
    t + M and the rewards of frames t to t + M - 1, and with continue [B, T + M] whether the episode goes on in these.
    Each distance has its own output layer and the same weight; what ends is weighted like what is earned.

    Args:
        agent: with the dynamics it starts from.
        config: its section.
        dynamics: the section of the dynamics, whose training continues.
        tokenizer: decodes tokens for pictures; it is neither trained nor exported.
    """

    def __init__(
        self, agent: Agent, config: CloningConfig, dynamics: DynamicsConfig, tokenizer: VideoTokenizer
    ) -> None:
        super().__init__()
        self.agent, self.frames, self.distances = agent, dynamics.long_frames, config.distances
        weights = {"dynamics": 1.0, "action": config.action_weight, "reward": config.reward_weight}
        if agent.continuation is not None:
            weights["continue"] = config.reward_weight
        self.scale = RunningScale(weights)
        # In a list, because the agent contains the dynamics already; the running scale of that learner stays at 1.
        self._dynamics = [DynamicsLearner(agent.dynamics, dynamics, tokenizer, trained=True)]
        self.observed = self.scale.names

    @property
    def model(self) -> Agent:
        """The agent, with its dynamics."""
        return self.agent

    def observe(self, metrics: Metrics) -> None:
        """Update the running scales of the terms."""
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
        if self.agent.continuation is not None:
            terms["continue"] = self.ends(states, batch).mean()
        metrics = {name: value.detach() for name, value in terms.items()}
        return self.scale(terms), metrics | {"action_next": action[0].detach(), "reward_now": reward[0].detach()}

    def losses(self, states: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Cross-entropies in nats at each distance: of actions, summed over their parts, and of rewards; [M] each."""
        agent, frames = self.agent, self.frames
        wanted, earned = agent.code.encode(batch["action"]), batch["reward"].float()
        actions, rewards = [], []
        for distance in range(self.distances):
            predicted = agent.policy(states, distance)
            actions.append(-(wanted[:, distance + 1 : distance + 1 + frames] * predicted).sum((-2, -1)).mean())
            code = agent.reward(states, distance)
            rewards.append(code_loss(code, earned[:, distance : distance + frames], agent.reward.bins).mean())
        return torch.stack(actions), torch.stack(rewards)

    def ends(self, states: Tensor, batch: Batch) -> Tensor:
        """Cross-entropies in nats of the episodes' going on, at each distance: [M]."""
        head, going, frames = self.agent.continuation, batch["continue"].float(), self.frames
        assert head is not None
        logits = [head(states, distance)[..., 0] for distance in range(self.distances)]
        losses = [
            F.binary_cross_entropy_with_logits(logit, going[:, distance : distance + frames])
            for distance, logit in enumerate(logits)
        ]
        return torch.stack(losses)

    def gates(self, batch: Batch) -> list[Gate]:
        """Predicted actions and states must differ between windows; the dynamics must pass their own gates."""
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
        """The dreams of the agent's dynamics."""
        return self._dynamics[0].show(self._shown(batch))

    def _shown(self, batch: Batch) -> Batch:
        """The batch, cut to the frames that the agent reads."""
        whole = ("index", "scene")  # fields of a window, not of its frames
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
        return self.agent(frames, Conditioning(tau, torch.full_like(tau, FINEST), shown["action"], scene=scene))
