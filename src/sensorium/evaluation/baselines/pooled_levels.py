"""Maps that are written down, not learned: pooled cells, rounded to a few levels, decoded without a network."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

LLOYD_ROUNDS = 60
RIDGES = (1e-2, 1e-1, 1.0, 10.0)  # penalties of the decoder, of which the best on held-back examples is taken
HELD_BACK = 0.2


def pooled(samples: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """Weighted means over rows and columns of cells, triangles that overlap: [n, H, W] -> float32 [n, rows, columns].

    They keep more than plain means where cells and pixels are of nearly the same size.
    """
    wide = torch.from_numpy(np.ascontiguousarray(samples, np.float32))[:, None]
    return np.asarray(F.interpolate(wide, cells, mode="bilinear", antialias=True)[:, 0].numpy())


def spread_out(cells: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cells [n, side, side] between which lines are drawn: float32 [n, H, W]."""
    wide = torch.from_numpy(cells.astype(np.float32))[:, None]
    return np.asarray(F.interpolate(wide, shape, mode="bilinear", align_corners=False)[:, 0].numpy())


def even_levels(examples: np.ndarray, count: int) -> np.ndarray:
    """Evenly spaced from the least to the largest value of the examples, [count]."""
    return np.linspace(examples.min(), examples.max(), count)


def lloyd_max(examples: np.ndarray, count: int) -> np.ndarray:
    """Levels of least squared error for the examples (Lloyd 1982, Max 1960), in order, [count]."""
    values = np.sort(examples.reshape(-1)[:: max(1, examples.size // 200_000)].astype(np.float64))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    levels = even_levels(values, count)
    for _ in range(LLOYD_ROUNDS):
        ends = np.searchsorted(values, (levels[1:] + levels[:-1]) / 2)
        ends = np.concatenate([[0], ends, [len(values)]])
        counts, totals = np.diff(ends), np.diff(sums[ends])
        levels = np.where(counts > 0, totals / np.maximum(counts, 1), levels)
    return levels


def rounded(cells: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The nearest of the levels in order, int64 of the cells' shape."""
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, cells)


def ridge_decoder(cells: np.ndarray, targets: np.ndarray, others: np.ndarray) -> np.ndarray:
    """What a linear map of all cells, fitted on cells [k, ...] and targets [k, ...], makes of others: float32 [n, ...].

    Its penalty is chosen on a part of the examples that is held back, the last ones.
    """
    inputs, wanted = cells.reshape(len(cells), -1).astype(np.float64), targets.reshape(len(targets), -1)
    kept = round((1 - HELD_BACK) * len(inputs))
    errors = {}
    for ridge in RIDGES:
        guess = _Ridge(inputs[:kept], wanted[:kept], ridge)(inputs[kept:])
        errors[ridge] = float(np.square(guess - wanted[kept:]).mean())
    found = _Ridge(inputs, wanted, min(errors, key=lambda ridge: errors[ridge]))(others.reshape(len(others), -1))
    return found.reshape(len(others), *targets.shape[1:]).astype(np.float32)


class _Ridge:
    def __init__(self, inputs: np.ndarray, wanted: np.ndarray, ridge: float) -> None:
        self._means = inputs.mean(0), wanted.mean(0)
        x, y = inputs - self._means[0], wanted - self._means[1]
        self._weights = np.linalg.solve(x.T @ x + ridge * len(x) * np.eye(x.shape[1]) * x.var(), x.T @ y)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        return np.asarray((inputs - self._means[0]) @ self._weights + self._means[1])
