"""What the dynamics know of earlier frames: the memory of a stream, and the contexts of a training window.

Layouts: B windows, T frames, N tokens a frame, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sensorium.generation.kalman import Gaussian
from sensorium.models.cache import ContextCache, RingCache, select


class FilterCarry(NamedTuple):
    """What filter and stem know of the frames before: their posterior [B, N, C] and inputs [B, 2, N, C + 1]."""

    posterior: Gaussian
    stem: Tensor


class Carry(NamedTuple):
    """What the paths into the transformer know of the frames before.

    Attributes:
        filtered: of the tokens that are filtered; None if none are.
        recent: the last frames as they are, newest last, [B, r, N, C] of the fine path; None if there is none.
    """

    filtered: FilterCarry | None
    recent: Tensor | None

    def map(self, function: Callable[[Tensor], Tensor]) -> Carry:
        """All tensors, each after a selection of rows."""
        filtered, recent = self
        if filtered is not None:
            filtered = FilterCarry(filtered.posterior.map(function), function(filtered.stem))
        return Carry(filtered, None if recent is None else function(recent))

    @classmethod
    def joined(cls, parts: Sequence[Carry]) -> Carry:
        """The rows of all parts."""
        filters = [part.filtered for part in parts if part.filtered is not None]
        recent = [part.recent for part in parts if part.recent is not None]
        filtered = None
        if filters:
            means, variances = zip(*(carry.posterior for carry in filters), strict=True)
            posterior = Gaussian(torch.cat(means), torch.cat(variances))
            filtered = FilterCarry(posterior, torch.cat([carry.stem for carry in filters]))
        return cls(filtered, torch.cat(recent) if recent else None)


@dataclass
class Memory:
    """The past of a stream in constant space: a ring for each layer over time, and what the paths know."""

    caches: dict[int, RingCache]
    carry: Carry | None = None

    @classmethod
    def joined(cls, parts: Sequence[Memory]) -> Memory:
        """The memory of all rows of some streams, which have read as many frames as each other, one at least.

        It takes their rings out of several parts, so that those of one layer alone are in memory twice.
        """
        if len(parts) == 1:
            return parts[0]
        layers = list(parts[0].caches)
        rings = {layer: RingCache.joined([part.caches.pop(layer) for part in parts]) for layer in layers}
        return cls(rings, Carry.joined([part.carry for part in parts if part.carry is not None]))


@dataclass
class Context:
    """T context frames of B windows: keys and values of each layer over time; a carry after each frame, [B T, ...]."""

    caches: dict[int, ContextCache]
    carry: Carry

    def windows(self, which: Tensor) -> Context:
        """The context of the windows in `which`, bool [B] on the CPU, cut off from the gradient."""
        carry = self.carry.map(lambda rows: select(rows, which))
        return Context({layer: cache.windows(which) for layer, cache in self.caches.items()}, carry)
