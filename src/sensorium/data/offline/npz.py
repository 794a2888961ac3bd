"""Episodes as .npz files, an episode each, with the keys that Dreamer's replay has.

The arrays are read from the archive by NumPy's reader of plain arrays, after their headers were looked at.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sensorium.data.files import open_regular
from sensorium.data.offline.episode import EpisodeSet, Facts, missing, refuse_size
from sensorium.data.quarantine import BadRecordingError

MEMBER = ".npy"
Format = np.lib.format


class NpzEpisode:
    """An open file.

    Args:
        file: it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._archive = zipfile.ZipFile(file)
        self._members = {
            each.filename.removesuffix(MEMBER): each
            for each in self._archive.infolist()
            if each.filename.endswith(MEMBER)
        }

    def names(self) -> list[str]:
        """Names of its arrays."""
        return sorted(self._members)

    def form(self, name: str) -> tuple[str, tuple[int, ...]]:
        """Kind of the dtype of an array, and its shape."""
        shape, dtype, _ = self._header(name)
        refuse_size(name, dtype, shape)
        return dtype.kind, shape

    def array(self, name: str) -> np.ndarray:
        """A whole array.

        Raises:
            BadRecordingError: if it is missing, has objects, is too large, or does not have the bytes that it states.
        """
        shape, dtype, begins = self._header(name)
        refuse_size(name, dtype, shape)
        stored = self._members[name].file_size - begins
        if stored != (needed := int(np.prod(shape, dtype=object)) * dtype.itemsize):
            raise BadRecordingError(f"{name!r} has {stored} bytes, its shape needs {needed}", "truncated")
        with self._archive.open(self._members[name]) as member:
            return Format.read_array(member, allow_pickle=False)

    def pictures(self, name: str) -> Iterator[np.ndarray]:
        """The pictures, one after the other."""
        yield from self.array(name)

    def _header(self, name: str) -> tuple[tuple[int, ...], np.dtype, int]:
        """Shape and dtype of an array, and the byte at which its values begin."""
        if name not in self._members:
            raise missing(name, self.names())
        with self._archive.open(self._members[name]) as member:
            readers = {(1, 0): Format.read_array_header_1_0, (2, 0): Format.read_array_header_2_0}
            version = Format.read_magic(member)
            if version not in readers:
                raise BadRecordingError(f"{name!r} is in version {version} of the format", "wrong_array")
            shape, _, dtype = readers[version](member)
            if dtype.hasobject:
                raise BadRecordingError(f"{name!r} holds objects, no numbers", "objects")
            return shape, dtype, member.tell()


class NpzSet:
    """Files below a folder."""

    facts = Facts()

    def __init__(self, folder: Path, files: list[Path]) -> None:
        self._folder, self._files = folder, files

    def places(self) -> list[str]:
        """The files."""
        return [str(path.relative_to(self._folder)) for path in self._files]

    def splits(self) -> list[str]:
        """None: nothing says where an episode belongs."""
        return []

    @contextmanager
    def open(self, place: str) -> Iterator[NpzEpisode]:
        """An episode."""
        with open_regular(self._folder / place) as file:
            yield NpzEpisode(file)


def open_set(layout: str, folder: Path, files: list[Path], picture: str) -> EpisodeSet:
    """The set below a folder."""
    return NpzSet(folder, files)
