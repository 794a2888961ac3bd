"""Fast forms of the operations in layers.py: the results are the textbook's, the order of the work is the hardware's.

Layouts: L query positions, M key positions, D channels, H heads, C channels a head; leading dimensions are batch
dimensions.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import flex_attention

_FUSED_CHANNELS = 16  # of a head: the fused kernel takes no fewer


def rms_norm(x: Tensor, weight: Tensor, eps: float | None) -> Tensor:
    """y = w x / sqrt(mean(x^2) + eps), [..., D] -> same.

    On a CPU torch differentiates this operation by operation. With the gradient written out, a training step of a small
    transformer is a few per cent shorter. Everywhere else torch's own kernel runs.
    """
    if x.is_cpu and x.dtype == torch.float32 and x.requires_grad and not torch.compiler.is_compiling():
        return _RootMeanSquare.apply(x, weight, eps)  # type: ignore[no-any-return]
    return F.rms_norm(x, weight.shape, weight, eps)


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
        weighted = gradient * weight
        mean = (weighted * normal).mean(-1, keepdim=True)
        rows = tuple(range(gradient.dim() - 1))
        return torch.addcmul(weighted, normal, mean, value=-1).mul_(inverse), (gradient * normal).sum(rows), None


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """x W^T, [..., L, D] -> [rows, L, outputs], as one product: torch may make one for each row of a batch."""
    flat = F.linear(x.reshape(-1, x.shape[-1]), weight)
    return flat.reshape(-1, x.shape[-2], len(weight))


def linear_halves(x: Tensor, layer: nn.Linear) -> tuple[Tensor, ...]:
    """The two halves of a linear layer's output, [..., D] -> twice [rows, outputs / 2].

    With gradients these are two products: the gradient of one product that is cut in two would be copied.
    """
    flat = x.reshape(-1, x.shape[-1])
    if torch.is_grad_enabled():
        return tuple(F.linear(flat, half) for half in layer.weight.chunk(2))
    return layer(flat).chunk(2, dim=-1)  # type: ignore[no-any-return]


def materialise(x: Tensor) -> Tensor:
    """x itself, stored in memory: a strided view needs its base there, so no compiled kernel recomputes it per use."""
    return x.as_strided(x.shape, x.stride())


def attend(query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, soft_cap: float) -> Tensor:
    """softmax(q k^T / sqrt(C)) v, with grouped heads and bounded logits where wanted.

    Several query heads may share a head of keys and values (Ainslie et al. 2023, "GQA"). A soft cap c > 0 bounds the
    logits smoothly, l <- c tanh(l / c) (Gemma 2, 2024, section 2).

    Args:
        query: [B, H, L, C].
        key, value: [B, H / g, M, C].
        visible: bool [L, M], which keys each query sees; None: all.
        soft_cap: c; 0: none.

    Returns:
        [B, H, L, C].
    """
    grouped = query.shape[1] != key.shape[1]
    if query.is_cuda and not soft_cap:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=visible, enable_gqa=grouped)
    if query.is_cuda and torch.compiler.is_compiling() and query.shape[-1] >= _FUSED_CHANNELS:
        return _attend_fused(query, key, value, visible, soft_cap)
    return _attend_by_products(query, key, value, visible, soft_cap)


def deterministic_attention() -> AbstractContextManager[object]:
    """A context in which the gradients of attention have the same bits each time, on CUDA too; for trainings.

    Without a soft cap torch chooses a kernel. Those that store no logits add gradients up in an order that changes from
    run to run, unless a program makes all operations without a fixed order errors (`warn_only=False`). So torch is left
    the one kernel that stores them. The choice holds for the whole process: gradients are computed by other threads,
    and a compiled model may replace products by a kernel of torch. With a soft cap no kernel of torch is used, and the
    fused one adds up in a fixed order.
    """
    return sdpa_kernel(SDPBackend.MATH)


def _attend_by_products(query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, soft_cap: float) -> Tensor:
    """Attention as two plain products. On a CPU windows are short, and torch's kernel for long ones is slower.

    On a GPU it serves models that are not compiled: the fused kernel, uncompiled, is built anew in Python at each call.
    """
    rows, heads, length, channels = query.shape
    shared = query.reshape(rows, key.shape[1], -1, channels)  # the heads of a group as further positions
    logits = _Scores.apply(shared * (channels**-0.5 * (2 / soft_cap if soft_cap else 1)), key)
    if soft_cap:  # c tanh(l / c) + c = 2 c sigmoid(2 l / c): softmax ignores the constant, sigmoid is ten times faster
        logits = logits.float().sigmoid() * (2 * soft_cap)  # a sigmoid in bfloat16 is off by 1/500
    if visible is not None:
        logits = logits.masked_fill(~visible.repeat(heads // key.shape[1], 1), float("-inf"))
    return (logits.softmax(dim=-1).to(value.dtype) @ value).reshape(rows, heads, length, channels)


class _Scores(torch.autograd.Function):
    """q k^T. The gradient with respect to k is laid out as k is; torch's is laid out as k^T and would be copied."""

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
    """Attention with bounded logits as one kernel, which torch.compile builds: no [L, M] logits are stored."""

    def bound(score: Tensor, _row: Tensor, _head: Tensor, position: Tensor, other: Tensor) -> Tensor:
        score = soft_cap * torch.tanh(score / soft_cap)
        return score if visible is None else torch.where(visible[position, other], score, -float("inf"))

    mixed = flex_attention(query, key, value, score_mod=bound, enable_gqa=query.shape[1] != key.shape[1])
    assert isinstance(mixed, Tensor)
    return mixed


def lay_by_columns(module: nn.Module) -> None:
    """Store the matrices of linear layers by columns, which oneDNN reads fastest for few rows, as in a single dream.

    The results stay the same. Do not train or save the module afterwards.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.data = layer.weight.data.t().contiguous().t()
