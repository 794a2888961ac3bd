"""Objective of the sound tokenizer: errors of the wave and, for sounds whose phase is lost, of its spectrum."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.data.sample_formats import to_sounds
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.models.precision import in_float32
from sensorium.randomness import Draw
from sensorium.training.collapse import mean_difference
from sensorium.training.learner import Audio, Batch, Gate, Image, Learner, Metrics

RESOLUTIONS = (256, 1024)  # samples of a window: the short one resolves time, the long one pitch
QUIETEST = 1e-4  # magnitudes below it (-80 dB) count as silence
_SHOWN = 8  # sounds to listen to
_PICTURED = 4  # sounds with a spectrogram


@in_float32
def magnitudes(sounds: Tensor, size: int) -> Tensor:
    """Short-time Fourier magnitudes with Hann windows of `size` samples, [B, S] -> [B, size / 2 + 1, 4 S / size].

    They are scaled so that magnitudes of white noise are about its root mean square. Window t ends at sample
    (t + 1) * size / 4.
    """
    window = torch.hann_window(size, device=sounds.device)
    padded = F.pad(sounds, (size - size // 4, 0))
    spectrum = torch.stft(padded, size, size // 4, window=window, center=False, return_complex=True)
    power = (spectrum.real.square() + spectrum.imag.square()) / window.square().sum()
    return (power + QUIETEST**2).sqrt()


@in_float32
def wave_error(sounds: Tensor, targets: Tensor) -> Tensor:
    """Energy of the error relative to that of the target, which counts as -50 dB at least; [B, S] twice -> [B]."""
    return (sounds - targets).square().mean(1) / (targets.square().mean(1) + 1e-5)


@in_float32
def spectral_error(sounds: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Spectral convergence and mean distance of log magnitudes, averaged over resolutions, [B, S] twice -> [B] each.

    The multi-resolution loss of Yamamoto et al. 2020 (*Parallel WaveGAN*, arXiv:1910.11480), computed for each row.
    """
    convergence = distance = torch.zeros((), device=sounds.device)
    for size in RESOLUTIONS:
        made, wanted = magnitudes(sounds, size), magnitudes(targets, size)
        relative = (made - wanted).square().mean((1, 2)) / (wanted.square().mean((1, 2)) + 1e-6)
        convergence = convergence + (relative + 1e-8).sqrt()
        distance = distance + (made.log() - wanted.log()).abs().mean((1, 2))
    return convergence / len(RESOLUTIONS), distance / len(RESOLUTIONS)


class SoundLearner(Learner):
    """`wave_weight` times the relative error of the wave, plus the spectral terms, in fp32.

    Batches: audio int16 [B, S].

    Args:
        tokenizer: the model.
        wave_weight: of the wave's error.
        rate: samples a second.
    """

    def __init__(self, tokenizer: AudioTokenizer, wave_weight: float, rate: int) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.wave_weight = wave_weight
        self.rate = rate

    @property
    def model(self) -> AudioTokenizer:
        """The tokenizer."""
        return self.tokenizer

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        sounds = to_sounds(batch["audio"])
        made = self.tokenizer(sounds)[0]
        wave = wave_error(made, sounds).mean()
        convergence, distance = (term.mean() for term in spectral_error(made, sounds))
        loss = self.wave_weight * wave + convergence + distance
        terms = {"wave_error": wave, "spectral_convergence": convergence, "log_distance": distance}
        return loss, {name: term.detach() for name, term in terms.items()}

    def gates(self, batch: Batch) -> list[Gate]:
        """Tokens and spectra must differ between sounds, be loud enough, and be closer than the mean spectrum."""
        sounds = to_sounds(batch["audio"])
        made, tokens = (part.detach().float() for part in self.tokenizer(sounds))
        heard, wanted = (magnitudes(part, RESOLUTIONS[-1]) for part in (made, sounds))
        spread = heard.log().std(0).mean() / wanted.log().std(0).mean().clamp_min(1e-6)
        average = wanted.mean((0, 2), keepdim=True)  # the best constant prediction
        errors = [(wanted - other).square().mean() for other in (average, heard)]
        energies = [part.square().mean() for part in (made, sounds)]
        gain, loudness = (10 * torch.log10((p + 1e-10) / (q + 1e-10)) for p, q in (errors, energies))
        advice = "a lower learning rate, more steps or more tokens"
        return [
            Gate("token_std", float(tokens.std(0).mean()), 0.02, advice),
            Gate("token_difference", mean_difference(tokens.flatten(1)), 1e-3, advice),
            Gate("output_difference", float(spread), 0.1, advice),
            Gate("loudness_db", float(loudness), -15.0, advice),
            Gate("gain_over_mean_spectrum_db", float(gain), 0.3, advice),
        ]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Originals and reconstructions, and their spectrograms: originals above, reconstructions below."""
        sounds = to_sounds(batch["audio"][:_SHOWN])
        made = self.tokenizer(sounds)[0].float()
        rows = [torch.cat(list(_picture(part[:_PICTURED])), dim=-1) for part in (sounds, made)]
        return {
            "spectrogram": Image(torch.cat(rows, dim=-2).expand(3, -1, -1)),
            "original": Audio(sounds.flatten(), self.rate),
            "reconstruction": Audio(made.flatten(), self.rate),
        }


def _picture(sounds: Tensor) -> Tensor:
    """Spectrograms of sounds [B, S]: [B, bands, windows] from 0 (-80 dB) to 1 (0 dB), high pitches at the top."""
    decibels = 20 * torch.log10(magnitudes(sounds, RESOLUTIONS[0]))
    return (decibels / 80 + 1).clamp(0, 1).flip(1)
