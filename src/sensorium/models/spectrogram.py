"""The causal log-mel spectrogram of sounds."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchaudio.functional import melscale_fbanks

from sensorium.config import ConfigurationError
from sensorium.models.precision import in_float32

COLUMNS = 4  # columns of the spectrogram in a video frame


class LogMel(nn.Module):
    """Causal log-mel spectrogram, in float32 whatever the precision around it.

    Column c sees samples up to (c + 1) * hop and none after, with hop = samples_per_frame / 4: the four columns of
    a frame are known when the frame ends. Triangles on the HTK mel scale, 2595 log10(1 + f / 700).

    Raises:
        ConfigurationError: if a band is so narrow that no frequency falls into it.
    """

    bank: Tensor
    window: Tensor

    def __init__(self, mels: int, sample_rate: int, samples_per_frame: int) -> None:
        super().__init__()
        if samples_per_frame % COLUMNS:
            raise ConfigurationError(f"samples_per_frame is {samples_per_frame}: it must be a multiple of {COLUMNS}")
        self.hop = samples_per_frame // COLUMNS
        self.size = 2 ** math.ceil(math.log2(samples_per_frame))
        bank = melscale_fbanks(self.size // 2 + 1, 0.0, sample_rate / 2, mels, sample_rate)
        empty = int((bank.sum(0) == 0).sum())
        if empty:
            raise ConfigurationError(f"mels = {mels}: {empty} bands hold no frequency at {sample_rate} Hz; take fewer")
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("window", torch.hann_window(self.size), persistent=False)

    @in_float32
    def forward(self, sounds: Tensor) -> Tensor:
        """Sounds [B, S] in [-1, 1] -> float32 [B, mels, S / hop], silence at -2, a loud tone at about 2."""
        padded = F.pad(sounds, (self.size - self.hop, 0))
        spectrum = torch.stft(padded, self.size, self.hop, window=self.window, center=False, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        energy = (power.transpose(1, 2) @ self.bank).transpose(1, 2)
        return (energy + 1e-4).log10() / 2
