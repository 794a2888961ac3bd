"""Transformer blocks that fusion, tokenizers and dynamics share.

Layouts: L positions that ask, M positions that are looked at, D channels, H heads, C channels a head; leading
dimensions are batch dimensions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention.flex_attention import flex_attention

from sensorium.models.cache import Cache


class RMSNorm(nn.RMSNorm):
    """Each row over its root mean square, times a learned weight (Zhang and Sennrich 2019, eq. 4), [..., D] -> same.

    On a CPU torch differentiates it operation by operation; with the gradient written out a training step of a small
    transformer is a few hundredths shorter. Everywhere else it is torch's own.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cpu and x.dtype == torch.float32 and x.requires_grad and not torch.compiler.is_compiling():
            return _RootMeanSquare.apply(x, self.weight, self.eps)  # type: ignore[no-any-return]
        return super().forward(x)


class _RootMeanSquare(torch.autograd.Function):
    """y = w n with n = x / r and r^2 = mean(x^2) + eps; so dx = (w dy - n mean(n w dy)) / r, and dw = sum(n dy)."""

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        inverse = (x.square().mean(-1, keepdim=True) + eps).rsqrt()
        normal = x * inverse
        context.save_for_backward(normal, inverse, weight)
        return normal * weight

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = gradients
        normal, inverse, weight = context.saved_tensors
        towards = gradient * weight
        mean = (towards * normal).mean(-1, keepdim=True)
        rows = tuple(range(gradient.dim() - 1))
        return torch.addcmul(towards, normal, mean, value=-1).mul_(inverse), (gradient * normal).sum(rows), None


def rotary_angles(positions: Tensor, channels: int, base: float = 100.0) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions (Su et al. 2021, RoFormer, eq. 15).

    The base is small because windows here are tens of positions long, not thousands. Angles are float64 until their
    sine is taken: a dream goes on for tens of thousands of frames, and only differences of positions may matter.

    Args:
        positions: int [L].
        channels: C, even.

    Returns:
        two tensors float32 [L, C / 2].
    """
    channel = torch.arange(0, channels, 2, device=positions.device, dtype=torch.float64)
    angles = positions.double()[:, None] * base ** (-channel / channels)
    return _made_once(angles.cos().float()), _made_once(angles.sin().float())


def _made_once(x: Tensor) -> Tensor:
    """x itself. What a view by strides looks at lies in memory, so no compiled kernel makes it anew for every token."""
    return x.as_strided(x.shape, x.stride())


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Turn pairs of channels of x [..., L, C] by their position's angle; scalar products then see only distances."""
    cosines, sines = (part.to(x.dtype) for part in angles)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, first * sines + second * cosines], dim=-1)


def banded(length: int, window: int, device: torch.device) -> Tensor:
    """Which positions see which, bool [L, L]: the last `window` ones, themselves included."""
    position = torch.arange(length, device=device)
    distance = position[:, None] - position
    return (distance >= 0) & (distance < window)


def attend(query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, soft_cap: float) -> Tensor:
    """Softmax attention, grouped and capped where wanted.

    Several query heads may share a head of keys and values (Ainslie et al. 2023, "GQA"). A cap c > 0 bounds logits
    smoothly, l <- c tanh(l / c) (Gemma 2, 2024, section 2).

    Args:
        query: [B, H, L, C].
        key, value: [B, H / g, M, C].
        visible: bool [L, M], which positions may be looked at; None: all.
        soft_cap: c; 0: none.

    Returns:
        [B, H, L, C].
    """
    grouped = query.shape[1] != key.shape[1]
    if query.is_cuda and not soft_cap:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=visible, enable_gqa=grouped)
    if query.is_cuda:
        return _attend_fused(query, key, value, visible, soft_cap)
    # On a CPU windows are short, and the plain products faster than torch's kernel for long ones.
    rows, heads, length, channels = query.shape
    shared = query.reshape(rows, key.shape[1], -1, channels)  # heads of a group as further positions
    logits = _Scores.apply(shared * (channels**-0.5 * (2 / soft_cap if soft_cap else 1)), key)
    if soft_cap:  # c tanh(l / c) + c, which a softmax does not tell from it: a sigmoid takes a tenth of the time
        logits = logits.sigmoid() * (2 * soft_cap)
    if visible is not None:
        logits = logits.masked_fill(~visible.repeat(heads // key.shape[1], 1), float("-inf"))
    return (logits.softmax(dim=-1) @ value).reshape(rows, heads, length, channels)


class _Scores(torch.autograd.Function):
    """q k^T. The gradient towards k lies in memory as k does; torch's is that towards k^T, which would be copied."""

    @staticmethod
    def forward(context: Any, query: Tensor, key: Tensor) -> Tensor:
        context.save_for_backward(query, key)
        return query @ key.transpose(-1, -2)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (gradient,) = gradients
        query, key = context.saved_tensors
        return gradient @ key, gradient.transpose(-1, -2) @ query


def _attend_fused(query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, soft_cap: float) -> Tensor:
    """The same in one kernel, where torch.compile makes one: no [L, M] logits in memory."""

    def bound(score: Tensor, _row: Tensor, _head: Tensor, position: Tensor, other: Tensor) -> Tensor:
        score = soft_cap * torch.tanh(score / soft_cap)
        return score if visible is None else torch.where(visible[position, other], score, -float("inf"))

    mixed = flex_attention(query, key, value, score_mod=bound, enable_gqa=query.shape[1] != key.shape[1])
    assert isinstance(mixed, Tensor)
    return mixed


class Attention(nn.Module):
    """Multi-head self-attention over the last-but-one axis, with normalised queries and keys.

    Normalising queries and keys (Dehghani et al. 2023, ViT-22B, section 2) keeps the logits bounded at high
    learning rates. Positions are rotary; with `rotary=False` the module treats the L positions as a set.

    Args:
        dim: D.
        heads: H.
        key_heads: heads of keys and values, a divisor of H; None: H.
        causal: position l sees positions up to l only.
        rotary: positions are told apart by their distance.
        window: with `causal`: how many positions are seen, itself included; None: all.
        soft_cap: bound of the logits; 0: none.
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
            visible: bool [L, L], a restriction beside `causal`; None: none.
            cache: of earlier positions; x then holds the positions that follow, and they are kept in it.
        """
        *batch, length, dim = x.shape
        heads = self._heads(x, self.project.weight).split([self.heads, self.key_heads, self.key_heads], dim=2)
        normal = self.query_norm(heads[0]), self.key_norm(heads[1]), heads[2]
        query, key, value = (part.transpose(1, 2) for part in normal)
        if self.rotary:
            start = cache.positions(length) if cache else torch.arange(length, device=x.device)
            angles = rotary_angles(start, self.width)
            query, key = rotate(query, angles), rotate(key, angles)
        query, key = query.to(value.dtype), key.to(value.dtype)
        if cache is not None:
            key, value, visible = cache.extend(key, value)
        elif self.causal:
            band = banded(length, self.window or length, x.device)
            visible = band if visible is None else band & visible
        mixed = attend(query, key, value, visible, self.soft_cap)
        return self.merge(mixed.transpose(1, 2).reshape(*batch, length, dim))

    def read(self, x: Tensor, cache: Cache) -> None:
        """Take positions [..., L, D] into the cache; they themselves look at nothing."""
        key, value = self._heads(x, self.project.weight[self.heads * self.width :]).split(self.key_heads, dim=2)
        key, value = self.key_norm(key).transpose(1, 2), value.transpose(1, 2)
        if self.rotary:
            key = rotate(key, rotary_angles(cache.positions(x.shape[-2]), self.width))
        cache.extend(key.to(value.dtype), value)

    def _heads(self, x: Tensor, weight: Tensor) -> Tensor:
        """[..., L, D] -> [rows, L, heads, C]."""
        flat = F.linear(x.reshape(-1, x.shape[-1]), weight)  # one product, where torch may make one of each row
        return flat.reshape(-1, x.shape[-2], len(weight) // self.width, self.width)


class SwiGLU(nn.Module):
    """Gated feed-forward layer (Shazeer 2020, "GLU variants improve transformer", eq. 6), [..., D] -> [..., D]."""

    def __init__(self, dim: int, ratio: float = 8 / 3) -> None:
        super().__init__()
        hidden = -(-int(dim * ratio) // 8) * 8
        self.expand = nn.Linear(dim, 2 * hidden, bias=False)
        self.contract = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        if torch.is_grad_enabled():  # two products: the gradient of one cut in two would be copied
            gate, value = (F.linear(flat, part) for part in self.expand.weight.chunk(2))
        else:
            gate, value = self.expand(flat).chunk(2, dim=-1)
        return self.contract(F.silu(gate) * value).reshape(x.shape)


class Block(nn.Module):
    """Pre-norm transformer layer: x + attention(norm(x)), then x + feed-forward(norm(x)); [..., L, D] -> same.

    `attention` are the arguments of `Attention`.
    """

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
        """Take positions [..., L, D] into the cache, of which nothing is asked."""
        self.attention.read(self.attention_norm(x), cache)


def lay_by_columns(module: nn.Module) -> None:
    """Lay the matrices of linear layers out in memory as oneDNN reads them fastest for few rows, as one dream has.

    What they compute stays the same. Not for modules that are to be trained or saved.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.data = layer.weight.data.t().contiguous().t()
