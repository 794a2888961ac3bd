"""How well "repeat the last four bars" continues a song: a plain loop would be continued perfectly.

Songs are compared in beats, from their notes, so no detector errs: strokes of the drums by piece and sixteenth, and the
pitch classes that sound in each beat.
"""

from __future__ import annotations

import numpy as np

from sensorium.music.config import BEATS, SONG_BARS
from sensorium.music.grooves import PIECES, STEPS
from sensorium.music.song import Song


def strokes(song: Song) -> np.ndarray:
    """Which pieces are struck at each sixteenth, bool [bars, steps, pieces]."""
    struck = np.zeros((SONG_BARS, STEPS, len(PIECES)), bool)
    for hit in song.hits:
        bar, beat = divmod(hit.start, BEATS)
        struck[int(bar), round(beat * STEPS / BEATS) % STEPS, PIECES.index(hit.piece)] = True
    return struck


def pitch_classes(song: Song) -> np.ndarray:
    """How long each pitch class sounds in each beat, [bars, beats, 12]."""
    sounding = np.zeros((SONG_BARS * BEATS + BEATS, 12))
    for notes in song.notes.values():
        for note in notes:
            for beat in range(int(note.start), int(np.ceil(note.start + note.length))):
                overlap = min(beat + 1, note.start + note.length) - max(beat, note.start)
                sounding[beat, note.pitch % 12] += max(0.0, overlap)
    return sounding[: SONG_BARS * BEATS].reshape(SONG_BARS, BEATS, 12)


def agreement(true: np.ndarray, guess: np.ndarray) -> float:
    """F1 of strokes, bool, of the same shape."""
    return float(2 * (true & guess).sum() / max(1, true.sum() + guess.sum()))


def similarity(true: np.ndarray, guess: np.ndarray) -> float:
    """Mean cosine of the pitch classes of each beat, [..., 12]; 1 where both are silent."""
    norms = np.linalg.norm(true, axis=-1) * np.linalg.norm(guess, axis=-1)
    cosines = np.where(norms > 0, (true * guess).sum(-1) / np.maximum(norms, 1e-9), 0.0)
    silent = (true.sum(-1) == 0) & (guess.sum(-1) == 0)
    return float(np.where(silent, 1.0, cosines).mean())


def repeated(song: Song, bars: int = 4) -> dict[str, float]:
    """All bars guessed as those `bars` before them: "strokes" F1, "harmony" cosine, "exact" share of bars."""
    struck, sounding = strokes(song), pitch_classes(song)
    same = [np.array_equal(struck[bar], struck[bar - bars]) for bar in range(bars, SONG_BARS)]
    return {
        "strokes": agreement(struck[bars:], struck[:-bars]),
        "harmony": similarity(sounding[bars:], sounding[:-bars]),
        "exact": float(np.mean(same)),
    }
