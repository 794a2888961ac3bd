"""Imagination training: the policy acts in dreams and learns from the sign of the advantages of its actions.

Only the policy and the value are trained; the dynamics, the agent's tokens and the reward head are frozen.

Layouts: B dreams, one for each context, H dreamed frames, D width, P parts of an action, K bins.
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
from sensorium.models.precision import in_float32
from sensorium.randomness import Draw
from sensorium.training.learner import Batch, CoupledLearner, Gate, Metrics

_WATCHED = 16  # contexts of the gates


@dataclass(frozen=True)
class ImaginedEpisodes:
    """Dreamed episodes.

    Attributes:
        states: of the agent at frames 0 to H, where frame 0 is the last true one, [B, H + 1, D].
        chosen: bins of the actions that led to frames 1 to H, int64 [B, H, P].
        rewards: predicted at frames 1 to H, [B, H].
        continuation: predicted probability that the episode does not terminate in frames 1 to H, [B, H].
    """

    states: Tensor
    chosen: Tensor
    rewards: Tensor
    continuation: Tensor


class ImaginationLearner(CoupledLearner):
    """PMPO on lambda-returns for the policy, and the cross-entropy of these returns for the value.

    Batches are those of the dynamics, with the frames of the context. The loss couples rows, because it averages over
    the good actions and over the bad actions of a whole batch.

    Args:
        actor: its policy starts equal to the agent's.
        agent: frozen, and not exported.
        config: its section.
    """

    def __init__(self, actor: Actor, agent: Agent, config: ImaginationConfig) -> None:
        super().__init__()
        self.actor, self.config = actor, config
        self._agent = [agent.eval().requires_grad_(False)]  # in a list, so that the learner's state excludes it

    @property
    def model(self) -> Actor:
        """Policy and value."""
        return self.actor

    @torch.no_grad()
    def imagine(self, batch: Batch, draw: Draw) -> ImaginedEpisodes:
        """Act in dreams by the current policy."""
        config, policy = self.config, self.actor.policy
        agent = self._agent[0].to(draw.device)
        dreamer = Dreamer(
            agent.dynamics,
            denoising_steps=config.denoising_steps,
            context_noise=config.context_noise,
            seed=draw,
            agent=agent.token,
        )
        dreamer.begin(tokens_of(batch), batch["action"])
        states, chosen = [_newest_state(dreamer)], []
        for step in range(config.horizon):
            log_chances = policy(states[-1])
            chosen.append(pick(log_chances, draw.uniform(f"action {step}", log_chances.shape[-2])))
            dreamer.step(policy.code.decode(chosen[-1]))
            states.append(_newest_state(dreamer))
        stacked = torch.stack(states, dim=1)
        dreamed = stacked[:, 1:]
        actions, rewards = torch.stack(chosen, dim=1), agent.reward.mean(dreamed)
        return ImaginedEpisodes(stacked, actions, rewards, agent.continuing(dreamed))

    def embed(self, batch: Batch, draw: Draw) -> Tensor:
        """For each imagined action: ln pi, advantage, KL from the prior, loss of the value, return: [B, H, 5]."""
        episodes = self.imagine(batch, draw)
        acting, value = episodes.states[:, :-1], self.actor.value
        with torch.no_grad():
            values = value.mean(episodes.states)
            going = episodes.continuation  # an end by a time limit is none: no state contains how late it is
            returns = lambda_returns(episodes.rewards, values, going, self.config.discount, self.config.mixing)
            prior = self._agent[0].policy(acting)
        log_chances = self.actor.policy(acting)
        columns = [
            log_chance(log_chances, episodes.chosen),
            returns - values[:, :-1],
            divergence(log_chances, prior),
            code_loss(value(acting), returns, value.bins),
            returns,
        ]
        return torch.stack(columns, dim=-1)

    @in_float32
    def couple(self, embeddings: Tensor, draw: Draw) -> tuple[Tensor, Metrics]:
        """PMPO over all imagined episodes of the batch, and the cross-entropy of the value."""
        chance, advantage, distance, value, returns = embeddings.unbind(-1)
        policy = preference_loss(chance, advantage.detach(), distance, self.config.balance, self.config.prior_weight)
        metrics = {
            "policy": policy,
            "value": value.mean(),
            "divergence": distance.mean(),
            "return": returns.mean(),
            "good": (advantage >= 0).float().mean(),
            "advantage": advantage.abs().mean(),
        }
        return policy + value.mean(), {name: metric.detach() for name, metric in metrics.items()}

    def gates(self, batch: Batch) -> list[Gate]:
        """The policy must not have collapsed to one action; values must differ between states."""
        few = {name: value[:_WATCHED] for name, value in batch.items()}
        rows = len(tokens_of(few))
        states = self.imagine(few, Draw(0, 0, 0, rows, rows, tokens_of(few).device)).states
        log_chances = self.actor.policy(states)
        entropy = -(log_chances.exp() * log_chances).sum((-2, -1)).mean()
        return [
            Gate("policy_entropy", float(entropy), 0.02, "a higher prior_weight, or a lower learning rate"),
            Gate("value_std", float(self.actor.value.mean(states).std()), 1e-4, "more steps"),
        ]


def _newest_state(dreamer: Dreamer) -> Tensor:
    """The agent's state at the newest frame, [B, D]."""
    read = dreamer.keep()
    assert read is not None
    return read[:, 0]
