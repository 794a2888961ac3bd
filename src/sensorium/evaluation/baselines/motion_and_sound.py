"""What moves against what sounds, frame by frame, without a representation: for matching pictures with sound.

Layouts: n windows, T frames of a window. Nothing outside a window is looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from sklearn.linear_model import RidgeCV

CELLS = 4  # in a row of the grid on which motion is measured
REACH = 3  # frames before and after a frame whose motion an onset is read from
SILENCE = 1e-3  # root mean square below which a frame counts as silent, full scale 1
STRENGTHS = tuple(10.0**power for power in range(-1, 5))


def loudness(sounds: np.ndarray) -> np.ndarray:
    """Decimal logarithm of the root mean square of each frame: sounds float [n, T, samples] -> [n, T]."""
    power = np.square(sounds, dtype=np.float64).mean(-1)
    return 0.5 * np.log10(power + SILENCE**2)


def onsets(loud: np.ndarray) -> np.ndarray:
    """By how much each frame is louder than the one before, [n, T]; 0 in the first."""
    return np.maximum(np.diff(loud, axis=1, prepend=loud[:, :1]), 0)


def motion(video: np.ndarray) -> np.ndarray:
    """Mean absolute change of the pixels since the frame before, in each cell: uint8 [n, T, H, W, 3] -> [n, T, cells].

    It is 0 in the first frame. Rows and columns of pixels that fill no whole cell are left out.
    """
    count, frames, height, width = video.shape[:4]
    cells = min(CELLS, height, width)
    tall, wide = height // cells, width // cells
    cut = video[:, :, : tall * cells, : wide * cells].astype(np.int16)
    change = np.zeros((count, frames, cells * cells))
    steps = np.abs(np.diff(cut, axis=1)).reshape(count, frames - 1, cells, tall, cells, wide, 3)
    change[:, 1:] = steps.mean((3, 5, 6), dtype=np.float64).reshape(count, frames - 1, -1) / 255
    return change


def change_of_energy(moved: np.ndarray) -> np.ndarray:
    """By how much the motion of a frame [n, T, cells] differs from that of the one before, [n, T]; 0 in the first two.

    Bodies that meet change their speed: that is heard.
    """
    energy = np.square(moved).mean(2)
    change = np.abs(np.diff(energy, axis=1, prepend=energy[:, :1]))
    change[:, :2] = 0
    return change


def agreement(seen: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Pearson's correlation over time of all pairs of curves [n, T] and [m, T], [n, m]; 0 for a curve that is flat."""
    first, second = (rows - rows.mean(1, keepdims=True) for rows in (seen, heard))
    lengths = np.outer(np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1))
    return np.where(lengths > 1e-12, first @ second.T / np.maximum(lengths, 1e-12), 0.0)


class OnsetReadout:
    """A ridge regression from the motion of 2 * REACH + 1 frames to the onset of the middle one.

    Args:
        recordings: name -> motion [T, cells] and onset [T] of a training recording.

    Attributes:
        fitted_on: their names.
    """

    def __init__(self, recordings: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        self.fitted_on: Collection[str] = set(recordings)
        rows = np.concatenate([_around(moved[None])[0] for moved, _ in recordings.values()])
        wanted = np.concatenate([onset for _, onset in recordings.values()])
        self._scale = np.maximum(rows.std(0), 1e-9)
        self._ridge = RidgeCV(STRENGTHS).fit(rows / self._scale, wanted)

    def __call__(self, moved: np.ndarray) -> np.ndarray:
        """Onsets that the motion of windows [n, T, cells] lets expect, [n, T]."""
        rows = _around(moved)
        read: np.ndarray = self._ridge.predict((rows / self._scale).reshape(-1, rows.shape[2]))
        return read.reshape(rows.shape[:2])


def _around(moved: np.ndarray) -> np.ndarray:
    """Square root of the motion, and its change, in the frames around each: [n, T, (2 * REACH + 1) * (cells + 1)].

    Beyond a window's ends nothing moves.
    """
    values = np.concatenate([np.sqrt(moved), np.sqrt(change_of_energy(moved))[..., None]], 2)
    padded = np.pad(values, ((0, 0), (REACH, REACH), (0, 0)))
    frames = moved.shape[1]
    return np.concatenate([padded[:, shift : shift + frames] for shift in range(2 * REACH + 1)], 2)
