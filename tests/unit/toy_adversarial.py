"""Toy models with a critic: points of 25 Gaussians, and sounds; run as a program, a slow training, to be killed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from toys import main

from sensorium.config import AdversarialTraining, CriticTraining, Section
from sensorium.config.critic import RivalryConfig, SoundCriticConfig
from sensorium.data.sample_formats import to_sounds
from sensorium.models.critics import Critic, Opinion, SoundCritic
from sensorium.models.load import Loadable
from sensorium.randomness import Draw
from sensorium.training.adversarial import critic_gates, hear, rivalry
from sensorium.training.learner import Batch, Gate, Learner, Metrics

GRID = torch.cartesian_prod(torch.arange(-2.0, 3), torch.arange(-2.0, 3))  # [25, 2]
START, EVERY = 3, 2


class DuelConfig(Section):
    """Settings of the toy stage with a critic."""

    width: int = 16
    rivalry: RivalryConfig = RivalryConfig(objective="hinge", penalty=0.1, penalty_every=4, start=2, ramp=6)
    training: AdversarialTraining = AdversarialTraining(
        steps=40, batch=16, warmup=5, lr=1e-3, ema=0.9, critic=CriticTraining(lr=1e-2, start=START, every=EVERY)
    )


class Points(Loadable):
    """Noise [B, 2] -> points [B, 2]."""

    Config = DuelConfig
    kind = "toy"

    def __init__(self, config: DuelConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, config.width), nn.Tanh(), nn.Linear(config.width, 2))

    def forward(self, noise: Tensor) -> Tensor:
        """Make points."""
        return self.layers(noise)


class PointCritic(Critic):
    """Judges points [B, 2] by one score each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(2, width), nn.Linear(width, 1)

    def forward(self, samples: Tensor) -> Opinion:
        """Scores [B, 1], features [B, width]."""
        hidden = torch.tanh(self.first(samples))
        return Opinion((self.last(hidden),), (hidden,))


class DuelLearner(Learner):
    """Points like those of 25 Gaussians, of noise, by a critic alone."""

    rivals = ("critic",)
    gated = True

    def __init__(self, config: DuelConfig) -> None:
        super().__init__()
        self.points, self.critic, self.config = Points(config, {}), PointCritic(config.width), config.rivalry
        self.largest = 10**9
        self.spoiled = -1  # a step in which the critic's gradient is not finite, and all else is

    @property
    def model(self) -> nn.Module:
        """The generator."""
        return self.points

    @staticmethod
    def real(batch: Batch) -> Tensor:
        """Points [B, 2] of the Gaussians."""
        return GRID[batch["index"] % len(GRID)] + 0.05 * batch["x"][:, :2]

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """The losses of both players."""
        if len(batch["x"]) > self.largest:
            raise torch.OutOfMemoryError("the toy is full")
        made = self.points(draw.normal("noise", 2))
        loss, metrics = rivalry(self.critic, self.real(batch), made, self.config, draw.step if self.training else None)
        if self.training and draw.step == self.spoiled:
            loss = loss + (0 * self.critic.last.bias).sum().sqrt()  # 0, with a slope that is none
        return loss, metrics

    def gates(self, batch: Batch) -> list[Gate]:
        """The critic neither sleeps nor wins."""
        noise = torch.randn(len(batch["x"]), 2, generator=torch.Generator().manual_seed(1))
        heard = hear(self.critic, self.real(batch), self.points(noise), self.config.objective)
        return critic_gates(heard) if self.gated else []


class SoundDuel(Learner):
    """A filter of sounds that keeps them, and must please a critic."""

    rivals = ("critic",)

    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Conv1d(1, 1, 9, padding=4)
        self.config = SoundCriticConfig(channels=4, ffts=(64, 32), penalty=0.1, ramp=2)
        self.critic = SoundCritic(self.config)

    @property
    def model(self) -> nn.Module:
        """The filter."""
        return self.filter

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """The losses of both players."""
        sounds = to_sounds(batch["audio"])
        made = self.filter(sounds[:, None])[:, 0]
        return rivalry(self.critic, sounds, made, self.config, draw.step if self.training else None)

    def gates(self, batch: Batch) -> list[Gate]:
        """Nothing to watch."""
        return []


if __name__ == "__main__":
    main(DuelLearner, DuelConfig())
