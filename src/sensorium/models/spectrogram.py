"""The causal log-mel spectrogram of sounds."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchaudio.functional import melscale_fbanks

from sensorium.config.sound import COLUMNS, check_bands, fft_size
from sensorium.models.precision import in_float32


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
        check_bands(mels, sample_rate, samples_per_frame)
        self.hop, self.size = samples_per_frame // COLUMNS, fft_size(samples_per_frame)
        bank = melscale_fbanks(self.size // 2 + 1, 0.0, sample_rate / 2, mels, sample_rate)
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
