"""Songs, composed in beats: a function of (seed, number).

Thirty-two bars of four beats, in four sections of eight bars (AABA, ABAB, AABB or ABAC). A section has a progression of
four bars that is played twice, and the second time ends in a turnaround; a groove, a bass line, chords that follow
each other by the shortest way, and a melody made of a motif and its answers. What returns, returns varied: notes are
drawn anew for every bar, from the same material. So the bars to come are in the style of those before and not a copy
of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sensorium.music.config import BEATS, SONG_BARS
from sensorium.music.grooves import Groove, Hit
from sensorium.music.parts import ROLES, Note, SectionMaterial, play
from sensorium.music.theory import MODES, PROGRESSIONS, TURNAROUNDS, Chord, Key, chord
from sensorium.randomness import stable_seed

SECTION = 8  # bars
FORMS = ("AABA", "ABAB", "AABB", "ABAC")


@dataclass(frozen=True)
class Song:
    """A song in beats.

    Attributes:
        key, form: as drawn.
        swing: by how much of a beat the second half of each beat is late.
        chords: in order.
        hits: of the drums, in order of their bars.
        notes: role -> its notes.
    """

    key: Key
    form: str
    swing: float
    chords: tuple[Chord, ...]
    hits: tuple[Hit, ...]
    notes: dict[str, tuple[Note, ...]]

    def swung(self, beat: float) -> float:
        """When a written beat is played."""
        whole, part = divmod(beat, 1.0)
        late = 0.5 + self.swing
        return whole + (part * 2 * late if part < 0.5 else late + (part - 0.5) * 2 * (1 - late))

    def chord_at(self, beat: float) -> Chord:
        """The chord that sounds at a beat."""
        return [each for each in self.chords if each.start <= beat + 1e-9][-1]


def compose(seed: int, number: int) -> Song:
    """Song `number` of a seed."""
    rng = np.random.default_rng(stable_seed(seed, "song", number))
    key = Key(int(rng.integers(12)), str(rng.choice(list(MODES))))
    form = str(rng.choice(FORMS))
    sevenths = bool(rng.random() < 0.4)
    materials = {name: SectionMaterial.draw(rng, key) for name in "ABC"}
    grooves = {name: Groove.draw(rng) for name in "ABC"}
    if rng.random() < 0.5:  # the same drums throughout
        grooves = dict.fromkeys("ABC", grooves["A"])
    progressions = {name: PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))] for name in "ABC"}
    turnarounds = {name: TURNAROUNDS[int(rng.integers(len(TURNAROUNDS)))] for name in "ABC"}
    swing = float(rng.choice([0.0, 0.0, 0.08, 0.16]))
    chords: list[Chord] = []
    hits: list[Hit] = []
    notes: dict[str, list[Note]] = {role: [] for role in ROLES}
    for bar in range(SONG_BARS):
        name, place = form[bar // SECTION], bar % SECTION
        degrees = turnarounds[name] if place == SECTION - 1 else (progressions[name][place % 4],)
        now = [
            chord(key, degree, BEATS * bar + BEATS * half / len(degrees), sevenths)
            for half, degree in enumerate(degrees)
        ]
        chords += now
        hits += grooves[name].bar(float(BEATS * bar), rng, place, opens=place == 0 and bar > 0)
        play(notes, materials[name], now, float(BEATS * bar), place, rng)
    return Song(key, form, swing, tuple(chords), tuple(hits), {role: tuple(part) for role, part in notes.items()})
