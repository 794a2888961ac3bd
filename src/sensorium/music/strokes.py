"""Strokes of kick, snare and hat, found in the sound of drums.

Each kind has a range of frequencies. A stroke is a rise of the power there, within 30 ms, that is the largest one
around, and as loud as most strokes of its kind are; it begins in the middle of the rise. Nothing is learned; the
thresholds were chosen on 30 songs of seed 300, which judge nothing (docs/music.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from sensorium.music.beat_features import RATE, Framed
from sensorium.music.midi import DRUM_CHANNEL, MidiNote

FRAMES = 200  # a second
SIZE = 1024  # samples of a window
BEFORE = 6  # frames that a stroke is louder than
AROUND = 8  # frames to either side in which no other rise is larger
LOUDEST = 90  # percentile of the levels of all rises: what a usual stroke of a kind has
FLOOR = 0.01  # of the mean power in a range, below which nothing is heard
LOUDNESS = 40.0  # dB over which velocities go from 127 to a tenth
LENGTH = 0.25  # of a note, in beats


@dataclass(frozen=True)
class Kind:
    """What a kind of stroke is found by.

    Attributes:
        key: of General MIDI.
        low, high: Hz.
        rise: dB within BEFORE frames, at least.
        range: dB below the usual level, at most.
    """

    key: int
    low: float
    high: float
    rise: float
    range: float


KINDS = {
    "kick": Kind(36, 30, 120, 6, 8),
    "snare": Kind(38, 400, 6000, 10, 8),
    "hat": Kind(42, 6000, 12_000, 4, 16),
}


@dataclass(frozen=True)
class Stroke:
    """A stroke.

    Attributes:
        seconds: when it begins.
        kind: of KINDS.
        level: dB relative to the loudest one of its kind.
    """

    seconds: float
    kind: str
    level: float


class StrokeListener:
    """Hears the drums of a sound, piece by piece; it remembers 2.4 kB a second."""

    def __init__(self) -> None:
        frequencies = torch.fft.rfftfreq(SIZE, 1 / RATE)
        heard = [(frequencies >= kind.low) & (frequencies < kind.high) for kind in KINDS.values()]
        self._powers = Framed(SIZE, RATE // FRAMES, torch.stack(heard, 1).float(), power=2)

    def add(self, part: np.ndarray) -> None:
        """The next piece, [channels, n]."""
        self._powers.add(torch.from_numpy(part.mean(0, dtype=np.float32)))

    def strokes(self) -> list[Stroke]:
        """In order of time; the end of a sound, which windows do not reach, is none."""
        powers = self._powers.frames()
        found = [stroke for number, name in enumerate(KINDS) for stroke in _of_kind(powers[:, number], name)]
        return sorted(found, key=lambda stroke: (stroke.seconds, stroke.kind))


def _of_kind(power: np.ndarray, name: str) -> list[Stroke]:
    """Strokes of one kind from the power in its range, [n]."""
    kind = KINDS[name]
    if not power.any():
        return []
    level = 10 * np.log10(power + FLOOR * power.mean())
    before = minimum_filter1d(level, BEFORE, origin=(BEFORE - 1) // 2, mode="nearest")
    rises = level - np.append(level[0], before[:-1])
    places = np.flatnonzero((rises >= maximum_filter1d(rises, 2 * AROUND + 1)) & (rises > kind.rise))
    if not len(places):
        return []
    levels = maximum_filter1d(level, 4, origin=-2, mode="nearest")[places]  # of the next four frames
    usual, loudest = np.percentile(levels, LOUDEST), levels.max()
    found: list[Stroke] = []
    for peak, loud in zip(places.tolist(), levels.tolist(), strict=True):
        place, middle = peak, level[peak] - rises[peak] / 2
        while place and level[place - 1] > middle:
            place -= 1
        seconds = place / FRAMES
        if loud > usual - kind.range and (not found or seconds - found[-1].seconds > AROUND / FRAMES - 1e-9):
            found.append(Stroke(seconds, name, loud - float(loudest)))
    return found


def as_notes(strokes: list[Stroke], tempo: float) -> list[MidiNote]:
    """Notes of General MIDI at a tempo in beats a minute; the sound begins with a bar."""
    return [
        MidiNote(
            start=stroke.seconds * tempo / 60,
            length=LENGTH,
            channel=DRUM_CHANNEL,
            program=0,
            pitch=KINDS[stroke.kind].key,
            velocity=int(np.clip(round(127 * 10 ** (stroke.level / LOUDNESS)), 1, 127)),
        )
        for stroke in strokes
    ]
