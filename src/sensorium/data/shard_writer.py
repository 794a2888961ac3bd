"""A shard that is written as it fills: no more than one recording is held in memory.

The file is a safetensors file like those of `write_shard`. Its header comes first and is known last, so room is left
for it, which JSON may fill with spaces. If the room is too small, the data are moved once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sensorium.artifacts import atomic_path
from sensorium.data.recording import DTYPES, LENGTH_BYTES, PADDING, RECORDING_NAME

ALIGNMENT = 8  # bytes; every tensor begins at a multiple, for which there are tensors named PADDING
ROOM = 2**16  # bytes for the header
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
BLOCK = 2**24  # bytes that are moved at a time


class ShardWriter:
    """An open shard; use `open_shard`."""

    def __init__(self, file: BinaryIO, room: int = ROOM) -> None:
        self._file, self._start = file, LENGTH_BYTES + room
        self._header: dict[str, dict[str, object]] = {}
        self._size = 0
        file.seek(self._start)

    def add(self, name: str, fields: Mapping[str, np.ndarray]) -> None:
        """Write a recording.

        Raises:
            ValueError: if its name has a character other than letters, digits, dot, dash and underscore.
        """
        if not RECORDING_NAME.fullmatch(name):
            raise ValueError(f"recording name {name!r}: only letters, digits, '.', '-' and '_' are allowed")
        for field, array in fields.items():
            self._write(f"{name}/{field}", np.ascontiguousarray(array))

    def mark(self) -> tuple[int, int]:
        """The state to which `back_to` leads."""
        return self._size, len(self._header)

    def back_to(self, mark: tuple[int, int]) -> None:
        """Forget what was added since."""
        self._size, count = mark
        self._header = dict(list(self._header.items())[:count])
        self._file.seek(self._start + self._size)
        self._file.truncate()

    def _write(self, key: str, array: np.ndarray) -> None:
        if rest := -self._size % ALIGNMENT:
            self._place(f"{PADDING}/{len(self._header)}", np.zeros(rest, np.uint8))
        self._place(key, array)

    def _place(self, key: str, array: np.ndarray) -> None:
        end = self._size + array.nbytes
        self._header[key] = {
            "dtype": NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [self._size, end],
        }
        self._file.write(array.reshape(-1).view(np.uint8).data)
        self._size = end

    def close(self) -> None:
        """Write the header."""
        text = json.dumps(self._header, separators=(",", ":")).encode()
        room = max(self._start - LENGTH_BYTES, -(-len(text) // ALIGNMENT) * ALIGNMENT)
        self._move(LENGTH_BYTES + room)
        self._file.seek(0)
        self._file.write(room.to_bytes(LENGTH_BYTES, "little") + text.ljust(room))
        self._file.flush()

    def _move(self, start: int) -> None:
        """Move the data to a later place, from the end on."""
        left = self._size if start > self._start else 0
        while left:
            count = min(BLOCK, left)
            left -= count
            self._file.seek(self._start + left)
            block = self._file.read(count)
            self._file.seek(start + left)
            self._file.write(block)
        self._start = start


@contextmanager
def open_shard(path: Path, room: int = ROOM) -> Iterator[ShardWriter]:
    """A shard to be filled; it is on disk, complete, when the block has ended without an error."""
    with atomic_path(path) as temporary, temporary.open("w+b") as file:
        writer = ShardWriter(file, room)
        yield writer
        writer.close()
