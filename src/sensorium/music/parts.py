"""The pitched parts of a song: bass, chords and lead, bar by bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sensorium.music.theory import Chord, Key, nearest_degree, nearest_pitch

ROLES = ("bass", "chords", "lead")
BAR = 4.0  # beats
BASS, MIDDLE = 40, 62  # MIDI pitches that bass and chords stay close to
BASS_RHYTHMS = (
    ((0, 1.5), (1.5, 0.5), (2, 1.5), (3.5, 0.5)),
    ((0, 0.5), (0.5, 0.5), (1, 0.5), (1.5, 0.5), (2, 0.5), (2.5, 0.5), (3, 0.5), (3.5, 0.5)),
    ((0, 1), (1, 1), (2, 1), (3, 1)),
    ((0, 0.75), (0.75, 0.75), (1.5, 0.5), (2.5, 1.0)),
    ((0, 3.0), (3, 1.0)),
    ((0, 0.5), (1.5, 0.5), (2.25, 0.75), (3, 0.5)),
)
CHORD_RHYTHMS = (
    ((0, 4.0),),
    ((0, 2.0), (2, 2.0)),
    ((0.5, 0.4), (1.5, 0.4), (2.5, 0.4), (3.5, 0.4)),
    ((0, 1.4), (1.5, 2.4)),
    ((0, 0.9), (1, 0.9), (2, 0.9), (3, 0.9)),
    ((0, 0.7), (0.75, 0.7), (1.5, 0.9), (2.5, 1.4)),
)
LEAD_RHYTHMS = (
    ((0, 1.0), (1, 0.5), (1.5, 0.5), (2, 1.5)),
    ((0.5, 0.5), (1, 0.5), (1.5, 1.0), (3, 1.0)),
    ((0, 0.5), (0.5, 0.5), (1, 0.5), (1.5, 0.5), (2, 2.0)),
    ((0, 3.0),),
    ((1, 0.75), (1.75, 0.75), (2.5, 1.5)),
    ((0, 0.25), (0.25, 0.25), (0.5, 0.5), (1, 1.0), (2.5, 0.5), (3, 0.5)),
)


@dataclass(frozen=True)
class Note:
    """A note.

    Attributes:
        start, length: in beats.
        pitch: MIDI number.
        loudness: amplitude, in (0, 1].
    """

    start: float
    length: float
    pitch: int
    loudness: float


Rhythm = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class SectionMaterial:
    """What the pitched parts of a section are made of.

    Attributes:
        key: of the song.
        bass, chords: rhythms of a bar, (start, length) in beats.
        motif, answer: rhythms of the lead in bars 1 and 3, and in bars 2 and 4.
        contour: steps of the scale from note to note of the lead.
        register: MIDI pitch that the lead stays close to.
        rests: chance that the lead is silent in a bar.
        leaps: chance that the bass plays the fifth or the octave.
        walks: whether the bass moves to the next bar by step.
    """

    key: Key
    bass: Rhythm
    chords: Rhythm
    motif: Rhythm
    answer: Rhythm
    contour: tuple[int, ...]
    register: int
    rests: float
    leaps: float
    walks: bool

    @classmethod
    def draw(cls, rng: np.random.Generator, key: Key) -> SectionMaterial:
        """SectionMaterial at random."""

        def one(rhythms: Sequence[Rhythm]) -> Rhythm:
            return rhythms[int(rng.integers(len(rhythms)))]

        return cls(
            key,
            one(BASS_RHYTHMS),
            one(CHORD_RHYTHMS),
            one(LEAD_RHYTHMS),
            one(LEAD_RHYTHMS),
            contour=tuple(int(step) for step in rng.integers(-2, 3, 8)),
            register=int(rng.integers(69, 80)),
            rests=float(rng.choice([0.1, 0.3, 0.6])),
            leaps=float(rng.uniform(0.1, 0.5)),
            walks=bool(rng.random() < 0.5),
        )


def play(
    notes: dict[str, list[Note]],
    material: SectionMaterial,
    chords: Sequence[Chord],
    start: float,
    place: int,
    rng: np.random.Generator,
) -> None:
    """Append the notes of a bar to each part.

    Args:
        notes: role -> notes so far; chords are voiced close to the last ones.
        material: of the section.
        chords: of the bar.
        start: of the bar, in beats.
        place: of the bar within its section of eight.
        rng: draws variations.
    """
    notes["bass"] += _bass(material, chords, start, rng)
    notes["chords"] += _chords(material, chords, start, notes["chords"], rng)
    if rng.random() >= material.rests:
        notes["lead"] += _lead(material, chords, start, place, rng)


def _sounding(chords: Sequence[Chord], beat: float) -> Chord:
    return [chord for chord in chords if chord.start <= beat + 1e-9][-1]


def _bass(material: SectionMaterial, chords: Sequence[Chord], start: float, rng: np.random.Generator) -> list[Note]:
    found = []
    for beat, length in material.bass:
        if beat and rng.random() < 0.12:
            continue
        chord = _sounding(chords, start + beat)
        pitch = nearest_pitch(chord.tones[0], BASS)
        if beat and rng.random() < material.leaps:
            pitch = int(rng.choice([nearest_pitch(chord.tones[2], BASS), pitch + 12]))
        if material.walks and beat >= BAR - 1 and rng.random() < 0.7:
            pitch = material.key.pitch(nearest_degree(material.key, pitch) + int(rng.choice([-1, 1])))
        found.append(Note(start + beat, 0.9 * length, pitch, rng.uniform(0.75, 1.0)))
    return found


def _chords(
    material: SectionMaterial, chords: Sequence[Chord], start: float, before: Sequence[Note], rng: np.random.Generator
) -> list[Note]:
    near = before[-1].pitch - 4 if before else MIDDLE
    near = int(np.clip(near, MIDDLE - 5, MIDDLE + 5))
    beats = [*material.chords, *((chord.start - start, 0.9) for chord in chords[1:])]
    found = []
    for beat, length in sorted(set(beats)):
        if beat and rng.random() < 0.15:
            continue
        chord = _sounding(chords, start + beat)
        following = [other.start for other in chords if other.start > start + beat + 1e-9]
        length = min(length, min(following, default=start + BAR) - start - beat)
        loudness = rng.uniform(0.6, 0.85)
        for tone in chord.tones:
            found.append(Note(start + beat, length, nearest_pitch(tone, near), loudness * rng.uniform(0.9, 1.0)))
    return found


def _lead(
    material: SectionMaterial, chords: Sequence[Chord], start: float, place: int, rng: np.random.Generator
) -> list[Note]:
    rhythm = material.answer if place % 2 else material.motif
    tone = _sounding(chords, start).tones[int(rng.integers(3))]
    degree = nearest_degree(material.key, nearest_pitch(tone, material.register))
    found = []
    for number, (beat, length) in enumerate(rhythm):
        if number:
            step = material.contour[(number + 4 * (place % 2)) % len(material.contour)]
            degree += step if rng.random() < 0.75 else int(rng.integers(-2, 3))
        pitch = material.key.pitch(degree)
        degree -= 7 if pitch > material.register + 9 else -7 if pitch < material.register - 9 else 0
        found.append(Note(start + beat, 0.95 * length, material.key.pitch(degree), rng.uniform(0.7, 1.0)))
    return found
