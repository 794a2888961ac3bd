"""Songs that are composed and played for a judgement alone: any bars, any tempo, any instruments of a bank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import resample_poly

from sensorium.data.sample_formats import FULL_SCALE
from sensorium.music.beat_features import RATE as HEARD_RATE
from sensorium.music.config import RATE, SONG_BARS
from sensorium.music.parts import ROLES
from sensorium.music.rendering import Instruments, Rendered, beat_samples, render
from sensorium.music.song import Song, compose
from sensorium.randomness import stable_seed

TEMPI = (70.0, 170.0)
INSTRUMENTS = 48


@dataclass(frozen=True)
class OwnSong:
    """Bars of a song.

    Attributes:
        song: in beats.
        sound: its stems at RATE, and the truth about them.
        first: of the bars.
        beat: samples of a beat at RATE.
        rng: what else is drawn for it.
    """

    song: Song
    sound: Rendered
    first: int
    beat: int
    rng: np.random.Generator

    @property
    def tempo(self) -> float:
        """Beats a minute."""
        return 60 * RATE / self.beat


def own_song(seed: int, number: int, bars: int, purpose: str, first: int | None = None) -> OwnSong:
    """Bars of song `number` of a seed at a tempo at random, from `first` on, or from a bar at random."""
    rng = np.random.default_rng(stable_seed(seed, purpose, number))
    beat = beat_samples(float(np.exp(rng.uniform(*np.log(TEMPI)))))
    own = rng.integers(INSTRUMENTS, size=1 + len(ROLES)).tolist()
    instruments = Instruments(seed, own[0], dict(zip(ROLES, own[1:], strict=True)))
    first = int(rng.integers(SONG_BARS - bars + 1)) if first is None else first
    song = compose(seed, number)
    return OwnSong(song, render(song, instruments, 60 * RATE / beat, first, bars, number), first, beat, rng)


def as_heard(stem: np.ndarray) -> np.ndarray:
    """A stem, int16 or float32 [S] at RATE, as float32 [n] at the rate of what is listened to."""
    wave = stem.astype(np.float32) / FULL_SCALE if stem.dtype == np.int16 else stem
    return np.asarray(resample_poly(wave, HEARD_RATE, RATE), np.float32)
