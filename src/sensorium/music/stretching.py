"""Another speed at the same pitch, piece by piece: a phase vocoder with locked phases.

Frame k is written around sample k * HOP and read around sample k * HOP * speed. From frame to frame, every spectral
peak turns by as much as the sound itself turns in HOP samples at that place, and the bins around a peak turn with it
(Laroche and Dolson, "Improved phase vocoder time-scale modification of audio", 1999). Where a stroke begins, all phases
are the sound's own, so it keeps its shape. The mean of the channels decides for all of them, so the stereo image stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

SIZE = 4096  # samples of a window at 48 kHz: 85 ms
HOP = SIZE // 4
GAIN = 1.5  # sum of the squared windows
LOUDER, SHARE = 2.0, 0.3  # a stroke: so many times the magnitude of HOP samples before, in this share of the bins
UNHEARD, NOTHING = 1e-4, 1e-12  # of the largest magnitude; what keeps quotients finite
SLOWEST, FASTEST = 0.5, 2.0


def length_of(samples: int, speed: float) -> int:
    """Samples of a sound at another speed."""
    return round(samples / speed)


def stretched(blocks: Iterable[np.ndarray], samples: int, speed: float) -> Iterator[np.ndarray]:
    """A sound at another speed, float32 [channels, n] at a time.

    Args:
        blocks: the sound, [channels, n] at a time.
        samples: all of them together.
        speed: how many times faster; at 1 nothing changes.
    """
    if speed == 1:
        yield from blocks
        return
    window, source = torch.hann_window(SIZE), _Source(blocks)
    wanted, done = length_of(samples, speed), 0
    tail, last = None, None
    for frame in range(-(-(wanted + SIZE // 2) // HOP)):
        place = round(frame * HOP * speed) - SIZE // 2
        piece = source.read(place - HOP, SIZE + HOP)
        pair = torch.fft.rfft(torch.stack((piece[:, :SIZE], piece[:, HOP:])) * window)
        before, now = pair.mean(1)
        turn = _turn(last, before, now)
        last = now * turn
        written = torch.fft.irfft(pair[1] * turn, SIZE) * (window / GAIN)
        if tail is not None:
            written[:, :-HOP] += tail
        tail = written[:, HOP:]
        skipped = max(0, min(HOP, SIZE // 2 - frame * HOP))  # lies before the first sample
        ready = written[:, skipped : min(HOP, skipped + wanted - done)]
        done += ready.shape[1]
        if ready.shape[1]:
            yield ready.numpy()


def _turn(last: Tensor | None, before: Tensor, now: Tensor) -> Tensor:
    """What a frame is multiplied by, complex [bins], of magnitude 1.

    Args:
        last: the spectrum that was written in the frame before; None: there is none.
        before, now: the sound HOP samples before this frame, and in it.
    """
    magnitude = now.abs()
    louder = magnitude > LOUDER * before.abs() + UNHEARD * magnitude.max()
    if last is None or louder.float().mean() > SHARE:
        return torch.ones_like(now)
    own = last * before.conj()
    own = own / own.abs().clamp_min(NOTHING)
    around = torch.nn.functional.max_pool1d(magnitude[None], 5, 1, 2)[0]
    peaks = torch.nonzero(magnitude == around)[:, 0]
    borders = (peaks[1:] + peaks[:-1] + 1) // 2
    nearest = torch.bucketize(torch.arange(len(now)), borders, right=True)
    return own[peaks[nearest]]


class _Source:
    """A sound whose samples are read in order, with zeros before and after it."""

    def __init__(self, blocks: Iterable[np.ndarray]) -> None:
        self._blocks, self._first = iter(blocks), 0  # sample that is held first
        self._held = torch.from_numpy(np.ascontiguousarray(next(self._blocks)))

    def read(self, place: int, count: int) -> Tensor:
        """Samples [channels, count] from `place` on; earlier ones are not read again."""
        while self._first + self._held.shape[1] < place + count:
            block = next(self._blocks, None)
            if block is None:
                break
            self._held = torch.cat((self._held, torch.from_numpy(np.ascontiguousarray(block))), 1)
        if (drop := place - self._first) > 0:
            self._held, self._first = self._held[:, drop:], self._first + min(drop, self._held.shape[1])
        offset = place - self._first
        found = self._held[:, max(0, offset) : max(0, offset + count)]
        left = min(count, max(0, -offset))
        return torch.nn.functional.pad(found, (left, count - left - found.shape[1]))
