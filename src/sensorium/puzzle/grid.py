"""The grid that every sense is written on: 30 x 30 cells of ten codes.

A grid is uint8 [30, 30], values 0..9, read row by row. On disk it is the integer whose decimal digits are its cells,
the first cell the most significant one, in 374 bytes, big-endian: 900 digits hold 2,989.7 bits, 374 bytes 2,992. The
integers from 10^900 on stand for no grid and are refused. A file holds one or more grids, one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sensorium.artifacts import atomic_path
from sensorium.puzzle.config import CODES, SIDE

CELLS = SIDE * SIDE
PACKED = 374  # bytes of a grid on disk
MOST_GRIDS = 10_000  # in a file: 3.7 MB
_END = CODES**CELLS


class GridError(Exception):
    """What is given is no grid, or its cells hold nothing that can be decoded (exit 65)."""

    exit_code = 65


def checked(grid: np.ndarray) -> np.ndarray:
    """The grid itself, if it is one: uint8 [30, 30], 0..9.

    Raises:
        GridError: naming what is wrong with it.
    """
    if not isinstance(grid, np.ndarray) or grid.dtype != np.uint8 or grid.shape != (SIDE, SIDE):
        found = f"{grid.dtype} {list(grid.shape)}" if isinstance(grid, np.ndarray) else type(grid).__name__
        raise GridError(f"no grid: {found}, expected uint8 [{SIDE}, {SIDE}]")
    if grid.max() >= CODES:
        row, column = np.argwhere(grid >= CODES)[0]
        raise GridError(f"no grid: the cell in row {row}, column {column} is {grid[row, column]}, expected 0 to 9")
    return grid


def pack(grid: np.ndarray) -> bytes:
    """A grid in 374 bytes.

    Raises:
        GridError: if it is no grid.
    """
    digits = (checked(grid) + ord("0")).tobytes().decode("ascii")
    return int(digits).to_bytes(PACKED, "big")


def unpack(packed: bytes) -> np.ndarray:
    """The grid uint8 [30, 30] that `pack` made these bytes of.

    Raises:
        GridError: if they are not 374, or stand for an integer that is no grid's.
    """
    if len(packed) != PACKED:
        raise GridError(f"no packed grid: {len(packed)} bytes, expected {PACKED}")
    number = int.from_bytes(packed, "big")
    if number >= _END:
        raise GridError(f"no packed grid: its number has more than {CELLS} digits, so no grid was packed to it")
    digits = np.frombuffer(f"{number:0{CELLS}d}".encode("ascii"), np.uint8)
    return (digits - np.uint8(ord("0"))).reshape(SIDE, SIDE)


def write_grids(path: Path, grids: Sequence[np.ndarray]) -> None:
    """Write grids to a file, whole or not at all, 374 bytes each.

    Raises:
        GridError: if there is none, there are more than 10,000, or one is no grid.
        StorageError: if the file cannot be written.
    """
    if not 1 <= len(grids) <= MOST_GRIDS:
        raise GridError(f"{path}: {len(grids)} grids; a file holds 1 to {MOST_GRIDS}")
    content = b"".join(map(pack, grids))
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_grids(path: Path) -> list[np.ndarray]:
    """The grids of a file.

    Raises:
        GridError: naming the file, if its size is no multiple of 374, it holds too many, or one is no grid.
        OSError: if it cannot be read.
    """
    size = path.stat().st_size
    if size == 0 or size % PACKED or size > MOST_GRIDS * PACKED:
        raise GridError(
            f"{path}: no grids: {size} bytes, expected a multiple of {PACKED} up to {MOST_GRIDS * PACKED}; "
            "make one with: sensorium puzzle encode FILE -o OUT"
        )
    content = path.read_bytes()
    try:
        return [unpack(content[start : start + PACKED]) for start in range(0, len(content), PACKED)]
    except GridError as error:
        raise GridError(f"{path}: {error}") from None


def as_text(grid: np.ndarray) -> str:
    """The grid as 30 lines of 30 digits, which can be pasted.

    Raises:
        GridError: if it is no grid.
    """
    return "\n".join("".join(map(str, row)) for row in checked(grid).tolist()) + "\n"


def from_text(text: str) -> np.ndarray:
    """The grid of 900 digits; white space anywhere between them is skipped.

    Raises:
        GridError: if there is anything else, or there are not 900.
    """
    digits = "".join(text.split())
    if len(digits) != CELLS or not digits.isascii() or not digits.isdigit():
        raise GridError(f"no grid: {len(digits)} characters, expected {CELLS} digits 0 to 9")
    return (np.frombuffer(digits.encode("ascii"), np.uint8) - np.uint8(ord("0"))).reshape(SIDE, SIDE)
