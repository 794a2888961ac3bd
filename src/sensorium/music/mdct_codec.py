"""The codec for CPUs: residual layers over the coefficients of a cosine transform.

Layouts: B sounds, T latents, C channels. A latent covers the hop between two frames of the transform: it is made of
both, and each frame is made of the two latents beside it. Nothing is normalised over time, and a latent depends on
`context` latents' worth of sound to either side: a piece of a sound, with its context, gives the numbers of the whole.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.models.layers import RMSNorm
from sensorium.models.precision import in_float32
from sensorium.music.codec_config import LATENTS, CodecConfig
from sensorium.music.mask_network import shifted
from sensorium.music.mdct import Mdct
from sensorium.music.sizes import TAPS

LOUD = 4.0  # coefficients are seen as asinh(LOUD x): linear for small ones, logarithmic for large ones


class TimeLayer(nn.Module):
    """Each time with two others, one `step` before it and one after; residual."""

    def __init__(self, width: int, step: int) -> None:
        super().__init__()
        self.step = step
        self.norm = RMSNorm(width, eps=1e-6)
        self.mix = nn.Sequential(nn.Linear(TAPS * width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, C] -> the same shape."""
        return x + self.mix(shifted(self.norm(x), self.step))


class MdctCodec(nn.Module):
    """Sounds to latents and back.

    Args:
        config: the codec's section.

    Attributes:
        context: latents to either side that a latent, and a sample, depend on.
    """

    scale: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        width, hop = config.width, config.preset.hop
        self.mdct = Mdct(hop)
        # about the spectrum of music: so that coefficients of all pitches are about as large
        self.register_buffer("scale", (1 + torch.arange(hop) / 2) ** -0.6, persistent=False)
        steps = [2**number for number in range(config.layers)]
        self.context = 1 + sum(steps)
        self.read = nn.Linear(2 * hop, width)
        self.encoder = nn.Sequential(*(TimeLayer(width, step) for step in steps))
        self.to_latents = nn.Sequential(RMSNorm(width, eps=1e-6), nn.Linear(width, LATENTS))
        self.from_latents = nn.Linear(LATENTS, width)
        self.decoder = nn.Sequential(*(TimeLayer(width, step) for step in reversed(steps)))
        self.write = nn.Sequential(RMSNorm(2 * width, eps=1e-6), nn.Linear(2 * width, hop))

    def encode(self, sounds: Tensor) -> Tensor:
        """Sounds [B, T * hop] -> latents [B, T, LATENTS]."""
        frames = self._seen(self.mdct(sounds))
        return self.to_latents(self.encoder(self.read(torch.cat((frames[:, :-1], frames[:, 1:]), -1))))

    @in_float32
    def _seen(self, coefficients: Tensor) -> Tensor:
        return torch.asinh(LOUD * coefficients / self.scale)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, T, LATENTS] -> sounds float32 [B, T * hop]."""
        x = self.decoder(self.from_latents(latents))
        beside = torch.cat((F.pad(x, (0, 0, 1, 0)), F.pad(x, (0, 0, 0, 1))), -1)
        return self.mdct.inverse(self._heard(self.write(beside)))

    @in_float32
    def _heard(self, written: Tensor) -> Tensor:
        return written * self.scale
