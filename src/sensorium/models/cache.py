"""Which positions a layer over time sees: a ring of past frames in streams, frames of context in training.

Layouts: B rows, H heads of keys, L positions of a pass, M positions that are seen, C channels a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

AHEAD = 2  # positions a pass may add to a ring in use: one to keep, one that is still being denoised


def causal_mask(queries: Tensor, keys: Tensor, window: int) -> Tensor:
    """Which positions see which: position p sees p - window + 1, ..., p. Int [L] and [M] -> bool [L, M]."""
    distance = queries[:, None] - keys
    return (distance >= 0) & (distance < window)


class Cache(Protocol):
    """Positions, keys and values of one attention layer between passes."""

    def positions(self, length: int) -> Tensor:
        """Positions of the next `length` entries, int64 [L]."""
        ...

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Add entries [B, H, L, C]; return keys and values [B, H, M, C] and which entry sees which, bool [L, M]."""
        ...

    def keep(self, positions: int) -> None:
        """Make the first `positions` entries of the last pass part of the past."""
        ...


class RingCache:
    """Keys and values of the last positions of one attention layer, in buffers that never move.

    Position p is stored in slot p % (window + AHEAD). A pass writes all of its positions; the next pass begins after
    the positions that were kept (`keep`) and overwrites the others. A position sees the last `window` positions, itself
    included, as `Attention` does in training. The count of positions is a tensor on the device, so every pass has the
    same shapes and addresses, as CUDA graphs need.

    Args:
        window: number of positions that are seen.
        device: where the buffers are stored.
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
        """Write the next positions, [B, H, L, C] each.

        Returns:
            keys and values [B, H, M, C], and which of them each new position sees, bool [L, M].

        Raises:
            ValueError: if a ring in use is given more than AHEAD positions; an empty one may be given any number.
        """
        length, new = key.shape[2], self.positions(key.shape[2])
        if self._keys is None or self._values is None:
            shape = (*key.shape[:2], self.slots, key.shape[3])
            self._keys, self._values = key.new_zeros(shape), value.new_zeros(shape)
        elif length > AHEAD:
            raise ValueError(f"{length} positions at once: a ring in use takes {AHEAD} at most")
        written = slice(max(0, length - self.slots), length)
        slots = new[written] % self.slots
        self._keys.index_copy_(2, slots, key[:, :, written])
        self._values.index_copy_(2, slots, value[:, :, written])
        if length > AHEAD:  # the ring was empty, so the new positions are all there are
            return key, value, causal_mask(new, new, self.window)
        last = new[-1]
        position = last - (last - self._slot) % self.slots  # of the entry in each slot; negative: empty
        return self._keys, self._values, causal_mask(new, position, self.window) & (position >= 0)

    def keep(self, positions: int) -> None:
        """Make the first `positions` entries of the last pass part of the past; the others are forgotten."""
        self.count += positions

    @classmethod
    def joined(cls, rings: Sequence[RingCache]) -> RingCache:
        """One ring for all rows of rings that are as far as each other."""
        whole = cls(rings[0].window, rings[0].count.device)
        whole.count = rings[0].count
        whole._keys, whole._values = (
            torch.cat([part for ring in rings if (part := getattr(ring, name)) is not None])
            for name in ("_keys", "_values")
        )
        return whole


class ContextCache:
    """Keys and values of T context frames, for T frames that are denoised in a second pass.

    A context frame sees the last `window` context frames, itself included. Denoised frame t stands at position t + 1:
    it sees itself and the `window - 1` context frames before it, as the newest frame of a stream does. No denoised
    frame sees another one, so one pass trains all of them, each after its own past (the mask of Arriola et al. 2025,
    "Block diffusion", arXiv:2503.09573, section 3.1, with frames for blocks).

    Args:
        window: number of positions that are seen.
        device: where the positions are.
        context: keys and values of the context frames, [B, H, T, C] each; None: the next pass adds them.
    """

    def __init__(self, window: int, device: torch.device, context: tuple[Tensor, Tensor] | None = None) -> None:
        self.window, self.device, self.context = window, device, context

    def positions(self, length: int) -> Tensor:
        """Positions of the frames of this pass, int64 [T]."""
        return torch.arange(length, device=self.device) + (self.context is not None)

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Store context frames, or join denoised ones to them; the mask is bool [T, T] or [T, 2 T]."""
        frame = torch.arange(key.shape[2], device=key.device)
        if self.context is None:
            self.context = key, value
            return key, value, causal_mask(frame, frame, self.window)
        keys, values = (torch.cat(pair, dim=2) for pair in zip(self.context, (key, value), strict=True))
        before, itself = causal_mask(frame, frame, self.window - 1), frame[:, None] == frame
        return keys, values, torch.cat([before, itself], dim=1)

    def keep(self, positions: int) -> None:
        """Do nothing: the whole context is kept, and denoised frames never become part of it."""

    def windows(self, which: Tensor) -> ContextCache:
        """The cache of the windows in `which` (`select`)."""
        assert self.context is not None
        key, value = (select(part, which) for part in self.context)
        return ContextCache(self.window, self.device, (key, value))


def select(rows: Tensor, which: Tensor) -> Tensor:
    """Rows of some windows, cut off from the gradient.

    Args:
        rows: [B * r, ...], r successive rows of each window.
        which: bool [B] on the CPU, the windows.
    """
    return rows_of(rows.detach().unflatten(0, (len(which), -1)), which).flatten(0, 1)


def rows_of(x: Tensor, which: Tensor | slice) -> Tensor:
    """Rows of x [B, ...] on any device.

    Args:
        x: the rows.
        which: bool [B] on the CPU, because the number of rows of a mask on a GPU is known only there; or a slice.
    """
    return x[which] if isinstance(which, slice) else x.index_select(0, row_numbers(which, x.device))


def row_numbers(which: Tensor, device: torch.device) -> Tensor:
    """Numbers of the rows that are set in `which`, bool [B] on the CPU: int64 on the device."""
    return which.nonzero()[:, 0].to(device, non_blocking=True)
