"""Wrong cells: are they repaired, and is a wrong text ever taken for a right one?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sensorium.puzzle import dense_text
from sensorium.puzzle.config import CODES
from sensorium.puzzle.grid import CELLS, GridError
from sensorium.puzzle.pages import to_symbols
from sensorium.puzzle.text_codes import TextCodes

REPAIRABLE = dense_text.PARITY // 2  # wrong cells

Reading = Callable[[np.ndarray], bytes | None]  # a grid's text; None: refused


def damaged(grid: np.ndarray, cells: int, rng: np.random.Generator) -> np.ndarray:
    """A grid with so many wrong cells, drawn with their values."""
    wrong = grid.ravel().copy()
    places = rng.choice(CELLS, cells, replace=False)
    wrong[places] = (wrong[places] + rng.integers(1, CODES, cells)) % CODES
    return wrong.reshape(grid.shape)


def protected(codes: TextCodes) -> Reading:
    """Read as it is meant: parity repairs, and the check sum decides."""

    def read(grid: np.ndarray) -> bytes | None:
        try:
            return codes.decode([grid]).content
        except GridError:
            return None

    return read


def unprotected(codes: TextCodes, length: int) -> Reading:
    """Read the code of a primed page of `length` bytes as it stands, without parity and check sum: the baseline."""

    def read(grid: np.ndarray) -> bytes | None:
        symbols = to_symbols(grid)[dense_text.HEADER : dense_text.HEADER + dense_text.PAYLOAD] % dense_text.PRIME
        code = dense_text.number_of(symbols.tolist()).to_bytes(dense_text.PAGE_BYTES + 1, "big")[1:]
        return codes.model.decode(code, length)

    return read
