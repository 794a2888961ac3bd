"""Tempo and downbeats of a sound that keeps one tempo in bars of four beats.

Rises of the bands are the onset strength. Its autocorrelation at up to eight beats, with a preference for moderate
tempi, gives the tempo to half a per cent; then the frequency at which onsets add up over longer and longer parts gives
it to what the whole length can tell. The place within the beat is where most onsets lie; the first beat of a bar is the
one where harmony changes most and low bands rise most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sensorium.music.beat_features import CHROMAS, FRAMES, BeatFeatures
from sensorium.music.config import BEATS

SHORTEST = 8.0  # seconds
CLEAR = 0.25  # clarity of the weakest beat that counts: docs/music.md
TEMPI = np.exp(np.arange(np.log(40), np.log(240), 0.005))  # beats a minute
USUAL, OCTAVES = 120.0, 1.0  # centre and standard deviation, in octaves, of the preference
MULTIPLES = 8  # beats over which onsets are compared with themselves
HARMONICS = (1, 2, 4)  # of the beat
PARTS = (8, 32, 128, 600)  # seconds over which onsets are added up
BINS = 48  # of a beat
EARLY = 0.004  # seconds by which a window feels a stroke before its middle
LOW, LOW_WEIGHT = 4, 0.5  # bands of kicks and basses, and how much they count beside harmony
FLOOR = 1e-3  # of the mean power of a band
QUIET = 1e-3  # of the mean power: what comes before is no sound
STEADY = 15.0  # seconds of a part whose beats are compared with those of the whole


@dataclass(frozen=True)
class Beats:
    """The beats of a sound.

    Attributes:
        tempo: beats a minute.
        downbeat: seconds of the first beat of some bar.
        clarity: how much onsets repeat from beat to beat: 1 for a metronome, about 0 for noise.
        wander: seconds by which the beats of a part are away from those of the whole, at most.
    """

    tempo: float
    downbeat: float
    clarity: float = 1.0
    wander: float = 0.0

    @property
    def bar(self) -> float:
        """Seconds."""
        return 60 * BEATS / self.tempo


def find_beats(features: BeatFeatures) -> Beats:
    """The beats of a sound of at least SHORTEST seconds; `clarity` says whether there are any."""
    rises = rises_of(features.bands)
    onsets = _onset_strength(rises)
    tempo, clarity = _rough_tempo(onsets)
    tempo = _refined(onsets, tempo)
    beat = 60 / tempo
    within = _phase(onsets, beat)
    first = _first_of_four(features, rises, within, beat)
    return Beats(tempo, within + first * beat + EARLY, clarity, _wander(onsets, beat))


def begin_of(features: BeatFeatures) -> float:
    """Seconds before the first sound."""
    power = features.bands.sum(1)
    return float(np.argmax(power > QUIET * power.mean())) / FRAMES


def end_of(features: BeatFeatures) -> float:
    """Seconds until the end of the last sound."""
    power = features.bands.sum(1)
    return float(len(power) - np.argmax(power[::-1] > QUIET * power.mean())) / FRAMES


def rises_of(bands: np.ndarray) -> np.ndarray:
    """How far each band rises from frame to frame, [n, bands]."""
    loud = np.log10(bands / max(float(bands.mean()), 1e-20) + FLOOR)
    return np.asarray(np.maximum(np.diff(loud, axis=0, prepend=loud[:1]), 0))


def _onset_strength(rises: np.ndarray) -> np.ndarray:
    """Mean rise, without its mean over a second: [n]."""
    strength = rises.mean(1)
    window = np.hanning(FRAMES + 1)
    smooth = np.convolve(np.pad(strength, FRAMES // 2, mode="reflect"), window / window.sum(), "valid")
    return np.asarray(strength - smooth)


def _rough_tempo(onsets: np.ndarray) -> tuple[float, float]:
    """Tempo, and how well onsets agree with themselves some beats later."""
    count = len(onsets)
    power = np.abs(np.fft.rfft(onsets, 2 * count)) ** 2
    same = np.fft.irfft(power)[:count] / np.arange(count, 0, -1)
    same = np.convolve(same / max(same[0], 1e-20), (0.25, 0.5, 0.25), "same")
    lags = np.arange(1, MULTIPLES + 1)[:, None] * 60 * FRAMES / TEMPI
    clarity = np.interp(lags, np.arange(count), same, right=0).mean(0)
    preference = np.exp(-0.5 * (np.log2(TEMPI / USUAL) / OCTAVES) ** 2)
    best = int((clarity * preference).argmax())
    return float(TEMPI[best]), float(clarity[best])


def _refined(onsets: np.ndarray, tempo: float) -> float:
    """The frequency near a tempo at which onsets add up most, over longer and longer parts."""
    frequency, reach = tempo / 60, 0.03 * tempo / 60
    for seconds in PARTS:
        size = min(len(onsets), seconds * FRAMES)
        whole = onsets[: len(onsets) // size * size].reshape(-1, size)
        step = FRAMES / (16 * size)
        grid = frequency + step * np.arange(-np.ceil(reach / step), np.ceil(reach / step) + 1)
        sums = np.zeros(len(grid))
        for harmonic in HARMONICS:
            waves = np.exp(-2j * np.pi * harmonic / FRAMES * np.outer(np.arange(size), grid))
            sums += (np.abs(whole @ waves) ** 2).sum(0)
        frequency, reach = float(grid[sums.argmax()] + step * _vertex(sums)), 2 * step
    return 60 * frequency


def _vertex(values: np.ndarray) -> float:
    """Where between its neighbours the maximum lies, in steps."""
    best = int(values.argmax())
    if not 0 < best < len(values) - 1:
        return 0.0
    left, middle, right = values[best - 1 : best + 2]
    return float(0.5 * (left - right) / (left - 2 * middle + right - 1e-20))


def _folded(onsets: np.ndarray, beat: float) -> np.ndarray:
    """Mean onset strength at each place of a beat, [BINS]; the sound begins at place 0."""
    places = np.arange(len(onsets)) / FRAMES / beat % 1 * BINS
    lower = places.astype(int)
    upper = places - lower
    sums, counts = np.zeros(BINS), np.zeros(BINS)
    for bins, weights in ((lower % BINS, 1 - upper), ((lower + 1) % BINS, upper)):
        np.add.at(sums, bins, weights * onsets)
        np.add.at(counts, bins, weights)
    found = sums / np.maximum(counts, 1e-9)
    return np.asarray((np.roll(found, 1) + 2 * found + np.roll(found, -1)) / 4)


def _phase(onsets: np.ndarray, beat: float) -> float:
    """Seconds of the first beat."""
    profile = _folded(onsets, beat)
    best = int(profile.argmax())
    around = profile[np.arange(best - 1, best + 2) % BINS]
    return float((best + _vertex(around)) / BINS * beat)


def _first_of_four(features: BeatFeatures, rises: np.ndarray, within: float, beat: float) -> int:
    """Which of the first four beats begins a bar."""
    beats = np.arange(within, len(rises) / FRAMES - beat, beat)
    chroma = np.log1p(features.chroma / max(float(features.chroma.mean()), 1e-20))
    borders = np.round(np.append(beats, beats[-1] + beat) * CHROMAS).astype(int).clip(0, len(chroma))
    sums = np.concatenate((np.zeros((1, 12)), np.cumsum(chroma, 0)))
    heard = np.diff(sums[borders], axis=0)
    before = np.pad(heard, ((2, 0), (0, 0)))[:-2] + np.pad(heard, ((1, 0), (0, 0)))[:-1]
    after = heard + np.pad(heard, ((0, 1), (0, 0)))[1:]
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    change = 1 - (before * after).sum(1) / np.maximum(norms, 1e-9)
    change[0] = change[1:].mean()  # nothing comes before it
    low = rises[:, :LOW].mean(1)
    frames = np.round(beats * FRAMES).astype(int)[:, None] + np.arange(-3, 4)
    kicks = low[frames.clip(0, len(low) - 1)].max(1)
    scores = [weight * each / max(float(each.std()), 1e-9) for weight, each in ((1, change), (LOW_WEIGHT, kicks))]
    return int(np.argmax([sum(each[first::BEATS].mean() for each in scores) for first in range(BEATS)]))


def _wander(onsets: np.ndarray, beat: float) -> float:
    """Seconds by which the beats of parts are away from those of the whole; half a beat at most."""
    whole, size = np.fft.rfft(_folded(onsets, beat)).conj(), int(STEADY * FRAMES)
    farthest = 0.0
    for start in range(0, len(onsets) - size + 1, size):
        part = np.fft.rfft(_folded(onsets[start : start + size], beat))
        turned = part * np.exp(-2j * np.pi * np.arange(len(part)) * (start / FRAMES / beat))
        places = int(np.fft.irfft(turned * whole, BINS).argmax())
        farthest = max(farthest, min(places, BINS - places) / BINS * beat)
    return farthest
