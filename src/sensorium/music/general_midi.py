"""Songs of the own composer as notes of General MIDI, and notes in another key on other instruments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sensorium.music.midi import DRUM_CHANNEL, MidiNote
from sensorium.music.rendering import LATEST
from sensorium.music.song import Song

CHANNELS = {"bass": 0, "chords": 1, "lead": 2}
KEYS = {
    "kick": 36, "snare": 38, "rim": 37, "clap": 39, "hat": 42, "open": 46, "ride": 51, "crash": 49, "low tom": 45,
    "middle tom": 47, "high tom": 50, "shaker": 70,
}  # fmt: skip
PROGRAMS = {  # of General MIDI, from 0 on
    "bass": tuple(range(32, 40)),
    "chords": (0, 1, 2, 4, 5, 16, 17, 18, 24, 25, 26, 27, 48, 49, 50, 51, 61, 88, 89, 90),
    "lead": (11, 12, 40, 56, 64, 65, 68, 71, 73, 75, 78, 80, 81, 82),
}
PITCHED = tuple(range(96))  # programs: those beyond are effects and struck instruments
FARTHEST = 5  # semitones to another key


def scored(song: Song, rng: np.random.Generator, kits: Sequence[int]) -> tuple[MidiNote, ...]:
    """A song as notes of General MIDI, on instruments at random, a little early or late."""

    def note(start: float, length: float, channel: int, program: int, pitch: int, loudness: float) -> MidiNote:
        begins = song.swung(start)
        velocity = int(np.clip(round(127 * loudness), 1, 127))
        late = rng.uniform(-LATEST, LATEST) * 2  # beats of half a second
        return MidiNote(max(0.0, begins + late), song.swung(start + length) - begins, channel, program, pitch, velocity)

    kit = int(rng.choice(list(kits)))
    found = [note(hit.start, 0.25, DRUM_CHANNEL, kit, KEYS[hit.piece], hit.loudness) for hit in song.hits]
    for role, notes in song.notes.items():
        program = int(rng.choice(PROGRAMS[role]))
        found += [note(each.start, each.length, CHANNELS[role], program, each.pitch, each.loudness) for each in notes]
    return tuple(found)


def varied(notes: Sequence[MidiNote], rng: np.random.Generator, kits: Sequence[int]) -> tuple[MidiNote, ...]:
    """The same notes in another key; in half of the cases on other instruments and another drum kit, too."""
    key, redrawn = int(rng.integers(-FARTHEST, FARTHEST + 1)), bool(rng.random() < 0.5)
    kit = int(rng.choice(list(kits)))
    programs: dict[tuple[int, int], int] = {}
    found = []
    for note in notes:
        if note.channel == DRUM_CHANNEL:
            found.append(replace(note, program=kit) if redrawn else note)
            continue
        program = note.program
        if redrawn and program in PITCHED:
            choice = PROGRAMS["bass"] if program in PROGRAMS["bass"] else PITCHED
            program = programs.setdefault((note.channel, program), int(rng.choice(choice)))
        found.append(replace(note, program=program, pitch=int(np.clip(note.pitch + key, 0, 127))))
    return tuple(found)
