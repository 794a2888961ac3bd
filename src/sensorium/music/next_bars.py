"""Which earlier bars go on beyond the end of a song: chosen by how bars resemble each other, without learning.

Bars are compared as they sound: drums by the rises of eight ranges of frequencies in each sixteenth, harmony by the
pitch classes of each beat.
"""

from __future__ import annotations

import numpy as np

from sensorium.music.beat_features import CHROMAS, FRAMES, RATE, BeatFeatures, BeatListener
from sensorium.music.beats import rises_of
from sensorium.music.config import BEATS

STEPS = 16  # of a bar
RANGES = 8
SHARPNESS, FOUR, EIGHT = 20.0, 2.0, 1.0  # of weights, and what distances of four and eight bars have more
SHRUNK = 2.0  # pairs of bars that are as alike as any: few pairs say little
FADE = 960  # samples: 20 ms


def bars_as_heard(sound: np.ndarray, bar: float) -> tuple[np.ndarray, np.ndarray]:
    """What is heard of the bars of a sound that begins with one.

    Args:
        sound: mono at RATE, float32 [n].
        bar: samples of a bar.

    Returns:
        drums [bars, steps * ranges] and harmony [bars, beats, 12].
    """
    listener = BeatListener()
    listener.add(sound)
    features = listener.features()
    bars = round(len(sound) / bar)
    return _drums(features, bars, bar / RATE), _harmony(features, bars, bar / RATE)


def _drums(features: BeatFeatures, bars: int, seconds: float) -> np.ndarray:
    """Rises around each sixteenth, without their mean over the bars."""
    rises = rises_of(features.bands)
    rises = rises.reshape(len(rises), RANGES, -1).mean(2)
    return _means(rises, (np.arange(bars * STEPS + 1) - 0.5) * seconds / STEPS * FRAMES).reshape(bars, -1)


def _harmony(features: BeatFeatures, bars: int, seconds: float) -> np.ndarray:
    chroma = np.log1p(features.chroma / max(float(features.chroma.mean()), 1e-20))
    return _means(chroma, np.arange(bars * BEATS + 1) * seconds / BEATS * CHROMAS).reshape(bars, BEATS, 12)


def _means(values: np.ndarray, borders: np.ndarray) -> np.ndarray:
    """Means of the rows between borders, which need not be whole: [n, d] -> [borders - 1, d]."""
    sums = np.concatenate((np.zeros((1, values.shape[1])), np.cumsum(values, 0, dtype=np.float64)))
    places = borders.clip(0, len(values))
    lower = np.minimum(places.astype(int), len(values) - 1)
    at = sums[lower] + (places - lower)[:, None] * (sums[lower + 1] - sums[lower])
    return np.asarray(np.diff(at, axis=0) / np.maximum(np.diff(places), 1e-9)[:, None])


def resemblance(bars: np.ndarray) -> np.ndarray:
    """Cosines between all bars, [bars, ..., d] -> [bars, bars]; the mean where a bar has several."""
    parts = bars.reshape(len(bars), -1, bars.shape[-1])
    norms = np.linalg.norm(parts, axis=-1, keepdims=True)
    unit = parts / np.maximum(norms, 1e-9)
    return np.asarray(np.einsum("apd,bpd->ab", unit, unit) / parts.shape[1])


def next_bars(similar: np.ndarray, count: int) -> list[int]:
    """Which of n bars come next, one for each of `count`: as the bars some phrases before them were, on the whole.

    The bars of a song that lie d apart resemble each other by w(d). A next bar is expected to resemble the bar d before
    it as much, so the bar is taken that is closest to all bars that are weighted so. Distances of four and of eight
    bars, which phrases have, count more. Constants were chosen on 50 songs of seed 300, which judge nothing.

    Args:
        similar: of all bars, [n, n].
        count: how many are wanted.
    """
    bars = len(similar)
    usual = float(similar[~np.eye(bars, dtype=bool)].mean()) if bars > 1 else 0.0
    sums = [(np.trace(similar, d) + SHRUNK * usual) / (bars - d + SHRUNK) for d in range(1, bars)]
    found = []
    for ahead in range(count):
        apart = bars + ahead - np.arange(bars)
        expected = np.array([sums[d - 1] if d < bars else usual for d in apart])
        logits = SHARPNESS * expected + FOUR * (apart % 4 == 0) + EIGHT * (apart % 8 == 0)
        found.append(int((similar @ np.exp(logits - logits.max())).argmax()))
    return found


def repeated_bars(bars: int, last: int, count: int) -> list[int]:
    """The last so many of n bars, over and over."""
    last = min(last, bars)
    return [bars - last + ahead % last for ahead in range(count)]


def joined(sound: np.ndarray, bar: float, picked: list[int], first: int = 0, fade: int = FADE) -> np.ndarray:
    """The bars that were picked, one after the other, as they follow a sound that ends with a bar.

    Where a bar does not follow the one before in the sound, what would have followed fades away before the border, and
    what led to the bar fades in: a stroke on its first beat stays as it is.

    Args:
        sound: [..., n], which begins and ends with a bar.
        bar: samples of a bar.
        picked: numbers of bars, the first one of the sound being 0.
        first: number of that one in its song.
        fade: samples.

    Returns:
        the bars, as many samples as bars of these numbers have in the song, after `fade` samples that replace the last
        ones of the sound.
    """
    fade, bars = min(fade, int(bar / 4)), round(sound.shape[-1] / bar)
    borders = np.round((first + np.arange(bars + len(picked) + 1)) * bar).astype(int) - round(first * bar)
    rising = np.asarray(np.sin(np.linspace(0, np.pi / 2, fade)) ** 2, np.float32)
    parts, before = [sound[..., sound.shape[-1] - fade :]], bars - 1
    for place, number in enumerate(picked):
        start, length = int(borders[number]), int(borders[bars + place + 1] - borders[bars + place])
        if number != before + 1:
            led = sound[..., max(0, start - fade) : start]
            led = np.concatenate((np.zeros((*led.shape[:-1], fade - led.shape[-1]), np.float32), led), -1)
            tail = parts[-1][..., -fade:]
            parts[-1] = np.concatenate((parts[-1][..., :-fade], tail + (led - tail) * rising), -1)
        start = min(start, sound.shape[-1] - length)  # lengths differ by a sample
        parts.append(sound[..., start : start + length])
        before = number
    return np.concatenate(parts, -1)
