"""The objective of the codec: samples, spectra and mel bands, each with its share of the gradient, and a critic."""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import resample

from sensorium.data.sample_formats import to_sounds
from sensorium.models.critics import SoundCritic
from sensorium.models.quantisers.usage import Usage
from sensorium.music.codec import MusicCodec
from sensorium.music.codec_config import CodecConfig
from sensorium.music.codec_losses import CodecLosses, wave_loss
from sensorium.music.config import RATE
from sensorium.music.gradient_shares import GradientShares
from sensorium.music.stem_variation import vary_stems
from sensorium.randomness import Draw
from sensorium.training.adversarial import critic_gates, hear, rivalry
from sensorium.training.learner import Audio, Batch, Gate, Image, Learner, Metrics

LEAST_SNR = 1.0  # dB
LEAST_USAGE = 0.3  # entropy of the codes relative to that of even ones
LEAST_SPREAD = 0.01  # standard deviation of a latent's channel over time


class CodecLearner(Learner):
    """Reconstruction of mixtures of stems.

    Args:
        codec: the codec.
        config: its section.
    """

    def __init__(self, codec: MusicCodec, config: CodecConfig) -> None:
        super().__init__()
        self.codec, self.gain = codec, config.gain
        self.losses = CodecLosses(codec.rate)
        self.balance = GradientShares(config.shares.model_dump())
        self.observed = self.balance.observed
        self.rivalry = config.critic
        if config.critic:
            self.critic, self.rivals = SoundCritic(config.critic), ("critic",)
            shares = {"adversarial": config.critic.weight, "feature_matching": config.critic.matching}
            self.critic_balance = GradientShares(shares)
            self.observed += self.critic_balance.observed

    @property
    def model(self) -> MusicCodec:
        """The codec."""
        return self.codec

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Mean over the mixtures of both songs."""
        sounds = self.mixtures(to_sounds(batch["stems"]), draw if self.training else None)
        decoded, found = self.codec(sounds)
        loss, metrics = self.balance.combine(decoded, lambda output: self.losses(output, sounds))
        metrics |= {"quantiser": found.loss.detach(), "snr_db": -10 * metrics["wave"]}
        if self.rivalry:
            step = draw.step if self.training else None
            rival, more = rivalry(self.critic, sounds, decoded, self.rivalry, step, self.critic_balance.combine)
            loss, metrics = loss + rival, metrics | more
        return loss + found.loss, metrics

    def observe(self, metrics: Metrics) -> None:
        """How large the gradients of the losses were."""
        self.balance.observe(metrics)
        if self.rivalry:
            self.critic_balance.observe(metrics)

    def mixtures(self, stems: Tensor, draw: Draw | None) -> Tensor:
        """Stems [B, 4, S] of two songs -> their mixtures [2 B, S] at the codec's rate.

        With a draw, stems are varied.
        """
        if draw is not None:
            stems = vary_stems(stems, draw, self.gain)
        mixtures = (stems[:, 0::2] + stems[:, 1::2]).flatten(0, 1)
        return mixtures if self.codec.rate == RATE else resample(mixtures, RATE, self.codec.rate)

    def gates(self, batch: Batch) -> list[Gate]:
        """Sound must come back, and codes must be used; the critic must neither sleep nor win."""
        sounds = self.mixtures(to_sounds(batch["stems"]), None)
        decoded, found = self.codec(sounds)
        advice = "more steps, or another learning rate"
        gates = [Gate("snr_db", float(-10 * wave_loss(decoded, sounds).mean()), LEAST_SNR, advice)]
        if self.rivalry:
            gates += critic_gates(hear(self.critic, sounds, decoded, self.rivalry.objective))
        if self.codec.quantiser.kind == "none":
            return [*gates, Gate("latent_spread", float(found.vectors.std(-1).mean()), LEAST_SPREAD, advice)]
        return [*gates, Gate("code_usage", code_usage(found.codes, self.codec.quantiser.base), LEAST_USAGE, advice)]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Of the first mixture: what was heard, and what came back."""
        sounds = self.mixtures(to_sounds(batch["stems"][:1]), None)[:1]
        decoded, _ = self.codec(sounds)
        shown = {"truth": sounds[0], "decoded": decoded[0]}
        return {name: Audio(sound.clamp(-1, 1), self.codec.rate) for name, sound in shown.items()}


def code_usage(codes: Tensor, base: int) -> float:
    """Mean entropy of each place's codes [..., n] relative to that of even ones: 0 if one code takes all, 1 if even."""
    even = torch.tensor(float(base)).log2()
    return float(sum(Usage.of(place, base).entropy for place in codes.flatten(0, -2).T) / codes.shape[-1] / even)
