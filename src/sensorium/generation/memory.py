"""What the dynamics know of earlier frames: the memory of a stream, and the contexts of a training window.

Layouts: B windows, T frames, N tokens a frame, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sensorium.generation.kalman import Gaussian
from sensorium.models.cache import ContextCache, RingCache, select


class Carry(NamedTuple):
    """What filter and stem know of the frames before: their posterior [B, N, C] and inputs [B, 2, N, C + 1]."""

    posterior: Gaussian
    stem: Tensor


@dataclass
class Memory:
    """The past of a stream in constant space: a ring for each layer over time, and what filter and stem know."""

    caches: dict[int, RingCache]
    carry: Carry | None = None

    @classmethod
    def joined(cls, parts: Sequence[Memory]) -> Memory:
        """The memory of all rows of some streams, which have read as many frames as each other, one at least."""
        if len(parts) == 1:
            return parts[0]
        rings = {layer: RingCache.joined([part.caches[layer] for part in parts]) for layer in parts[0].caches}
        carries = [part.carry for part in parts if part.carry is not None]
        means, variances = zip(*(carry.posterior for carry in carries), strict=True)
        stem = torch.cat([carry.stem for carry in carries])
        return cls(rings, Carry(Gaussian(torch.cat(means), torch.cat(variances)), stem))


@dataclass
class Context:
    """T context frames of B windows: keys and values of each layer over time; a carry after each frame, [B T, ...]."""

    caches: dict[int, ContextCache]
    carry: Carry

    def windows(self, which: Tensor) -> Context:
        """The context of the windows in `which`, bool [B] on the CPU, cut off from the gradient."""
        posterior, stem = self.carry
        carry = Carry(posterior.map(lambda part: select(part, which)), select(stem, which))
        return Context({layer: cache.windows(which) for layer, cache in self.caches.items()}, carry)
