"""The modified discrete cosine transform (MDCT): as many real coefficients as samples, and the exact way back.

Frame t of T + 1 sees the samples [(t - 1) * hop, (t + 1) * hop) of a sound of T * hop samples, with zeros beyond its
ends. With the sine window the aliasing of neighbours cancels, so the sum of the overlapping frames is the sound
(Princen, Johnson and Bradley 1987). The transform is orthonormal: powers of coefficients are powers of samples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.models.precision import in_float32


class Mdct(nn.Module):
    """Sounds to coefficients and back.

    Args:
        hop: coefficients of a frame, and samples from frame to frame; even.
    """

    basis: Tensor

    def __init__(self, hop: int) -> None:
        super().__init__()
        self.hop = hop
        sample, place = torch.arange(2 * hop, dtype=torch.float64), torch.arange(hop, dtype=torch.float64)
        window = torch.sin(math.pi / (2 * hop) * (sample + 0.5)) * math.sqrt(2 / hop)
        waves = torch.cos(math.pi / hop * (sample[:, None] + 0.5 + hop / 2) * (place + 0.5))
        self.register_buffer("basis", (window[:, None] * waves).float(), persistent=False)

    @in_float32
    def forward(self, sounds: Tensor) -> Tensor:
        """Sounds [B, T * hop] -> coefficients float32 [B, T + 1, hop]."""
        frames = F.pad(sounds, (self.hop, self.hop)).unfold(1, 2 * self.hop, self.hop)
        return frames @ self.basis

    @in_float32
    def inverse(self, coefficients: Tensor) -> Tensor:
        """Coefficients [B, T + 1, hop] -> sounds float32 [B, T * hop]."""
        first, second = (coefficients @ self.basis.T).split(self.hop, -1)
        return (second[:, :-1] + first[:, 1:]).flatten(1)
