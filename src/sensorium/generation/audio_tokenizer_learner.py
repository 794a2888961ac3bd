"""Objective of the sound tokenizer: the wave, where it can be kept, and its spectrum, where only that can."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.data.sample_formats import to_sounds
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.randomness import Draw
from sensorium.training.collapse import mean_difference
from sensorium.training.learner import Audio, Batch, Gate, Image, Learner, Metrics

RESOLUTIONS = (256, 1024)  # samples of the windows: the one tells when, the other which pitch
QUIETEST = 1e-4  # of a magnitude; what lies below (-80 dB) is silence
_SHOWN = 8  # sounds played one after the other
_PICTURED = 4


def magnitudes(sounds: Tensor, size: int) -> Tensor:
    """Short-time Fourier magnitudes with Hann windows of `size` samples, [B, S] -> [B, size / 2 + 1, 4 S / size].

    Scaled so that white noise has magnitudes of about its root mean square. Each window ends where its column ends.
    """
    window = torch.hann_window(size, device=sounds.device)
    padded = F.pad(sounds, (size - size // 4, 0))
    spectrum = torch.stft(padded, size, size // 4, window=window, center=False, return_complex=True)
    power = (spectrum.real.square() + spectrum.imag.square()) / window.square().sum()
    return (power + QUIETEST**2).sqrt()


def wave_error(sounds: Tensor, targets: Tensor) -> Tensor:
    """Energy of the error relative to that of the target, [B, S] twice -> [B]; targets below -50 dB count as that."""
    return (sounds - targets).square().mean(1) / (targets.square().mean(1) + 1e-5)


def spectral_error(sounds: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Spectral convergence and mean distance of log magnitudes, [B, S] twice -> [B] each, averaged over resolutions.

    The multi-resolution loss of Yamamoto et al. 2020 (*Parallel WaveGAN*, arXiv:1910.11480), each row by itself.
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
        with torch.autocast(sounds.device.type, enabled=False):
            wave = wave_error(made, sounds).mean()
            convergence, distance = (term.mean() for term in spectral_error(made, sounds))
            loss = self.wave_weight * wave + convergence + distance
        terms = {"wave_error": wave, "spectral_convergence": convergence, "log_distance": distance}
        return loss, {name: term.detach() for name, term in terms.items()}

    def gates(self, batch: Batch) -> list[Gate]:
        """Neither silence nor one sound for all: tokens and spectra tell sounds apart and beat the mean spectrum."""
        sounds = to_sounds(batch["audio"])
        made, tokens = (part.detach().float() for part in self.tokenizer(sounds))
        with torch.autocast(sounds.device.type, enabled=False):
            heard, wanted = (magnitudes(part, RESOLUTIONS[-1]) for part in (made, sounds))
        spread = heard.log().std(0).mean() / wanted.log().std(0).mean().clamp_min(1e-6)
        average = wanted.mean((0, 2), keepdim=True)  # the best answer of one that tells nothing apart
        errors = [(wanted - other).square().mean() for other in (average, heard)]
        energies = [part.square().mean() for part in (made, sounds)]
        gain, loudness = (10 * torch.log10((p + 1e-10) / (q + 1e-10)) for p, q in (errors, energies))
        advice = "a lower learning rate, more steps or more tokens"
        return [
            Gate("token_deviation", float(tokens.std(0).mean()), 0.02, advice),
            Gate("token_difference", mean_difference(tokens.flatten(1)), 1e-3, advice),
            Gate("output_difference", float(spread), 0.1, advice),
            Gate("loudness_db", float(loudness), -15.0, advice),
            Gate("gain_over_mean_spectrum_db", float(gain), 0.3, advice),
        ]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Sounds before and after, and their spectrograms: originals above, reconstructions below."""
        sounds = to_sounds(batch["audio"][:_SHOWN])
        made = self.tokenizer(sounds)[0].float()
        with torch.autocast(sounds.device.type, enabled=False):
            rows = [torch.cat(list(_picture(part[:_PICTURED])), dim=-1) for part in (sounds, made)]
        return {
            "spectrogram": Image(torch.cat(rows, dim=-2).expand(3, -1, -1)),
            "original": Audio(sounds.flatten(), self.rate),
            "reconstruction": Audio(made.flatten(), self.rate),
        }


def _picture(sounds: Tensor) -> Tensor:
    """[B, S] -> grey pictures [B, bands, columns] in [0, 1], high pitches above; from -80 to 0 dB."""
    decibels = 20 * torch.log10(magnitudes(sounds, RESOLUTIONS[0]))
    return (decibels / 80 + 1).clamp(0, 1).flip(1)
