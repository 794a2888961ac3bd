"""The objective of the mask: the error of both stems of both songs, in decibels."""

from __future__ import annotations

import torch
from torch import Tensor

from sensorium.data.sample_formats import to_sounds
from sensorium.models.precision import in_float32
from sensorium.music.config import RATE
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.separation import combine
from sensorium.music.spectrum import analyse
from sensorium.music.stem_variation import vary_stems
from sensorium.randomness import Draw
from sensorium.training.learner import Audio, Batch, Gate, Image, Learner, Metrics

SILENCE = 1e-3  # power of a spectrum that counts as none
LEAST_GAIN, LEAST_SPREAD = 2.0, 0.05  # dB over the cross-fade; standard deviation of a bin's mask over time


class MaskLearner(Learner):
    """Logarithm of the squared error of the drums, relative to the mixture.

    Harmony is what drums leave of a mixture, so its error is the same with the other sign: one number a mixture serves
    both stems, and the error of drums_A + harmony_B is the difference of those of its two mixtures.

    Args:
        network: the mask.
        gain: largest change of loudness of a stem in training, in dB.
    """

    def __init__(self, network: MaskNetwork, gain: float) -> None:
        super().__init__()
        self.network, self.gain = network, gain

    @property
    def model(self) -> MaskNetwork:
        """The network."""
        return self.network

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Mean over the mixtures of both songs."""
        stems = to_sounds(batch["stems"])
        if self.training:
            stems = vary_stems(stems, draw, self.gain)
        drums, mixture = self._spectra(stems)
        ratio = error_ratio(self.network(mixture), drums, mixture)
        return ratio.mean(), {"error_db": 10 * ratio.detach().mean()}

    @staticmethod
    def _spectra(stems: Tensor) -> tuple[Tensor, Tensor]:
        """Stems [B, 4, S] -> spectra of drums and of mixtures, [2 B, bins, frames] each, a song after the other."""
        spectra = analyse(stems).flatten(0, 1)
        drums, harmony = spectra[0::2], spectra[1::2]
        return drums, drums + harmony

    def gates(self, batch: Batch) -> list[Gate]:
        """The mask must be better than a cross-fade, and it must move."""
        drums, mixture = self._spectra(to_sounds(batch["stems"]))
        mask = self.network(mixture)
        half = torch.full_like(mask, 0.5)
        gain = 10 * (error_ratio(half, drums, mixture) - error_ratio(mask, drums, mixture)).mean()
        advice = "more steps, or another learning rate"
        return [
            Gate("gain_db", float(gain), LEAST_GAIN, advice),
            Gate("mask_spread", float(mask.std(-1).mean()), LEAST_SPREAD, advice),
        ]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Of the first pair: the mask of its first song, and the drums of one with the harmony of the other."""
        stems = to_sounds(batch["stems"][:1])
        _, mixture = self._spectra(stems)
        mask = self.network(mixture)
        sound = combine(mask[None], mixture[None], stems.shape[-1])[0]
        return {"mask": Image(mask[0].flip(0)[None].expand(3, -1, -1)), "transfer": Audio(sound.clamp(-1, 1), RATE)}


@in_float32
def error_ratio(mask: Tensor, drums: Tensor, mixture: Tensor) -> Tensor:
    """log10 of the squared error of masked drums relative to the mixture, of each of [B, bins, frames]: [B]."""
    error = mask * torch.view_as_real(mixture).movedim(-1, 0) - torch.view_as_real(drums).movedim(-1, 0)
    power = torch.view_as_real(mixture).square().sum((-3, -2, -1))
    return ((error.square().sum((0, -2, -1)) + SILENCE) / (power + SILENCE)).log10()
