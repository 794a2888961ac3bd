"""Layers of the textbook transformer, which fusion, tokenizers and dynamics share; kernels.py makes them fast.

Layouts: L positions, D channels, H heads, C channels a head; leading dimensions are batch dimensions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.models import kernels
from sensorium.models.cache import Cache, causal_mask


class RMSNorm(nn.RMSNorm):
    """x over its root mean square, times a learned weight (Zhang and Sennrich 2019, eq. 4), [..., D] -> same."""

    def forward(self, x: Tensor) -> Tensor:
        return kernels.rms_norm(x, self.weight, self.eps)


def rotary_angles(positions: Tensor, channels: int, base: float = 100.0) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions (Su et al. 2021, RoFormer, eq. 15).

    The base is small because windows here are tens of positions long, not thousands. Angles are float64 until their
    sine is computed: a dream may last tens of thousands of frames, and only differences of positions may matter.

    Args:
        positions: int [L].
        channels: C, even.

    Returns:
        two tensors float32 [L, C / 2].
    """
    channel = torch.arange(0, channels, 2, device=positions.device, dtype=torch.float64)
    angles = positions.double()[:, None] * base ** (-channel / channels)
    return kernels.materialise(angles.cos().float()), kernels.materialise(angles.sin().float())


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Turn pairs of channels of x [..., L, C] by their position's angle; scalar products then see only distances."""
    cosines, sines = (part.to(x.dtype) for part in angles)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, first * sines + second * cosines], dim=-1)


def action_embedding(action: dict[str, Any] | None, dim: int) -> nn.Module | None:
    """The layer that turns an action into a vector [..., dim].

    Args:
        action: {"kind": "continuous" | "discrete", "size": numbers or choices}, as manifests of recordings describe
            actions; None: the recordings have none, and neither has the layer.
        dim: width of the vector.

    Raises:
        ValueError: if the kind is unknown.
    """
    if action is None:
        return None
    if action["kind"] == "discrete":
        return nn.Embedding(int(action["size"]), dim)
    if action["kind"] == "continuous":
        return nn.Linear(int(action["size"]), dim)
    raise ValueError(f"action kind is {action['kind']!r}: it must be continuous or discrete")


class Attention(nn.Module):
    """Multi-head self-attention over the last-but-one axis, with normalised queries and keys.

    Normalising queries and keys (Dehghani et al. 2023, ViT-22B, section 2) keeps the logits bounded at high
    learning rates. Positions are rotary; with `rotary=False` the module treats the L positions as a set.

    Args:
        dim: D.
        heads: H.
        key_heads: number of heads of keys and values, a divisor of H; None: H.
        causal: position l sees positions up to l only.
        rotary: scores depend on the distance of positions.
        window: with `causal`: the number of positions that are seen, itself included; None: all.
        soft_cap: bound of the logits; 0: none.

    Raises:
        ValueError: if the heads do not divide the width, or the key heads the heads.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        key_heads: int | None = None,
        causal: bool = False,
        rotary: bool = True,
        window: int | None = None,
        soft_cap: float = 0.0,
    ) -> None:
        super().__init__()
        key_heads = key_heads or heads
        if dim % (2 * heads):
            raise ValueError(f"heads is {heads}: dim ({dim}) must be a multiple of 2 * heads")
        if heads % key_heads:
            raise ValueError(f"key_heads is {key_heads}: it must divide heads ({heads})")
        self.heads, self.key_heads, self.width = heads, key_heads, dim // heads
        self.causal, self.rotary, self.window, self.soft_cap = causal, rotary, window, soft_cap
        self.project = nn.Linear(dim, (heads + 2 * key_heads) * self.width, bias=False)
        self.query_norm = RMSNorm(self.width, eps=1e-6)
        self.key_norm = RMSNorm(self.width, eps=1e-6)
        self.merge = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, visible: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """[..., L, D] -> [..., L, D].

        Args:
            x: the positions.
            visible: bool [L, L], which position sees which, in addition to `causal`; None: no further restriction.
            cache: the positions before x, which alone decides what x sees; x is added to it.
        """
        *batch, length, dim = x.shape
        parts = self._heads(x, self.project.weight).split([self.heads, self.key_heads, self.key_heads], dim=2)
        normalised = self.query_norm(parts[0]), self.key_norm(parts[1]), parts[2]
        query, key, value = (part.transpose(1, 2) for part in normalised)
        positions = cache.positions(length) if cache else torch.arange(length, device=x.device)
        if self.rotary:
            angles = rotary_angles(positions, self.width)
            query, key = rotate(query, angles), rotate(key, angles)
        query, key = query.to(value.dtype), key.to(value.dtype)  # under autocast the norms return float32
        if cache is not None:
            key, value, visible = cache.extend(key, value)
        elif self.causal:
            causal = causal_mask(positions, positions, self.window or length)
            visible = causal if visible is None else causal & visible
        mixed = kernels.attend(query, key, value, visible, self.soft_cap)
        return self.merge(mixed.transpose(1, 2).reshape(*batch, length, dim))

    def read(self, x: Tensor, cache: Cache) -> None:
        """Add positions [..., L, D] to the cache, without output."""
        key, value = self._heads(x, self.project.weight[self.heads * self.width :]).split(self.key_heads, dim=2)
        key, value = self.key_norm(key).transpose(1, 2), value.transpose(1, 2)
        if self.rotary:
            key = rotate(key, rotary_angles(cache.positions(x.shape[-2]), self.width))
        cache.extend(key.to(value.dtype), value)

    def _heads(self, x: Tensor, weight: Tensor) -> Tensor:
        """Project positions [..., L, D] to heads [rows, L, heads, C]."""
        return kernels.linear(x, weight).unflatten(-1, (-1, self.width))


class SwiGLU(nn.Module):
    """Gated feed-forward layer (Shazeer 2020, "GLU variants improve transformer", eq. 6), [..., D] -> [..., D]."""

    def __init__(self, dim: int, ratio: float = 8 / 3) -> None:
        super().__init__()
        hidden = -(-int(dim * ratio) // 8) * 8
        self.expand = nn.Linear(dim, 2 * hidden, bias=False)
        self.contract = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = kernels.linear_halves(x, self.expand)
        return self.contract(F.silu(gate) * value).reshape(x.shape)


class Block(nn.Module):
    """Pre-norm transformer layer: x + attention(norm(x)), then x + feed-forward(norm(x)); [..., L, D] -> same.

    `attention` are the arguments of `Attention`.

    Attributes:
        recomputed: whether a training computes the activations again for the gradient (`recompute.py`).
    """

    recomputed = False

    def __init__(self, dim: int, heads: int, **attention: bool | int | float | None) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(dim, eps=1e-6)
        self.attention = Attention(dim, heads, **attention)  # type: ignore[arg-type]
        self.feed_norm = RMSNorm(dim, eps=1e-6)
        self.feed = SwiGLU(dim)

    def forward(self, x: Tensor, visible: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), visible, cache)
        return x + self.feed(self.feed_norm(x))

    def read(self, x: Tensor, cache: Cache) -> None:
        """Add positions [..., L, D] to the cache, without output."""
        self.attention.read(self.attention_norm(x), cache)
