"""From a song in beats to sound: two stems at any tempo, and the truth about them.

A beat has a whole number of samples, so songs of one tempo can be laid over each other bar by bar. Every stroke and
every note is added at its own sample, up to a few milliseconds early or late; tails of what began before the first
rendered bar are not heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.signal import oaconvolve

from sensorium.data.sample_formats import FULL_SCALE, LARGEST_SAMPLE
from sensorium.music.config import BEATS, RATE
from sensorium.music.drum_kit import VARIANTS, Kit
from sensorium.music.drum_kit import loudness as kit_loudness
from sensorium.music.grooves import PIECES
from sensorium.music.parts import ROLES
from sensorium.music.patches import Patch, draw_patch
from sensorium.music.song import Song
from sensorium.randomness import stable_seed

LEVELS = (-23.0, -17.0)  # dB of full scale, root mean square: what a stem's level is drawn from
BALANCE = {"bass": 0.7, "chords": 0.6, "lead": 0.7}
WETTEST = 0.15  # level of the room's response, relative to the direct sound
LATEST = 0.006  # seconds: strokes and notes are at most so much early or late


@dataclass(frozen=True)
class Instruments:
    """What a song is played on.

    Attributes:
        seed: of the bank.
        kit: number of the drum kit.
        patches: role -> number of its patch.
    """

    seed: int
    kit: int
    patches: dict[str, int]

    def names(self) -> list[str]:
        """Each instrument by kind and number."""
        return [f"kit {self.kit}", *(f"{role} {number}" for role, number in self.patches.items())]


@dataclass(frozen=True)
class Rendered:
    """Some bars of a song.

    Attributes:
        drums, harmony: the stems, int16 [S].
        onsets: sample and piece of every stroke, int32 [n, 2].
        chords: pitch classes that belong to the chord of each beat, uint8 [beats, 12].
        beats: sample of each beat, int32 [beats].
    """

    drums: np.ndarray
    harmony: np.ndarray
    onsets: np.ndarray
    chords: np.ndarray
    beats: np.ndarray


def beat_samples(tempo: float) -> int:
    """Samples of a beat at a tempo in beats a minute."""
    return round(60 * RATE / tempo)


def render(song: Song, instruments: Instruments, tempo: float, first: int, bars: int, seed: int) -> Rendered:
    """Bars [first, first + bars) of a song.

    Args:
        song: in beats.
        instruments: that play it.
        tempo: beats a minute.
        first, bars: which bars.
        seed: of levels and of small deviations in time.
    """
    rng = np.random.default_rng(stable_seed(seed, "performance"))
    beat, start, stop = beat_samples(tempo), BEATS * first, BEATS * (first + bars)
    drums, harmony = (np.zeros((stop - start) * beat, np.float32) for _ in range(2))
    kit, volumes, onsets = Kit(instruments.seed, instruments.kit), kit_loudness(instruments.kit, instruments.seed), []
    for hit in song.hits:
        if start <= hit.start < stop:
            place = _place(song.swung(hit.start) - start, beat, rng)
            onsets.append((place, PIECES.index(hit.piece)))
            stroke = kit.stroke(hit.piece, int(rng.integers(VARIANTS)))
            _add(drums, place, stroke, hit.loudness * volumes[hit.piece])
    for role in ROLES:
        patch = draw_patch(instruments.seed, role, instruments.patches[role])
        for note in song.notes[role]:
            if start <= note.start < stop:
                place = _place(song.swung(note.start) - start, beat, rng)
                length = max(1, round((song.swung(note.start + note.length) - song.swung(note.start)) * beat))
                _add(harmony, place, _sound(patch, note.pitch, length), note.loudness * BALANCE[role])
    chords = np.zeros((stop - start, 12), np.uint8)
    for number in range(stop - start):
        chords[number, list(song.chord_at(float(start + number)).tones)] = 1
    return Rendered(
        levelled(_in_a_room(drums, rng), rng),
        levelled(_in_a_room(harmony, rng), rng),
        np.array(sorted(onsets), np.int32).reshape(-1, 2),
        chords,
        np.arange(0, len(drums), beat, dtype=np.int32),
    )


@lru_cache(maxsize=256)
def _sound(patch: Patch, pitch: int, samples: int) -> np.ndarray:
    """A note; bass lines and chords repeat theirs."""
    return patch.note(pitch, samples)


def _place(beats: float, beat: int, rng: np.random.Generator) -> int:
    return max(0, round(beats * beat + rng.uniform(-LATEST, LATEST) * RATE))


def _add(stem: np.ndarray, place: int, sound: np.ndarray, loudness: float) -> None:
    stop = min(len(stem), place + len(sound))
    if place < stop:
        stem[place:stop] += np.float32(loudness) * sound[: stop - place]


def _in_a_room(stem: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A stem with decaying noise as the response of a room at random."""
    wet, decay = rng.uniform(0, WETTEST), rng.uniform(0.03, 0.12)
    response = rng.standard_normal(int(4 * decay * RATE), np.float32)
    response *= np.exp(-np.arange(len(response), dtype=np.float32) / np.float32(decay * RATE))
    response *= np.float32(wet) / np.linalg.norm(response)
    response[0] += 1
    return np.asarray(oaconvolve(stem, response)[: len(stem)])


def levelled(stem: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A stem at a level at random, lower where its peaks would not fit: int16."""
    wanted = 10 ** (rng.uniform(*LEVELS) / 20)
    found, peak = float(np.sqrt(np.mean(stem**2, dtype=np.float64))), float(np.abs(stem).max(initial=0))
    gain = min(wanted / max(found, 1e-9), LARGEST_SAMPLE / FULL_SCALE / max(peak, 1e-9))
    return np.asarray(np.round(stem * (gain * FULL_SCALE)), np.int16)
