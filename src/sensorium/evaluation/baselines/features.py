"""Features that nobody had to learn, in the form in which a classifier takes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FLAT = 1e-6  # standard deviation below which a number does not vary


class Features(NamedTuple):
    """Features of rows to fit on and of rows to judge by, [n, width] and [m, width].

    Attributes:
        known, judged: the rows.
        each: whether each number is brought to a standard deviation of one by itself, as embeddings are. Otherwise one
            factor serves for all: then numbers that hardly vary hardly count.
    """

    known: np.ndarray
    judged: np.ndarray
    each: bool = True

    def scaled(self) -> tuple[np.ndarray, np.ndarray]:
        """Both sets of rows, scaled."""
        return scaled(self.known, self.judged, each=self.each)


def scaled(known: np.ndarray, judged: np.ndarray, *, each: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Both sets of rows with the mean 0 and the standard deviation 1 of the known ones; `each` as in `Features`."""
    centre, std = known.mean(0, dtype=np.float64), known.std(0, dtype=np.float64)
    scale = np.where(std > FLAT, std, 1.0) if each else max(float(np.sqrt((std**2).mean())), FLAT)
    return (known - centre) / scale, (judged - centre) / scale
