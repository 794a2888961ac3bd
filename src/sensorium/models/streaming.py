"""One interface for all that reads a sequence frame by frame: an explicit memory, of constant size, and a step.

Layouts: B sequences, T frames of a call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

Memory = TypeVar("Memory")
Frames = TypeVar("Frames", contravariant=True)
Output = TypeVar("Output", covariant=True)


class Causal(Protocol[Memory, Frames, Output]):
    """A causal map of a sequence: the output of frame t depends on frames 0 ... t alone.

    Reading a sequence step by step gives what reading it at once gives, up to float rounding. Tokenizers have two such
    maps, `encoding` and `decoding`. The dynamics have one with more inputs, which `dream.Dreamer` calls frame by frame.
    """

    def remember(self) -> Memory:
        """The memory of a sequence that begins."""
        ...

    def step(self, memory: Memory, frames: Frames) -> Output:
        """The output of the next frames; the memory is changed in place.

        The first call may have any number of frames. Later calls have one or two (`cache.RingCache`).
        """
        ...


@dataclass(frozen=True)
class Cached(Generic[Memory]):
    """A causal map that attends to keys and values of earlier frames (`Causal`).

    Args:
        remember: makes an empty cache.
        run: frames [B, T, ...] and the cache -> output [B, T, ...].
    """

    remember: Callable[[], Memory]
    run: Callable[[Tensor, Memory], Tensor]

    def step(self, memory: Memory, frames: Tensor) -> Tensor:
        """The output [B, T, ...] of the next frames [B, T, ...]."""
        return self.run(frames, memory)


@dataclass
class Recent:
    """The newest frames [B, at most `past`, ...] of a sequence; None before the first one."""

    frames: Tensor | None = None


@dataclass(frozen=True)
class Overlap:
    """A causal map with a finite receptive field, which is given the frames before the new ones again (`Causal`).

    Args:
        run: frames [B, T, ...] -> output [B, T, ...].
        past: frames before a frame that its output depends on.
    """

    run: Callable[[Tensor], Tensor]
    past: int

    def remember(self) -> Recent:
        """No frames."""
        return Recent()

    def step(self, memory: Recent, frames: Tensor) -> Tensor:
        """The output [B, T, ...] of the next frames [B, T, ...], of any number."""
        known = frames if memory.frames is None else torch.cat([memory.frames, frames], dim=1)
        memory.frames = known[:, -self.past :] if self.past else None
        return self.run(known)[:, -frames.shape[1] :]
