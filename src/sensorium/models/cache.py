"""What the positions of a time layer see: a ring of the past in dreams, frames that were read in training."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

AHEAD = 2  # positions a pass may add to a ring that is not empty: one to keep, one that is still being made


class Cache(Protocol):
    """Where positions lie, and which keys and values they look at."""

    def positions(self, length: int) -> Tensor:
        """Positions of the next `length` entries, int64 [L]."""
        ...

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take the next entries; keys and values [B, H, M, C] to look at, and who may see them, bool [L, M]."""
        ...

    def keep(self, positions: int) -> None:
        """Count the first `positions` of the last pass as past."""
        ...


class RingCache:
    """Keys and values of the last positions of one attention layer, in buffers that never move.

    Position p lies in slot p % (window + AHEAD). Every position of a pass is written; those that the caller does not
    keep (`keep`) are written over by the next pass, which begins where the kept ones end. A position sees the last
    `window` ones, itself included, as `Attention` does in training. The count of positions is a tensor on the device,
    so a pass has the same shape and the same addresses every time, as CUDA graphs need.

    Args:
        window: positions that are seen.
        device: where.
    """

    def __init__(self, window: int, device: torch.device) -> None:
        self.window, self.slots = window, window + AHEAD
        self.count = torch.zeros((), dtype=torch.int64, device=device)
        self._slot = torch.arange(self.slots, device=device)
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    def positions(self, length: int) -> Tensor:
        """Positions of the next `length` entries, int64 [L]."""
        return self.count + torch.arange(length, device=self.count.device)

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Write the next positions, [B, H, L, C] each; L is at most AHEAD, or anything into an empty ring.

        Returns:
            keys and values [B, H, M, C] to look at, and which of them each new position may see, bool [L, M].
        """
        length, new = key.shape[2], self.positions(key.shape[2])
        if self._keys is None or self._values is None:
            shape = (*key.shape[:2], self.slots, key.shape[3])
            self._keys, self._values = key.new_zeros(shape), value.new_zeros(shape)
        elif length > AHEAD:
            raise ValueError(f"{length} positions at once: a ring in use takes {AHEAD} at most")
        kept = slice(max(0, length - self.slots), length)
        places = new[kept] % self.slots
        self._keys.index_copy_(2, places, key[:, :, kept])
        self._values.index_copy_(2, places, value[:, :, kept])
        if length > AHEAD:  # the ring was empty: what is new is all there is
            distance = new[:, None] - new
            return key, value, (distance >= 0) & (distance < self.window)
        last = new[-1]
        position = last - (last - self._slot) % self.slots  # of what lies in each slot
        distance = new[:, None] - position
        return self._keys, self._values, (distance >= 0) & (distance < self.window) & (position >= 0)

    def keep(self, positions: int) -> None:
        """Count the first `positions` of the last pass as past; the others are forgotten."""
        self.count += positions


class PastCache:
    """Frames 0 ... T - 1 that are read in a first pass, and frames 1 ... T, each of which follows those before it.

    A read frame sees the last `window` read ones, itself included; a following one itself and the `window - 1` read
    frames before it, as a dream's newest frame does. No following frame is seen by another: a training pass denoises
    every frame as if the others were past or not yet there (the mask of Arriola et al. 2025, "Block diffusion",
    arXiv:2503.09573, section 3.1, with frames for blocks).

    Args:
        window: positions that are seen.
        device: where.
        read: keys and values [B, H, T, C] of the frames that were read; None: the next pass reads them.
    """

    def __init__(self, window: int, device: torch.device, read: tuple[Tensor, Tensor] | None = None) -> None:
        self.window, self.device, self.read = window, device, read

    def positions(self, length: int) -> Tensor:
        """Positions of the frames of this pass, int64 [T]."""
        return torch.arange(length, device=self.device) + (self.read is not None)

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take what is read, or join what follows to it; who may see what, bool [T, T] or [T, 2 T]."""
        position = torch.arange(key.shape[2], device=key.device)
        distance = position[:, None] - position
        if self.read is None:
            self.read = key, value
            return key, value, (distance >= 0) & (distance < self.window)
        past = (distance >= 0) & (distance < self.window - 1)
        keys, values = (torch.cat(pair, dim=2) for pair in zip(self.read, (key, value), strict=True))
        return keys, values, torch.cat([past, distance == 0], dim=1)

    def keep(self, positions: int) -> None:
        """All that was read is kept."""
