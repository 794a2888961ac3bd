"""What moves against what sounds, frame by frame, without a representation: for matching pictures with sound.

Layouts: n windows, T frames of a window. Nothing outside a window is looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve

CELLS = 4  # in a row of the grid on which motion is measured
FINE_CELLS = 8  # of that on which changes with their signs are: smaller than a body
REACH = 3  # frames before and after a frame whose motion an onset is read from
SILENCE = 1e-3  # root mean square below which a frame counts as silent, full scale 1
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
CHECKED = 4


def loudness(sounds: np.ndarray) -> np.ndarray:
    """Decimal logarithm of the root mean square of each frame: sounds float [n, T, samples] -> [n, T]."""
    power = np.square(sounds, dtype=np.float64).mean(-1)
    return 0.5 * np.log10(power + SILENCE**2)


def onsets(sounds: np.ndarray) -> np.ndarray:
    """Square root of how far the root mean square of each frame rises, float [n, T, samples] -> [n, T]; 0 at first.

    The root, because a ridge regression would else explain the few loudest frames alone; a logarithm would explain the
    noise between them.
    """
    size = np.sqrt(np.square(sounds, dtype=np.float64).mean(-1))
    return np.sqrt(np.maximum(np.diff(size, axis=1, prepend=size[:, :1]), 0))


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


def changes(video: np.ndarray) -> np.ndarray:
    """Mean change of each channel since the frame before, with its sign, and of all without, in FINE_CELLS^2 cells.

    uint8 [n, T, H, W, 3] -> float32 [n, T, numbers]; 0 in the first frame.
    """
    count, frames, height, width = video.shape[:4]
    cells = min(FINE_CELLS, height, width)
    tall, wide = height // cells, width // cells
    steps = np.diff(video[:, :, : tall * cells, : wide * cells].astype(np.float32) / 255, axis=1)
    steps = steps.reshape(count, frames - 1, cells, tall, cells, wide, 3)
    signed, size = steps.mean((3, 5)), np.abs(steps).mean((3, 5, 6))
    found = np.zeros((count, frames, cells * cells * 4), np.float32)
    found[:, 1:] = np.concatenate([part.reshape(count, frames - 1, -1) for part in (signed, size)], 2)
    return found


class OnsetReadout:
    """A ridge regression from the changes of 2 * REACH + 1 frames to the onset of the middle one.

    The penalty is the best of those of PENALTIES on every CHECKED-th recording, by a fit to the others.

    Args:
        recordings: name -> changes [T, numbers] and onset [T] of a training recording.

    Attributes:
        fitted_on: their names.
    """

    def __init__(self, recordings: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        self.fitted_on: Collection[str] = set(recordings)
        known = list(recordings.values())
        parts = [part for part in (known[::CHECKED], [pair for n, pair in enumerate(known) if n % CHECKED]) if part]
        checked, *others = (_Sums.of(part) for part in parts)
        fitted = others[0] if others else checked
        errors = [checked.error(*fitted.ridge(penalty)) for penalty in PENALTIES]
        whole = fitted + checked if others else fitted
        self.penalty = PENALTIES[int(np.argmin(errors))]
        self._weights, self._offset = whole.ridge(self.penalty)

    def __call__(self, seen: np.ndarray) -> np.ndarray:
        """Onsets that the changes of windows [n, T, numbers] lets expect, [n, T]."""
        read: np.ndarray = _around(seen) @ self._weights + self._offset
        return read


@dataclass(frozen=True)
class _Sums:
    """Sums over frames of rows x [W] and onsets y, of which a ridge regression and its error are functions."""

    count: int
    x: np.ndarray  # [W]
    y: float
    xx: np.ndarray  # [W, W]
    xy: np.ndarray  # [W]

    @classmethod
    def of(cls, recordings: Sequence[tuple[np.ndarray, np.ndarray]]) -> _Sums:
        rows = np.concatenate([_around(seen[None])[0] for seen, _ in recordings])
        wanted = np.concatenate([onset for _, onset in recordings])
        sums = rows.sum(0, dtype=np.float64), float(wanted.sum())
        return cls(len(rows), *sums, (rows.T @ rows).astype(np.float64), rows.T.astype(np.float64) @ wanted)

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(*(mine + others for mine, others in zip(vars(self).values(), vars(other).values(), strict=True)))

    def ridge(self, penalty: float) -> tuple[np.ndarray, float]:
        """Weights [W] and offset; the penalty is in units of the mean variance of a row's numbers."""
        centre, mean = self.x / self.count, self.y / self.count
        covariance = self.xx / self.count - np.outer(centre, centre)
        covariance[np.diag_indices_from(covariance)] += penalty * max(float(np.trace(covariance)) / len(centre), 1e-12)
        weights = solve(covariance, self.xy / self.count - centre * mean, assume_a="pos")
        return weights, mean - float(centre @ weights)

    def error(self, weights: np.ndarray, offset: float) -> float:
        """Mean of (y - x weights - offset)^2, less the mean of y^2."""
        squares = weights @ (self.xx @ weights - 2 * self.xy) + 2 * offset * (weights @ self.x - self.y)
        return float(squares / self.count + offset**2)


def _around(seen: np.ndarray) -> np.ndarray:
    """What is seen in the frames around each, side by side: [n, T, (2 * REACH + 1) * numbers].

    Beyond a window's ends nothing moves.
    """
    padded = np.pad(seen, ((0, 0), (REACH, REACH), (0, 0)))
    frames = seen.shape[1]
    return np.concatenate([padded[:, shift : shift + frames] for shift in range(2 * REACH + 1)], 2)
