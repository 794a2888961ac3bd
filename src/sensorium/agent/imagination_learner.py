"""Imagination training: the policy acts in dreams and is moved towards what earned more than was expected.

Only the policy and the value are trained; the dynamics, the agent's tokens and the rewards are frozen. Layouts: B
dreams, one a context, H dreamed frames, P parts of an action, K bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sensorium.agent.agent import Actor, Agent, divergence, log_chance, pick
from sensorium.agent.config import ImaginationConfig
from sensorium.agent.reinforcement import lambda_returns, preference_loss
from sensorium.agent.scalars import code_loss
from sensorium.generation.dream import Dreamer
from sensorium.generation.dynamics_learner import tokens_of
from sensorium.randomness import Draw
from sensorium.training.learner import Batch, CoupledLearner, Gate, Metrics

_WATCHED = 16  # contexts that the gates look at


@dataclass(frozen=True)
class Dream:
    """What was lived through in dreams.

    Attributes:
        states: of the agent at frames 0 to H, 0 being the last true one: [B, H + 1, D].
        chosen: bins of the actions that led to frames 1 to H, int64 [B, H, P].
        rewards: told at frames 1 to H, [B, H].
    """

    states: Tensor
    chosen: Tensor
    rewards: Tensor


class ImaginationLearner(CoupledLearner):
    """PMPO on lambda-returns, and the value's code of these returns.

    Batches: those of the dynamics, T context frames of each. The loss couples rows, for good and bad actions are
    averaged over all dreams of a batch.

    Args:
        actor: its policy equal to the agent's.
        agent: frozen; it is neither trained nor exported.
        config: its section.
    """

    def __init__(self, actor: Actor, agent: Agent, config: ImaginationConfig) -> None:
        super().__init__()
        self.actor, self.config = actor, config
        self._agent = [agent.eval().requires_grad_(False)]  # in a list, so that it is no part of the learner's state

    @property
    def model(self) -> Actor:
        """Policy and value."""
        return self.actor

    @torch.no_grad()
    def imagine(self, batch: Batch, draw: Draw) -> Dream:
        """Act in dreams by the policy as it stands."""
        config, policy = self.config, self.actor.policy
        agent = self._agent[0].to(draw.device)
        dreamer = Dreamer(
            agent.dynamics, denoising_steps=config.denoising_steps, context_noise=config.context_noise, seed=draw,
            agent=agent.token,
        )  # fmt: skip
        dreamer.begin(tokens_of(batch), batch["action"])
        states, chosen = [_seen(dreamer)], []
        for step in range(config.horizon):
            chances = policy(states[-1])
            chosen.append(pick(chances, draw.uniform(f"action {step}", chances.shape[-2])))
            dreamer.step(policy.code.decode(chosen[-1]))
            states.append(_seen(dreamer))
        lived = torch.stack(states, dim=1)
        return Dream(lived, torch.stack(chosen, dim=1), agent.reward.mean(lived[:, 1:]))

    def embed(self, batch: Batch, draw: Draw) -> Tensor:
        """For each dreamed action: ln pi, advantage, KL from the prior, loss of the value, return: [B, H, 5]."""
        dream = self.imagine(batch, draw)
        acting, value = dream.states[:, :-1], self.actor.value
        with torch.no_grad():
            values = value.mean(dream.states)
            certain = torch.ones_like(dream.rewards)  # episodes end by the clock alone, which nobody sees
            returns = lambda_returns(dream.rewards, values, certain, self.config.discount, self.config.mixing)
            prior = self._agent[0].policy(acting)
        chances = self.actor.policy(acting)
        columns = [
            log_chance(chances, dream.chosen),
            returns - values[:, :-1],
            divergence(chances, prior),
            code_loss(value(acting), returns, value.bins),
            returns,
        ]
        return torch.stack(columns, dim=-1)

    def couple(self, embeddings: Tensor, draw: Draw) -> tuple[Tensor, Metrics]:
        """PMPO over all dreams of the batch, and the value's cross-entropy."""
        chance, advantage, distance, surprise, returns = embeddings.unbind(-1)
        policy = preference_loss(chance, advantage.detach(), distance, self.config.balance, self.config.prior_weight)
        loss = policy + surprise.mean()
        watched = {
            "policy": policy, "value": surprise.mean(), "divergence": distance.mean(), "return": returns.mean(),
            "good": (advantage >= 0).float().mean(), "advantage": advantage.abs().mean(),
        }  # fmt: skip
        return loss, {name: value.detach() for name, value in watched.items()}

    def gates(self, batch: Batch) -> list[Gate]:
        """The policy must not have shrunk to one action, whatever it sees; values must depend on what is seen."""
        few = {name: value[:_WATCHED] for name, value in batch.items()}
        rows = len(tokens_of(few))
        states = self.imagine(few, Draw(0, 0, 0, rows, rows, tokens_of(few).device)).states
        chances = self.actor.policy(states)
        entropy = -(chances.exp() * chances).sum((-2, -1)).mean()
        return [
            Gate("policy_entropy", float(entropy), 0.02, "a higher prior_weight, or a lower learning rate"),
            Gate("value_deviation", float(self.actor.value.mean(states).std()), 1e-4, "more steps"),
        ]


def _seen(dreamer: Dreamer) -> Tensor:
    """What the agent read in the newest frame, [B, D]."""
    read = dreamer.keep()
    assert read is not None
    return read[:, 0]
