"""Going on beyond the end: a song in pieces, then bars of its own that are chosen by `next_bars`.

A song that lasts longer than the other one goes on with its own next bars first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from sensorium.music.alignment import Placed
from sensorium.music.config import BEATS
from sensorium.music.next_bars import FADE, bars_as_heard, joined, next_bars, resemblance
from sensorium.music.sound_files import RATE, SoundFileError

HELD = 32  # bars that are remembered, and may come again
LACKING = 0.05  # seconds that a last bar may lack
FEWEST = 2  # bars of which others can be made
PIECE = 2 * RATE  # samples


@dataclass
class Continuation:
    """How one song is played on.

    Attributes:
        bar: samples of a bar.
        own: whole bars that the song has, and that are used.
        total: bars that are wanted of it.
        cut: bars at the beginning that are not whole, and never come again.
        drums: whether its drums are what is heard of it, or its harmony.
        picked: bars of the song that were chosen for those it lacks, from 0 on, once they are.
    """

    bar: float
    own: int
    total: int
    cut: int
    drums: bool
    picked: list[int] = field(default_factory=list)

    @property
    def samples(self) -> int:
        """Of its own bars."""
        return round(self.own * self.bar)

    def play(self, pieces: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Its own bars as they come, [mixture and drums, channels, n], and then those that go on.

        Args:
            pieces: its own `samples`.
        """
        if self.own == self.total:
            yield from pieces
            return
        first = max(self.cut, self.own - HELD)
        begin, given, heard, waiting = round(first * self.bar), 0, 0, deque[np.ndarray]()
        for piece in pieces:
            heard += piece.shape[-1]
            waiting.append(piece)
            while waiting and heard - sum(each.shape[-1] for each in waiting) + waiting[0].shape[-1] <= begin:
                waiting.popleft()
            ready = min(heard, self.samples - FADE) - given  # the last ones fade
            if ready > 0:
                yield piece[..., piece.shape[-1] - (heard - given) :][..., :ready]
                given += ready
        held = np.concatenate(waiting, -1)[..., begin - heard :]
        waiting.clear()
        self.picked = [first + number for number in self._chosen(held)]
        more = joined(held, self.bar, [number - first for number in self.picked], first)
        for start in range(0, more.shape[-1], PIECE):
            yield more[..., start : start + PIECE]

    def _chosen(self, held: np.ndarray) -> list[int]:
        """Bars by number, from the first one that is held on."""
        mixture, drums = held.mean(1)
        heard = bars_as_heard(drums if self.drums else mixture - drums, self.bar)
        return next_bars(resemblance(heard[0 if self.drums else 1]), self.total - self.own)


def played_on(placed: Sequence[Placed], bars: int) -> tuple[list[Continuation], int]:
    """How both songs are played until so many bars after the last whole bar of the shorter one; samples in all.

    Raises:
        SoundFileError: if it has too few.
    """
    bar = 60 * BEATS * RATE / placed[0].tempo
    whole = [int((each.sounding + LACKING * RATE) // bar) for each in placed]
    cut = [int(each.start < -LACKING * RATE) for each in placed]
    usable = [own - lost for own, lost in zip(whole, cut, strict=True)]
    if min(usable) < FEWEST:
        shorter = placed[usable.index(min(usable))].song
        raise SoundFileError(
            f"{shorter.path}: {min(usable)} whole bars of {bar / RATE:.2f} seconds; --bars needs {FEWEST} of which "
            "others can be made, use a longer song"
        )
    total = min(whole) + bars
    parts = zip(whole, cut, (True, False), strict=True)
    return [Continuation(bar, min(own, total), total, lost, drums) for own, lost, drums in parts], round(total * bar)


def padded(blocks: Iterator[np.ndarray], channels: int, samples: int) -> Iterator[np.ndarray]:
    """A sound with zeros after it until it has so many samples."""
    for block in blocks:
        yield block
        samples -= block.shape[1]
    if samples > 0:
        yield np.zeros((channels, samples), np.float32)


def together(streams: Sequence[Iterator[np.ndarray]]) -> Iterator[list[np.ndarray]]:
    """Pieces of equal length of sounds that are equally long, whatever the lengths of theirs, [..., n]."""
    held: list[np.ndarray | None] = [next(stream, None) for stream in streams]
    while parts := [part for part in held if part is not None]:
        if len(parts) < len(held):
            raise ValueError("sounds of different lengths")
        count = min(part.shape[-1] for part in parts)
        yield [part[..., :count] for part in parts]
        held = [
            part[..., count:] if part.shape[-1] > count else next(stream, None)
            for part, stream in zip(parts, streams, strict=True)
        ]
