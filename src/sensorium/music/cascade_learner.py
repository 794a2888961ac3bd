"""The objective of the cascade: the error of the right answer's latents, in decibels."""

from __future__ import annotations

import torch
from torch import Tensor

from sensorium.data.sample_formats import to_sounds
from sensorium.models.precision import in_float32
from sensorium.music.cascade import Cascade, Taken
from sensorium.music.config import RATE
from sensorium.music.latents import CosineLatents
from sensorium.music.stem_variation import vary_stems
from sensorium.randomness import Draw
from sensorium.training.learner import Audio, Batch, Gate, Image, Learner, Metrics

SILENCE = 1e-3  # power of latents that counts as none
EARLY, STEM = 0.5, 0.25  # weights of the answer of the first stage, and of each part of an answer
LEAST_GAIN, LEAST_SPREAD = 1.0, 0.01  # dB over the cross-fade; standard deviation of the shares


class CascadeLearner(Learner):
    """Logarithm of the squared error of drums_A + harmony_B relative to them, of both stages.

    What is taken of A is also compared with drums_A, and what is taken of B with harmony_B.

    Args:
        cascade: the model.
        gain: largest change of loudness of a stem in training, in dB.
    """

    def __init__(self, cascade: Cascade, gain: float) -> None:
        super().__init__()
        self.cascade, self.gain = cascade, gain
        self.latents = CosineLatents()

    @property
    def model(self) -> Cascade:
        """The cascade."""
        return self.cascade

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Mean over pairs."""
        stems = to_sounds(batch["stems"])
        if self.training:
            stems = vary_stems(stems, draw, self.gain)
        songs, parts, wanted = self.encoded(stems)
        early, last = self.cascade(songs)
        loss = EARLY * self._ratio(early, parts, wanted) + self._ratio(last, parts, wanted)
        return loss.mean(), {"error_db": 10 * error_ratio(last.latents.detach(), wanted).mean()}

    def encoded(self, stems: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Stems [B, 4, S] -> latents of both songs [B, 2, N, T], of drums_A and harmony_B, of these together."""
        drums_a, _, _, harmony_b = stems.unbind(1)
        songs = stems[:, 0::2] + stems[:, 1::2]
        sounds = torch.cat((songs, torch.stack((drums_a, harmony_b, drums_a + harmony_b), 1)), 1)
        with torch.no_grad():
            found = self.latents.encode(sounds.flatten(0, 1)).unflatten(0, sounds.shape[:2])
        return found[:, :2], found[:, 2:4], found[:, 4]

    @staticmethod
    def _ratio(taken: Taken, parts: Tensor, wanted: Tensor) -> Tensor:
        """Of each row: the error of the answer, and some of that of its parts."""
        own = sum(error_ratio(taken.parts[:, song], parts[:, song]) for song in (0, 1))
        return error_ratio(taken.latents, wanted) + STEM * own

    def gates(self, batch: Batch) -> list[Gate]:
        """It must be better than a cross-fade, and what it takes must differ between moments and between channels."""
        songs, _, wanted = self.encoded(to_sounds(batch["stems"]))
        last = self.cascade(songs)[-1]
        gain = 10 * (error_ratio(songs.mean(1), wanted) - error_ratio(last.latents, wanted)).mean()
        advice = "more steps, or another learning rate"
        values = {"gain_db": (float(gain), LEAST_GAIN)}
        values |= {name: (float(value), LEAST_SPREAD) for name, value in alarms(last.shares[:, :2]).items()}
        return [Gate(name, value, least, advice) for name, (value, least) in values.items()]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Of the first pair: what is taken of A, and the drums of one with the harmony of the other."""
        stems = to_sounds(batch["stems"][:1])
        last = self.cascade(self.encoded(stems)[0])[-1]
        sound = self.latents.decode(last.latents, stems.shape[-1])[0]
        picture = last.shares[0, 0].flip(0)[None].expand(3, -1, -1)
        return {"taken": Image(picture), "transfer": Audio(sound.clamp(-1, 1), RATE)}


@in_float32
def error_ratio(found: Tensor, wanted: Tensor) -> Tensor:
    """log10 of the squared error relative to what is wanted, of each of [B, N, T]: [B]."""
    error = (found - wanted).square().sum((1, 2))
    return ((error + SILENCE) / (wanted.square().sum((1, 2)) + SILENCE)).log10()


@in_float32
def alarms(shares: Tensor) -> dict[str, Tensor]:
    """How far what is taken differs: constant shares, which take the same of everything, have 0 of all.

    Args:
        shares: of A and of B, [B, 2, N, T].

    Returns:
        spread_over_time: mean standard deviation of a channel's share over the moments.
        spread_over_channels: standard deviation over the channels of their mean shares.
    """
    return {
        "spread_over_time": shares.std(-1).mean(),
        "spread_over_channels": shares.mean(-1).std(-1).mean(),
    }
