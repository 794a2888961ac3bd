"""What a decoded sound is compared by, a number for each row: samples, spectra, mel bands."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sensorium.models.precision import in_float32
from sensorium.models.spectrogram import LogMel

RESOLUTIONS = (512, 1024, 2048)  # samples of a spectrum's frames
MELS, FRAME = 64, 1024  # bands; samples of four columns
QUIET = 1e-3  # a magnitude that counts as none
SILENT = 1e-6  # mean power of a sound that counts as none


class CodecLosses(nn.Module):
    """Losses by name.

    Args:
        rate: samples a second.
    """

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.mel = LogMel(MELS, rate, FRAME)
        for size in RESOLUTIONS:
            self.register_buffer(f"window_{size}", torch.hann_window(size), persistent=False)

    @in_float32
    def forward(self, decoded: Tensor, sounds: Tensor) -> dict[str, Tensor]:
        """Of decoded sounds [B, S]: wave, spectra and mel, float32 [B] each.

        wave: log10 of the power of the error relative to the sound, -1 at a ratio of 10 dB.
        spectra: spectral convergence plus the mean difference of logarithms, over three resolutions (Yamamoto et al.
            2020, arXiv:1910.11480).
        mel: mean difference of mel bands, in units of 20 dB.
        """
        whole = sounds.shape[1] // FRAME * FRAME
        return {
            "wave": wave_loss(decoded, sounds),
            "spectra": torch.stack([self._spectral(decoded, sounds, size) for size in RESOLUTIONS]).mean(0),
            "mel": (self.mel(decoded[:, :whole]) - self.mel(sounds[:, :whole])).abs().mean((1, 2)),
        }

    def _spectral(self, decoded: Tensor, sounds: Tensor, size: int) -> Tensor:
        found, true = (self._magnitudes(each, size) for each in (decoded, sounds))
        convergence = (found - true).norm(dim=(1, 2)) / true.norm(dim=(1, 2)).clamp_min(QUIET)
        return convergence + (found.log() - true.log()).abs().mean((1, 2))

    def _magnitudes(self, sounds: Tensor, size: int) -> Tensor:
        window = getattr(self, f"window_{size}")
        spectra = torch.stft(sounds, size, size // 4, window=window, return_complex=True)
        return (spectra.real.square() + spectra.imag.square() + QUIET**2).sqrt()


@in_float32
def wave_loss(decoded: Tensor, sounds: Tensor) -> Tensor:
    """log10 of the power of the error relative to the sound, [B]."""
    error, power = (decoded - sounds).square().mean(1), sounds.square().mean(1)
    return ((error + SILENT) / (power + SILENT)).log10()
