"""Codes of principal components: so many decimal digits dealt by variance, or so many bits of an entropy coder.

Both are linear codes that are fitted in seconds. The first is fixed in length; the second takes what an arithmetic
coder would write with tables that training examples gave.
"""

from __future__ import annotations

import heapq

import numpy as np

SPARE = 0.1  # that each possible symbol counts more than it was seen
CLIPS = (1.7, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0)  # standard deviations at which a coded component may end
SEARCH = 16  # halvings of the step


class Components:
    """Principal components of examples.

    Args:
        examples: [k, ...], training examples.

    Attributes:
        mean: [D].
        axes: [m, D], the components, the strongest first; m is below k.
        spread: standard deviation along each over the examples, [m].
    """

    def __init__(self, examples: np.ndarray) -> None:
        flat = examples.reshape(len(examples), -1).astype(np.float64)
        self.mean = flat.mean(0)
        centred = flat - self.mean
        wide = centred.shape[0] < centred.shape[1]
        values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
        values, vectors = values[::-1], vectors[:, ::-1]
        kept = values > 1e-9 * values[0]
        values, vectors = values[kept], vectors[:, kept]
        self.axes = (centred.T @ vectors / np.sqrt(values)).T if wide else vectors.T
        self.spread = np.sqrt(values / len(flat))

    def scores(self, samples: np.ndarray) -> np.ndarray:
        """[n, ...] -> float64 [n, m]."""
        return (samples.reshape(len(samples), -1) - self.mean) @ self.axes.T

    def back(self, scores: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Scores [n, up to m] -> float32 [n, *shape]."""
        found = self.mean + scores @ self.axes[: scores.shape[1]]
        return found.reshape(len(scores), *shape).astype(np.float32)


def deal(spread: np.ndarray, digits: int) -> np.ndarray:
    """How many of `digits` decimal digits each component gets, int [m]: the next always goes where most is left.

    A digit divides what is left of a component's standard deviation by ten.
    """
    dealt = np.zeros(len(spread), int)
    left = [(-value, place) for place, value in enumerate(spread)]
    heapq.heapify(left)
    for _ in range(digits):
        value, place = heapq.heappop(left)
        dealt[place] += 1
        heapq.heappush(left, (value / 10, place))
    return dealt


def in_digits(components: Components, examples: np.ndarray, samples: np.ndarray, digits: int) -> np.ndarray:
    """Samples [n, ...] through `digits` decimal digits of their components, float32.

    A component with d digits is rounded to one of 10 ** d steps between ends that are as many standard deviations from
    the mean as is best for that component of the examples.
    """
    dealt = deal(components.spread, digits)
    used = np.flatnonzero(dealt)
    levels, spread = 10.0 ** dealt[used], components.spread[used]

    def rounded(scores: np.ndarray, ends: np.ndarray) -> np.ndarray:
        step = 2 * ends / (levels - 1)
        return np.asarray(np.rint((scores + ends) / step).clip(0, levels - 1) * step - ends)

    known, wanted = (components.scores(values)[:, used] for values in (examples, samples))
    errors = [np.square(rounded(known, clip * spread) - known).sum(0) for clip in CLIPS]
    ends = np.array(CLIPS)[np.argmin(errors, axis=0)] * spread
    scores = np.zeros((len(wanted), used[-1] + 1))
    scores[:, used] = rounded(wanted, ends)
    return components.back(scores, samples.shape[1:])


def in_bits(
    components: Components, examples: np.ndarray, samples: np.ndarray, bits: float
) -> tuple[np.ndarray, np.ndarray]:
    """Samples [n, ...] through their components, all rounded to one step, as an entropy coder writes them.

    One step for all components is what least squared error asks for at a rate (reverse water-filling, Cover and Thomas
    2006, section 10.3.3). It is the smallest at which the samples themselves take no more than `bits` on average; the
    tables are those of the examples.

    Returns:
        the samples as decoded, float32, and the bits that each took, [n].
    """
    known, wanted = components.scores(examples), components.scores(samples)
    lowest, highest = 1e-4 * components.spread[0], 10 * components.spread[0]
    for _ in range(SEARCH):
        step = np.sqrt(lowest * highest)
        if Tables(known, step)(wanted).mean() > bits:
            lowest = step
        else:
            highest = step
    return components.back(np.rint(wanted / highest) * highest, samples.shape[1:]), Tables(known, highest)(wanted)


class Tables:
    """Bits of rounded components by a table of order 0 for each, from examples.

    Args:
        scores: of the examples, [k, m].
        step: to which components are rounded.
    """

    def __init__(self, scores: np.ndarray, step: float) -> None:
        numbers = np.rint(scores / step).astype(int)
        self._step, self._reach = step, np.abs(numbers).max(0)
        self._tables = [
            np.log2(SPARE + np.bincount(column + reach + 1, minlength=2 * reach + 3))
            for column, reach in zip(numbers.T, self._reach, strict=True)
        ]
        total = [np.log2(np.exp2(table).sum()) for table in self._tables]
        self._tables = [whole - table for table, whole in zip(self._tables, total, strict=True)]

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Bits of each row [n]; a number beyond all examples costs an escape, and twice the bits of its excess."""
        numbers = np.rint(scores / self._step).astype(int)
        bits = np.zeros(len(scores))
        for column, reach, table in zip(numbers.T, self._reach, self._tables, strict=True):
            bits += table[np.clip(column, -reach - 1, reach + 1) + reach + 1]
            excess = np.abs(column) - reach
            bits += np.where(excess > 0, 2 * np.log2(np.maximum(excess, 1)) + 1, 0)
        return bits
