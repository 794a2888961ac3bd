"""Grids written as an arithmetic coder writes them: each cell by the codes left of it, above it, and between the two.

The tables are counts over training grids. All arithmetic that decides is on integers, so what was written is read back
on every machine. The coder is that of Witten, Neal and Cleary (1987), "Arithmetic coding for data compression".
"""

from __future__ import annotations

import numpy as np

from sensorium.puzzle.config import CODES, SIDE

OUTSIDE = CODES  # what stands beyond the rim of a grid
CONTEXTS = (CODES + 1) ** 3
SPREAD = 8.0  # cells that the coarser table, of the cell to the left alone, counts for in each context
TOTAL = 1 << 14  # of a table's shares
_BITS = 32
_HALF, _QUARTER = 1 << (_BITS - 1), 1 << (_BITS - 2)
_TOP = (1 << _BITS) - 1


def contexts(grids: np.ndarray) -> np.ndarray:
    """Number of each cell's context: grids [n, SIDE, SIDE] -> int64 of the same shape."""
    wide = np.pad(grids.astype(np.int64), ((0, 0), (1, 0), (1, 0)), constant_values=OUTSIDE)
    left, above, corner = wide[:, 1:, :-1], wide[:, :-1, 1:], wide[:, :-1, :-1]
    return (left * (CODES + 1) + above) * (CODES + 1) + corner


class ContextCoder:
    """Tables from training grids.

    Args:
        examples: [n, SIDE, SIDE].

    Attributes:
        ends: int64 [CONTEXTS, CODES + 1], cumulative shares of the codes in each context, from 0 to TOTAL.
    """

    def __init__(self, examples: np.ndarray) -> None:
        places, codes = contexts(examples).reshape(-1), examples.reshape(-1).astype(np.int64)
        counts = np.bincount(places * CODES + codes, minlength=CONTEXTS * CODES).reshape(CONTEXTS, CODES)
        coarse = counts.reshape(CODES + 1, -1, CODES).sum(1) + 1.0
        coarse = np.repeat(coarse / coarse.sum(1, keepdims=True), (CODES + 1) ** 2, 0)
        shares = counts + SPREAD * coarse
        shares = shares / shares.sum(1, keepdims=True)
        sizes = 1 + np.floor(shares * (TOTAL - CODES)).astype(np.int64)  # no code may take nothing
        sizes[np.arange(CONTEXTS), sizes.argmax(1)] += TOTAL - sizes.sum(1)
        self.ends = np.concatenate([np.zeros((CONTEXTS, 1), np.int64), sizes.cumsum(1)], 1)

    def bits(self, grids: np.ndarray) -> np.ndarray:
        """Bits of each grid by the tables, [n]; what `encode` writes takes two bits more at most, in whole bytes."""
        sizes = np.diff(self.ends, axis=1)[contexts(grids), grids]
        return np.asarray((np.log2(TOTAL) - np.log2(sizes)).sum((1, 2)))

    def encode(self, grid: np.ndarray) -> bytes:
        """A grid [SIDE, SIDE] in as few bytes as the tables allow."""
        ends, places = self.ends, contexts(grid[None])[0].reshape(-1).tolist()
        low, high, pending, bits = 0, _TOP, 0, []
        for place, code in zip(places, grid.reshape(-1).tolist(), strict=True):
            span, first, last = high - low + 1, int(ends[place, code]), int(ends[place, code + 1])
            low, high = low + span * first // TOTAL, low + span * last // TOTAL - 1
            while True:
                if high < _HALF or low >= _HALF:
                    bit = int(low >= _HALF)
                    bits += [bit, *[1 - bit] * pending]
                    pending, offset = 0, bit * _HALF
                elif low >= _QUARTER and high < _HALF + _QUARTER:
                    pending, offset = pending + 1, _QUARTER
                else:
                    break
                low, high = 2 * (low - offset), 2 * (high - offset) + 1
        bit = int(low >= _QUARTER)
        bits += [bit, *[1 - bit] * (pending + 1)]
        return np.packbits(bits).tobytes()

    def decode(self, written: bytes) -> np.ndarray:
        """The grid uint8 [SIDE, SIDE] that `encode` wrote with the same tables."""
        stream = iter(np.unpackbits(np.frombuffer(written, np.uint8)).tolist())
        grid = np.full((SIDE + 1, SIDE + 1), OUTSIDE, np.int64)
        low, high, value = 0, _TOP, 0
        for _ in range(_BITS):
            value = 2 * value + next(stream, 0)
        for row in range(1, SIDE + 1):
            for column in range(1, SIDE + 1):
                left, above, corner = grid[row, column - 1], grid[row - 1, column], grid[row - 1, column - 1]
                ends = self.ends[(left * (CODES + 1) + above) * (CODES + 1) + corner]
                span = high - low + 1
                code = int(np.searchsorted(ends, ((value - low + 1) * TOTAL - 1) // span, side="right")) - 1
                grid[row, column] = code
                low, high = low + span * int(ends[code]) // TOTAL, low + span * int(ends[code + 1]) // TOTAL - 1
                while True:
                    if high < _HALF or low >= _HALF:
                        offset = _HALF * int(low >= _HALF)
                    elif low >= _QUARTER and high < _HALF + _QUARTER:
                        offset = _QUARTER
                    else:
                        break
                    low, high = 2 * (low - offset), 2 * (high - offset) + 1
                    value = 2 * (value - offset) + next(stream, 0)
        return grid[1:, 1:].astype(np.uint8)
