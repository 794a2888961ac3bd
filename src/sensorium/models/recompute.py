"""Layers of a transformer that compute their activations again for the gradient instead of keeping them.

Autograd then keeps the input of each layer, and the activations of one layer at a time: for one further forward pass,
memory no longer grows by all activations with each layer (Chen et al. 2016, "Training deep nets with sublinear memory
cost", arXiv:1604.06174, section 4). The second pass is the first one again, so gradients have the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sensorium.models.cache import Cache, ContextCache
from sensorium.models.layers import Block


def recompute_layers(module: nn.Module) -> int:
    """Have all transformer layers of a module recompute what they need; how many did not do so before."""
    layers = [part for part in module.modules() if isinstance(part, Block) and not part.recomputed]
    for layer in layers:
        layer.recomputed = True
    return len(layers)


def recomputed(work: Callable[..., Any], *inputs: Tensor | None) -> Any:
    """The result of some work on inputs, done again for the gradient, with random numbers and precision as before."""
    return checkpoint(work, *inputs, use_reentrant=False)


def through(block: nn.Module, x: Tensor, visible: Tensor | None = None, cache: Cache | None = None) -> Tensor:
    """The output of a layer, [..., L, D] -> same, which is recomputed for the gradient if the layer is to do so.

    A ring of a stream has changed when gradients are computed, so what passes through one is kept.

    Args:
        block: the layer, compiled or not.
        x, visible, cache: its arguments (`Block`).
    """
    if not (getattr(block, "recomputed", False) and torch.is_grad_enabled()):
        return block(x, visible, cache)  # type: ignore[no-any-return]
    if cache is None:
        return recomputed(block, x, visible)  # type: ignore[no-any-return]
    if not isinstance(cache, ContextCache):
        return block(x, visible, cache)  # type: ignore[no-any-return]
    window, device = cache.window, cache.device

    def after(x: Tensor, *context: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """The same twice: each time the context is what it was before the first."""
        own = ContextCache(window, device, (context[0], context[1]) if context else None)
        return block(x, visible, own), own.context

    mixed, cache.context = recomputed(after, x, *(cache.context or ()))
    return mixed  # type: ignore[no-any-return]
