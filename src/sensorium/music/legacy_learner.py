"""Objectives of the cascade of earlier work: its own, which wants both songs at once, and the right answer.

Its own was 0.3 of the error relative to A and as much to B, as sounds; 0.5 of a cost of envelopes that follow either;
0.1 of the agent's cost and 15 of the balance of its masks. Any weighted mean of two unrelated sounds has the least
error to both, so it asks for a cross-fade, whatever the masks. Not among these here: its spectral terms, whose weights
were 0, a penalty on whistling of its decoder, and its critic, with a weight of 0.1.

Layouts: n sounds, S samples.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from sensorium.data.sample_formats import to_sounds
from sensorium.models.precision import in_float32
from sensorium.music.cascade_learner import error_ratio
from sensorium.music.latents import CosineLatents
from sensorium.music.legacy_cascade import LegacyAnswer, LegacyCascade
from sensorium.music.stem_variation import vary_stems
from sensorium.randomness import Draw
from sensorium.training.learner import Batch, Gate, Learner, Metrics

Objective = Literal["both songs", "the answer"]
ERROR, FOLLOWED, AGENT, BALANCE = 0.3, 0.5, 0.1, 15.0
PARTS = 250  # of an envelope
SILENCE = 1e-8
GAIN = 6.0  # dB, largest change of loudness of a stem


class LegacyCascadeLearner(Learner):
    """The cascade of earlier work with either objective.

    Args:
        cascade: the model.
        objective: what it learns.
    """

    def __init__(self, cascade: LegacyCascade, objective: Objective) -> None:
        super().__init__()
        self.cascade, self.objective = cascade, objective
        self.latents = CosineLatents()

    @property
    def model(self) -> nn.Module:
        """The cascade."""
        return self.cascade

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Mean over pairs, but for the roots of the errors and for the balance, which are of the whole batch."""
        stems = to_sounds(batch["stems"])
        if self.training:
            stems = vary_stems(stems, draw, GAIN)
        sounds = stems[:, 0::2] + stems[:, 1::2]
        answer = self.cascade(self.encode(sounds))
        wanted = self.latents.encode(stems[:, 0] + stems[:, 3])
        ratio = error_ratio(answer.latents, wanted).mean()
        if self.objective == "the answer":
            return ratio, {"error_db": 10 * ratio.detach()}
        found = self.latents.decode(answer.latents, sounds.shape[-1])
        return both_songs(found, sounds, answer), {"error_db": 10 * ratio.detach()}

    def encode(self, sounds: Tensor) -> Tensor:
        """Sounds [B, n, S] -> latents [B, n, N, T]."""
        return self.latents.encode(sounds.flatten(0, 1)).unflatten(0, sounds.shape[:2])

    def gates(self, batch: Batch) -> list[Gate]:
        """None: a model of earlier work is shown as it is, and its collapse is a finding."""
        return []


@in_float32
def both_songs(found: Tensor, songs: Tensor, answer: LegacyAnswer) -> Tensor:
    """Its own objective of sounds [n, S], of both songs [n, 2, S] and of what the agent cost."""
    errors = sum((found - song).square().mean().sqrt() for song in songs.unbind(1))
    followed = sum(correlation(envelope(found), envelope(song)).square().mean() for song in songs.unbind(1))
    return ERROR * errors + FOLLOWED * followed + AGENT * answer.regularisation + BALANCE * answer.balance


def envelope(sounds: Tensor) -> Tensor:
    """Largest magnitude in each of PARTS parts, [n, S] -> [n, PARTS]."""
    length = sounds.shape[-1] // PARTS
    return sounds[..., : PARTS * length].abs().unflatten(-1, (PARTS, length)).amax(-1)


def correlation(x: Tensor, y: Tensor) -> Tensor:
    """Of rows [n, m]: [n]; 0, with a gradient that is finite, where one of them is constant."""
    x, y = (each - each.mean(-1, keepdim=True) for each in (x, y))
    power = x.square().sum(-1) * y.square().sum(-1)
    return (x * y).sum(-1) / torch.sqrt(power + SILENCE**2)
