"""What is computed in float32 whatever the precision around it: losses, frozen networks, evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")


def in_float32(function: Callable[..., Result]) -> Callable[..., Result]:
    """A function, or a method, that computes in float32 under autocast too: a decorator.

    In bfloat16 a logit of 10 is off by up to 1/32, and small differences of large numbers are lost. The decorated
    function gets its floating-point tensors as float32. One of its positional arguments must be a tensor.
    """

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Result:
        device = next(value.device for value in args if isinstance(value, Tensor))
        with torch.autocast(device.type, enabled=False):
            return function(*map(_widened, args), **{name: _widened(value) for name, value in kwargs.items()})

    return run


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


def forbid_tf32() -> None:
    """Make CUDA multiply and convolve float32 numbers as float32; TF32 keeps 10 bits of each factor's 23."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """A context without TF32, for a library in somebody else's process; programs call `forbid_tf32` once."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    if device.type == "cuda":
        forbid_tf32()
    try:
        yield
    finally:
        if device.type == "cuda":
            torch.set_float32_matmul_precision(before[0])
            torch.backends.cudnn.allow_tf32 = before[1]
