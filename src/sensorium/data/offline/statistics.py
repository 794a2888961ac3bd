"""Lowest, highest and mean values and standard deviations, as LeRobot keeps them of each episode and of a whole set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

WHITE = 255
LOOKED_AT = 32  # pictures of an episode


@dataclass(frozen=True)
class Sums:
    """Of some rows of numbers.

    Attributes:
        count: rows.
        low, high, mean, squares: lowest, highest and mean values; sum of squared distances from the mean. Each [n], or
            [3, 1, 1] of pictures.
    """

    count: int
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray) -> Sums:
        """Of an array [T] or [T, n]; what is not a number does not count."""
        rows = array.reshape(len(array), -1).astype(np.float64)
        rows = np.where(np.isfinite(rows), rows, 0.0)
        mean = rows.mean(0)
        return cls(len(rows), rows.min(0), rows.max(0), mean, np.square(rows - mean).sum(0))

    @classmethod
    def of_pictures(cls, pictures: np.ndarray) -> Sums:
        """Of some pictures of an episode, uint8 [T, H, W, 3], as numbers from 0 to 1."""
        some = pictures[np.linspace(0, len(pictures) - 1, min(len(pictures), LOOKED_AT)).round().astype(int)]
        pixels = some.reshape(-1, 3).astype(np.float64) / WHITE
        mean = pixels.mean(0)
        squares = np.square(pixels - mean).mean(0) * len(some)
        shaped = [each.reshape(3, 1, 1) for each in (pixels.min(0), pixels.max(0), mean, squares)]
        return cls(len(some), *shaped)

    def __add__(self, more: Sums) -> Sums:
        count = self.count + more.count
        apart = more.mean - self.mean
        return Sums(
            count,
            np.minimum(self.low, more.low),
            np.maximum(self.high, more.high),
            self.mean + apart * more.count / count,
            self.squares + more.squares + np.square(apart) * self.count * more.count / count,
        )

    def shown(self) -> dict[str, Any]:
        """As plain values."""
        std = np.sqrt(self.squares / self.count)
        found = {"min": self.low, "max": self.high, "mean": self.mean, "std": std}
        return {**{key: value.tolist() for key, value in found.items()}, "count": [self.count]}
