"""Where films are cut into recordings, and which split each part belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Piece:
    """Frames of a film that become a recording.

    Attributes:
        first: its first frame in the film.
        frames: how many it has.
        split: where it belongs; empty: where the whole film belongs.
        fields: as in a recording, once they are read.
    """

    first: int
    frames: int
    split: str = ""
    fields: Mapping[str, np.ndarray] = field(default_factory=dict)


class Cuts:
    """Parts of a film, each of one split, which are cut into pieces.

    Args:
        parts: (first frame, frame after the last one or None for the film's end, split), in order.
        frames: most frames of a piece.
        shortest: fewest frames of a piece.

    Attributes:
        end: frame from which on nothing is wanted; None: the film's end.
        taken: frame after the last one that was handed out.
        left_out: reason -> frames that will be in no piece, as far as is known.
    """

    def __init__(self, parts: list[tuple[int, int | None, str]], frames: int, shortest: int) -> None:
        self._parts, self._frames, self._shortest = list(parts), frames, shortest
        self.end = parts[-1][1] if parts else 0
        self.taken = 0
        self.left_out: dict[str, int] = {}
        self._at = 0

    @classmethod
    def beginning(cls, frames: int, shortest: int | None = None) -> Cuts:
        """The first frames alone, as one piece."""
        return cls([(0, frames, "")], frames, shortest or frames)

    @classmethod
    def by_time(cls, total: int, fractions: Mapping[str, float], gap: int, frames: int, shortest: int) -> Cuts:
        """A film that begins with training and ends with test.

        Args:
            total: its frames.
            fractions: split -> its share of the film, in order.
            gap: frames that are left out between two splits.
            frames, shortest: as for all cuts.
        """
        ends = [round(total * share) for share in np.cumsum(list(fractions.values()))]
        starts = [0, *(end + gap for end in ends[:-1])]
        parts: list[tuple[int, int | None, str]] = [
            (start, end, split) for split, start, end in zip(fractions, starts, ends, strict=True) if end > start
        ]
        if parts:
            parts[-1] = (parts[-1][0], None, parts[-1][2])  # the decoder's end is the end
        return cls(parts, frames, shortest)

    def due(self, ready: int, last: bool) -> Iterator[Piece]:
        """Pieces that can be cut from so many frames; with `last` there will be no more."""
        while self._parts:
            first, end, split = self._parts[0]
            self._skip(min(first, ready), "between two splits")
            stop = self._at + self._frames if end is None else min(self._at + self._frames, end)
            if stop > ready and not last:
                return
            count = max(0, min(stop, ready) - self._at)
            if count >= self._shortest:
                yield Piece(self._at, count, split)
                self._at += count
            else:
                self._skip(self._at + count, "shorter than data.shortest")
            if self._at == end or (last and self._at >= ready):
                self._parts.pop(0)
        if last:
            self._skip(ready, "after the first data.frames")

    def _skip(self, to: int, why: str) -> None:
        if to > self._at:
            self.left_out[why] = self.left_out.get(why, 0) + to - self._at
            self._at = to
