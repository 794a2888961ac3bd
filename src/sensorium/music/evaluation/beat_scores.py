"""How often tempo and downbeats are found in songs that are composed here, cut off at any place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sensorium.data.sample_formats import FULL_SCALE
from sensorium.music.beat_features import BeatFeatures, BeatListener
from sensorium.music.beats import Beats, find_beats
from sensorium.music.config import BEATS, RATE
from sensorium.music.evaluation.own_songs import as_heard, own_song

CLOSE = 0.04  # of a tempo
NEAR = 0.04  # seconds between beats
OCTAVES = (1.0, 2.0, 0.5)
SCORES = ("tempo", "tempo or its octave", "beat", "bar")


@dataclass(frozen=True)
class HeardSong:
    """A song with the truth about it.

    Attributes:
        features: what is heard of it.
        tempo, downbeat: beats a minute, and seconds of the first beat of a bar.
        seconds: its length.
    """

    features: BeatFeatures
    tempo: float
    downbeat: float
    seconds: float


def heard_songs(count: int, seed: int, bars: int) -> list[HeardSong]:
    """Bars of so many songs, at tempi at random, without up to a bar of their beginning."""
    found = []
    for number in range(count):
        own = own_song(seed, number, bars, "heard")
        cut = int(own.rng.integers(BEATS * own.beat))
        mixture = (own.sound.drums[cut:].astype(np.float32) + own.sound.harmony[cut:]) / FULL_SCALE
        listener = BeatListener()
        listener.add(as_heard(mixture))
        downbeat = -cut % (BEATS * own.beat) / RATE
        found.append(HeardSong(listener.features(), own.tempo, downbeat, len(mixture) / RATE))
    return found


def scores_of(songs: Sequence[HeardSong]) -> dict[str, dict[str, float]]:
    """Shares of songs, of the estimate and of its baselines; the last two baselines know the tempo.

    A beat, or a bar, is right where the tempo is, or its octave, and the nearest true one is less than NEAR away.
    """
    answers: dict[str, Callable[[HeardSong], Sequence[Beats]]] = {
        "estimate": lambda song: [find_beats(song.features)],
        "always 120": lambda song: [Beats(120.0, 0.0)],
        "true tempo, begins at 0": lambda song: [Beats(song.tempo, 0.0)],
        "true tempo, any of four beats": lambda song: [
            Beats(song.tempo, song.downbeat + beat * 60 / song.tempo) for beat in range(BEATS)
        ],
    }
    return {name: _mean([_scores(each, song) for song in songs for each in of(song)]) for name, of in answers.items()}


def _scores(found: Beats, song: HeardSong) -> dict[str, float]:
    octave = min(OCTAVES, key=lambda times: abs(found.tempo / song.tempo / times - 1))
    related = abs(found.tempo / song.tempo / octave - 1) < CLOSE
    late = found.downbeat - song.downbeat
    values = (
        related and octave == 1,
        related,
        related and _distance(late, 60 / song.tempo) < NEAR,
        related and _distance(late, 60 * BEATS / song.tempo) < NEAR,
    )
    return {name: float(value) for name, value in zip(SCORES, values, strict=True)}


def _distance(late: float, period: float) -> float:
    return abs((late + period / 2) % period - period / 2)


def _mean(each: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([scores[name] for scores in each])) for name in SCORES}
