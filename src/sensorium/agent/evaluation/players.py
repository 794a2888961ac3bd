"""Policies at play in real environments, many episodes side by side.

Layouts: E episodes side by side, T frames, N tokens, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
import torch

from sensorium.agent.agent import Agent, Policy, pick
from sensorium.data.environment import Environment, Observation
from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.dream import Dreamer
from sensorium.generation.tokenizers import VideoTokenizer


class Player(Protocol):
    """Somebody who acts in E environments at once."""

    def begin(self, observations: Sequence[Observation]) -> None:
        """See the first frame of every episode."""

    def act(self, environments: Sequence[Environment]) -> list[np.ndarray]:
        """An action for each; a dreamer does not look into the environments, a script does."""

    def see(self, observations: Sequence[Observation], actions: Sequence[np.ndarray]) -> None:
        """See what the actions led to."""


def play(environments: Sequence[Environment], player: Player, numbers: Sequence[int]) -> np.ndarray:
    """Play an episode in each environment, to its end; all last equally long.

    Args:
        environments: E of them.
        player: who acts.
        numbers: of the episodes, E.

    Returns:
        rewards float64 [E, T].
    """
    pairs = zip(environments, numbers, strict=True)
    observations, earned = [environment.reset(number) for environment, number in pairs], []
    player.begin(observations)
    while not observations[0].done:
        actions = player.act(environments)
        observations = [world.step(action) for world, action in zip(environments, actions, strict=True)]
        earned.append([observation.reward for observation in observations])
        player.see(observations, actions)
    return np.array(earned).T


class Script:
    """Does what the environment says: the habit of the recordings, or the expert's choice."""

    def __init__(self, which: Literal["habit", "expert"]) -> None:
        self._which = which

    def begin(self, observations: Sequence[Observation]) -> None:
        """Nothing is needed of the first frame."""

    def act(self, environments: Sequence[Environment]) -> list[np.ndarray]:
        """What each environment's own player would do."""
        return [getattr(environment, self._which)() for environment in environments]

    def see(self, observations: Sequence[Observation], actions: Sequence[np.ndarray]) -> None:
        """Nothing is remembered."""


class Random:
    """Any action, all alike.

    Args:
        action: {"kind", "size"} of the recordings.
        seed: of the actions.
    """

    def __init__(self, action: dict[str, Any], seed: int) -> None:
        self._action, self._rng = action, np.random.default_rng(seed)

    def begin(self, observations: Sequence[Observation]) -> None:
        """Nothing is needed of the first frame."""

    def act(self, environments: Sequence[Environment]) -> list[np.ndarray]:
        """An action for each environment."""
        count, size = len(environments), int(self._action["size"])
        if self._action["kind"] == "discrete":
            return list(self._rng.integers(size, size=count))
        return list(self._rng.uniform(-1, 1, (count, size)).astype(np.float32))

    def see(self, observations: Sequence[Observation], actions: Sequence[np.ndarray]) -> None:
        """Nothing is remembered."""


class Senses:
    """Tokens of what is observed, frame after frame: of the picture and, where the dynamics dream of it, of the sound.

    Args:
        sight: tokenizer of the frames.
        hearing: tokenizer of their sound, on the same device; None: only sight.
    """

    def __init__(self, sight: VideoTokenizer, hearing: AudioTokenizer | None = None) -> None:
        self._sight, self._hearing = sight, hearing
        self.begin()

    def begin(self) -> None:
        """Forget what was seen and heard: episodes begin."""
        self._seen = self._sight.remember()
        self._heard: list[torch.Tensor] = []  # the sounds, [E, S] each, on which the next ones' tokens depend

    @torch.no_grad()
    def tokens(self, observations: Sequence[Observation], device: torch.device) -> torch.Tensor:
        """Tokens of the next frame of every episode, [E, 1, N, C]."""
        frames = torch.from_numpy(np.stack([observation.frame for observation in observations])).to(device)
        streams = [self._sight.encode(to_images(frames)[:, None], memory=self._seen)]
        if self._hearing is not None:
            sounds = torch.from_numpy(np.stack([observation.sound for observation in observations])).to(device)
            self._heard = [*self._heard, to_sounds(sounds)][-self._hearing.past - 1 :]
            streams.append(self._hearing.encode(torch.cat(self._heard, dim=1))[:, -1:])
        return torch.cat(streams, dim=2)


class Watcher:
    """Acts by a policy that reads the agent's state, as it does in dreams, but of true frames.

    Args:
        agent: on the device where it is to run, in eval mode.
        policy: the cloned one, or what imagination made of it.
        senses: on the same device.
        rest: the action that is taken to have led to the first frame.
        context_noise: noise share of frames that were seen, as in dreams.
        seed: of that noise and of the actions drawn.
    """

    def __init__(
        self, agent: Agent, policy: Policy, senses: Senses, rest: np.ndarray, context_noise: float, seed: int
    ) -> None:
        self._policy, self._senses, self._rest = policy, senses, rest
        self._device = agent.token.device
        self._generator = torch.Generator().manual_seed(seed)
        self._dreamer = Dreamer(agent.dynamics, context_noise=context_noise, seed=seed, agent=agent.token)

    def begin(self, observations: Sequence[Observation]) -> None:
        """A memory of the first frame."""
        self._senses.begin()
        rest = torch.from_numpy(np.stack([self._rest] * len(observations))).to(self._device)
        self._dreamer.begin(self._senses.tokens(observations, self._device), rest[:, None])

    @torch.no_grad()
    def act(self, environments: Sequence[Environment]) -> list[np.ndarray]:
        """Drawn from the policy's chances after the newest frame."""
        read = self._dreamer.keep()
        assert read is not None
        chances = self._policy(read[:, 0])
        uniform = torch.rand(chances.shape[:-1], generator=self._generator).to(chances)
        return list(self._policy.code.decode(pick(chances, uniform)).cpu().numpy())

    def see(self, observations: Sequence[Observation], actions: Sequence[np.ndarray]) -> None:
        """Take in the newest frame."""
        moves = torch.from_numpy(np.stack(actions)).to(self._device)
        self._dreamer.observe(self._senses.tokens(observations, self._device), moves)
