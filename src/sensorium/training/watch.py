"""What every module of a learner puts out in one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Output:
    """A tensor that a module returned.

    Attributes:
        name: of the module in the learner; "" is the learner.
        kind: its class.
        shape: of the tensor.
        low, high, size: smallest and largest of its finite numbers, and the mean of their absolute values.
        bad: how many of its numbers are not finite.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    low: float
    high: float
    size: float
    bad: int

    @classmethod
    def of(cls, name: str, module: nn.Module, tensor: Tensor) -> Output:
        """The record of a tensor."""
        finite = tensor.isfinite()
        good = tensor[finite].float()
        numbers = (float(good.min()), float(good.max()), float(good.abs().mean())) if good.numel() else 3 * (0.0,)
        return cls(name, type(module).__name__, tuple(tensor.shape), *numbers, int((~finite).sum()))


def watched(learner: nn.Module, forward: Callable[[], Tensor]) -> tuple[list[Output], Tensor]:
    """Make a forward pass without gradients; return what modules put out, in order, and the loss."""
    outputs: list[Output] = []

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, result: Any) -> None:
            outputs.extend(Output.of(name, module, tensor) for tensor in _floats(result))

        return hook

    handles = [module.register_forward_hook(watch(name)) for name, module in learner.named_modules()]
    try:
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):
            loss = forward()
    finally:
        for handle in handles:
            handle.remove()
    return outputs, loss


def first_bad_place(learner: nn.Module, forward: Callable[[], Tensor]) -> str:
    """Name the first place where numbers are not finite: a weight, a module's output, the loss, or a gradient.

    Args:
        learner: still with the gradients of the bad step.
        forward: repeats the bad step's forward pass and returns its loss.
    """
    for name, parameter in learner.named_parameters():
        if not torch.isfinite(parameter).all():
            return f"weight {name}"
    outputs, loss = watched(learner, forward)
    for output in outputs:
        if output.bad:
            return f"output of {output.name or 'the learner'} ({output.kind})"
    if not torch.isfinite(loss).all():
        return "the loss"
    # Gradients flow from the last module to the first, so the last bad one became bad first.
    for name, parameter in reversed(list(learner.named_parameters())):
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            return f"gradient of {name}"
    return "the gradient norm"


def _floats(value: Any) -> Iterable[Tensor]:
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _floats(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _floats(part)
