"""A learned policy as a player in environments, many episodes side by side.

Layouts: E episodes side by side, N tokens a frame, C channels, D width of the agent's state.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from sensorium.agent.agent import Agent, Policy, pick
from sensorium.data.environment import Observation
from sensorium.generation.dream import Dreamer
from sensorium.generation.observations import ObservationEncoder


class PolicyPlayer:
    """Acts by a policy on the agent's state, which reads observed frames as it reads dreamed ones.

    Args:
        agent: on the device where it runs, in eval mode.
        policy: the cloned one, or the one that imagination trained.
        encoder: makes the tokens of observations, on the same device.
        rest: the action that is assumed to have led to the first frame.
        context_noise: noise share of the observed frames, as in dreams.
        seed: of that noise and of the sampled actions.
    """

    def __init__(
        self,
        agent: Agent,
        policy: Policy,
        encoder: ObservationEncoder,
        rest: np.ndarray,
        context_noise: float,
        seed: int,
    ) -> None:
        self._policy, self._encoder, self._rest = policy, encoder, rest
        self._device = agent.token.device
        self._generator = torch.Generator().manual_seed(seed)
        self._dreamer = Dreamer(agent.dynamics, context_noise=context_noise, seed=seed, agent=agent.token)

    def begin(self, observations: Sequence[Observation]) -> None:
        """Start the agent's memory with the first frames."""
        self._memory = self._encoder.remember()
        rest = torch.from_numpy(np.stack([self._rest] * len(observations))).to(self._device)
        self._dreamer.begin(self._encoder.step(self._memory, observations), rest[:, None])

    @torch.no_grad()
    def act(self) -> list[np.ndarray]:
        """An action for each episode, sampled from the policy after the newest frame."""
        read = self._dreamer.keep()
        assert read is not None
        log_chances = self._policy(read[:, 0])
        uniform = torch.rand(log_chances.shape[:-1], generator=self._generator).to(log_chances)
        return list(self._policy.code.decode(pick(log_chances, uniform)).cpu().numpy())

    def observe(self, observations: Sequence[Observation], actions: Sequence[np.ndarray]) -> None:
        """Add the newest frames to the agent's memory."""
        moves = torch.from_numpy(np.stack(actions)).to(self._device)
        self._dreamer.observe(self._encoder.step(self._memory, observations), moves)
