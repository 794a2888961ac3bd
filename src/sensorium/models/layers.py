"""Transformer blocks that fusion and dynamics share.

Layouts: L positions attended over, D channels, H heads; leading dimensions are batch dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def rotary_angles(length: int, channels: int, device: torch.device, base: float = 100.0) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions (Su et al. 2021, RoFormer, eq. 15).

    The base is small because windows here are tens of positions long, not thousands.

    Returns:
        two tensors float32 [length, channels / 2].
    """
    frequencies = base ** (-torch.arange(0, channels, 2, device=device, dtype=torch.float32) / channels)
    angles = torch.arange(length, device=device, dtype=torch.float32)[:, None] * frequencies
    return angles.cos(), angles.sin()


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Turn pairs of channels of x [..., L, C] by their position's angle; scalar products then see only distances."""
    cosines, sines = (part.to(x.dtype) for part in angles)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, first * sines + second * cosines], dim=-1)


class Attention(nn.Module):
    """Multi-head self-attention over the last-but-one axis, with normalised queries and keys.

    Normalising queries and keys (Dehghani et al. 2023, ViT-22B, section 2) keeps the logits bounded at high
    learning rates. Positions are rotary; with `rotary=False` the module treats the L positions as a set.
    """

    def __init__(self, dim: int, heads: int, *, causal: bool = False, rotary: bool = True) -> None:
        super().__init__()
        if dim % (2 * heads):
            raise ValueError(f"heads is {heads}: dim ({dim}) must be a multiple of 2 * heads")
        self.heads, self.causal, self.rotary = heads, causal, rotary
        self.project = nn.Linear(dim, 3 * dim, bias=False)
        self.query_norm = nn.RMSNorm(dim // heads, eps=1e-6)
        self.key_norm = nn.RMSNorm(dim // heads, eps=1e-6)
        self.merge = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[..., L, D] -> [..., L, D]; when causal, position l sees positions 0..l only."""
        *batch, length, dim = x.shape
        heads = self.project(x).reshape(-1, length, 3, self.heads, dim // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each [B, H, L, C]
        query, key = self.query_norm(query), self.key_norm(key)
        if self.rotary:
            angles = rotary_angles(length, dim // self.heads, x.device)
            query, key = rotate(query, angles), rotate(key, angles)
        mixed = F.scaled_dot_product_attention(query.to(value.dtype), key.to(value.dtype), value, is_causal=self.causal)
        return self.merge(mixed.transpose(1, 2).reshape(*batch, length, dim))


class SwiGLU(nn.Module):
    """Gated feed-forward layer (Shazeer 2020, "GLU variants improve transformer", eq. 6), [..., D] -> [..., D]."""

    def __init__(self, dim: int, ratio: float = 8 / 3) -> None:
        super().__init__()
        hidden = -(-int(dim * ratio) // 8) * 8
        self.expand = nn.Linear(dim, 2 * hidden, bias=False)
        self.contract = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.expand(x).chunk(2, dim=-1)
        return self.contract(F.silu(gate) * value)


class Block(nn.Module):
    """Pre-norm transformer layer: x + attention(norm(x)), then x + feed-forward(norm(x)); [..., L, D] -> same."""

    def __init__(self, dim: int, heads: int, *, causal: bool = False, rotary: bool = True) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(dim, eps=1e-6)
        self.attention = Attention(dim, heads, causal=causal, rotary=rotary)
        self.feed_norm = nn.RMSNorm(dim, eps=1e-6)
        self.feed = SwiGLU(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.feed(self.feed_norm(x))
