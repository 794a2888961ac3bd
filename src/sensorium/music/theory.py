"""Keys, chords and progressions: the harmony of a song, without sound.

A chord is a set of pitch classes with a root; pitch class 0 is C. A progression is a list of scale degrees, one a bar.
"""

from __future__ import annotations

from dataclasses import dataclass

MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
PROGRESSIONS = (
    (0, 4, 5, 3),
    (0, 5, 3, 4),
    (5, 3, 0, 4),
    (0, 3, 4, 3),
    (0, 3, 0, 4),
    (1, 4, 0, 0),
    (0, 6, 3, 0),
    (0, 2, 3, 4),
    (3, 4, 2, 5),
    (0, 0, 3, 4),
    (5, 4, 3, 4),
    (0, 5, 1, 4),
)
TURNAROUNDS = ((4, 4), (1, 4), (3, 4), (6, 4))  # two chords that fill the last bar of a section


@dataclass(frozen=True)
class Key:
    """A tonic, as a pitch class, and a mode.

    Attributes:
        tonic: pitch class.
        mode: a name in MODES.
    """

    tonic: int
    mode: str

    def pitch(self, degree: int) -> int:
        """Semitones above C of a scale degree; 7 is the tonic an octave higher, -1 the degree below it."""
        octave, step = divmod(degree, 7)
        return self.tonic + MODES[self.mode][step] + 12 * octave


@dataclass(frozen=True)
class Chord:
    """A chord that begins at a beat and lasts until the next one.

    Attributes:
        start: in beats.
        degree: scale degree of its root.
        tones: pitch classes, the root first.
    """

    start: float
    degree: int
    tones: tuple[int, ...]


def chord(key: Key, degree: int, start: float, seventh: bool) -> Chord:
    """The triad, or the seventh chord, on a scale degree."""
    steps = (0, 2, 4, 6) if seventh else (0, 2, 4)
    return Chord(start, degree, tuple(key.pitch(degree + step) % 12 for step in steps))


def nearest_pitch(pitch_class: int, near: float) -> int:
    """The MIDI pitch of a pitch class that is closest to `near`."""
    return pitch_class + 12 * round((near - pitch_class) / 12)


def nearest_degree(key: Key, pitch: float) -> int:
    """The scale degree whose pitch is closest to a MIDI pitch."""
    around = 7 * (int(pitch) - key.tonic) // 12
    return min(range(around - 8, around + 9), key=lambda degree: abs(key.pitch(degree) - pitch))
