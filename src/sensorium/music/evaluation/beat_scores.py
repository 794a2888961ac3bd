"""How often tempo and downbeats are found in songs that are composed here, cut off at any place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import resample_poly

from sensorium.data.sample_formats import FULL_SCALE
from sensorium.music.beat_features import RATE as HEARD_RATE
from sensorium.music.beat_features import BeatFeatures, BeatListener
from sensorium.music.beats import Beats, find_beats
from sensorium.music.config import BEATS, RATE, SONG_BARS
from sensorium.music.parts import ROLES
from sensorium.music.rendering import Instruments, beat_samples, render
from sensorium.music.song import compose
from sensorium.randomness import stable_seed

TEMPI = (70.0, 170.0)
INSTRUMENTS = 48
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
        rng = np.random.default_rng(stable_seed(seed, "heard", number))
        beat = beat_samples(float(np.exp(rng.uniform(*np.log(TEMPI)))))
        own = rng.integers(INSTRUMENTS, size=1 + len(ROLES)).tolist()
        instruments = Instruments(seed, own[0], dict(zip(ROLES, own[1:], strict=True)))
        first = int(rng.integers(SONG_BARS - bars + 1))
        sound = render(compose(seed, number), instruments, 60 * RATE / beat, first, bars, number)
        cut = int(rng.integers(BEATS * beat))
        mixture = (sound.drums[cut:].astype(np.float32) + sound.harmony[cut:]) / FULL_SCALE
        listener = BeatListener()
        listener.add(resample_poly(mixture, HEARD_RATE, RATE))
        downbeat = -cut % (BEATS * beat) / RATE
        found.append(HeardSong(listener.features(), 60 * RATE / beat, downbeat, len(mixture) / RATE))
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
