"""A stage that trains, made of tensors that have shapes and no memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from sensorium.training.learner import Learner

META = torch.device("meta")


@dataclass(frozen=True)
class Stage:
    """A stage that trains.

    Attributes:
        learner: of fake tensors.
        run: the passes of a step that have gradients, for some rows.
        teach: those without gradients, for some rows, and how often a step makes them on average; None: there are none.
        frozen: networks that the passes use and that are not trained.
        mode: in which the passes run.
    """

    learner: Learner
    run: Callable[[int], object]
    teach: tuple[Callable[[int], object], float] | None = None
    frozen: tuple[nn.Module, ...] = ()
    mode: FakeTensorMode = field(default_factory=FakeTensorMode)


def empty(*shape: int) -> Tensor:
    """A tensor of that shape, float32."""
    return torch.empty(*shape)
