"""Latents of sounds that nothing has to learn: the lowest coefficients of a cosine transform.

The interface is that of a codec: sounds [B, S] -> latents [B, LATENTS, T] -> sounds. Coefficients are orthonormal, so
an error of latents is the error of the sound below the highest of them (4.8 kHz), whatever their signs and places.

Layouts: B sounds, S samples, T moments, 75 a second.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.music.mdct import Mdct
from sensorium.music.sizes import LATENTS

HOP = 320  # samples from moment to moment at 24 kHz


class CosineLatents(nn.Module):
    """The lowest LATENTS of the HOP coefficients of each frame."""

    def __init__(self) -> None:
        super().__init__()
        self.transform = Mdct(HOP)

    @staticmethod
    def moments(samples: int) -> int:
        """How many there are of so many samples: one more than hops, for each hop lies between two frames."""
        return -(-samples // HOP) + 1

    def encode(self, sounds: Tensor) -> Tensor:
        """Sounds [B, S] -> float32 [B, LATENTS, T]."""
        missing = (self.moments(sounds.shape[1]) - 1) * HOP - sounds.shape[1]
        found: Tensor = self.transform(F.pad(sounds, (0, missing)))
        return found[..., :LATENTS].transpose(1, 2)

    def decode(self, latents: Tensor, samples: int | None = None) -> Tensor:
        """Latents [B, LATENTS, T] -> sounds float32 [B, S]; by default S = (T - 1) * HOP."""
        every = F.pad(latents.transpose(1, 2), (0, HOP - LATENTS))
        return self.transform.inverse(every)[:, :samples]
