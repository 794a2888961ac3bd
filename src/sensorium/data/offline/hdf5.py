"""Episodes in HDF5 files: groups `episode_0`, ... as Minari writes them, or `data/demo_0`, ... as robomimic does.

Only what lies in the file itself is read: links to other files, arrays that are stored in other files, and arrays that
are views of others are refused.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sensorium.data.files import open_regular
from sensorium.data.offline.episode import EpisodeSet, Facts, missing, refuse_form, refuse_size
from sensorium.data.quarantine import BadRecordingError

GROUPS = {"minari": ("", re.compile(r"episode_(\d+)")), "robomimic": ("data", re.compile(r"demo_(\d+)"))}
MOST_LINKS = 8  # soft links on the way to an array
SLICE = 64  # pictures that are read at a time
MOST_COMPRESSED, SMALL = 1100, 2**20  # deflate's largest ratio is 1032; bytes that are no matter
SPLITS = {"train": "training", "valid": "validation", "test": "test"}  # robomimic's names in `mask`


def member(group: h5py.Group, path: str, links: int = MOST_LINKS) -> Any:
    """What lies at a path below a group, reached by nothing but links within the file.

    Raises:
        BadRecordingError: if it is not there, or a link leads out of the file or in circles.
    """
    found: Any = group
    parts = [part for part in path.split("/") if part]
    for number, part in enumerate(parts):
        link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
        if link is None:
            raise missing(path, sorted(found) if isinstance(found, h5py.Group) else [])
        if isinstance(link, h5py.SoftLink):
            if not links:
                raise BadRecordingError(f"{path!r}: its links lead in circles", "outside")
            start = found.file["/"] if link.path.startswith("/") else found
            return member(start, "/".join([link.path, *parts[number + 1 :]]), links - 1)
        if not isinstance(link, h5py.HardLink):
            raise BadRecordingError(f"{path!r} is a link to {getattr(link, 'filename', 'another file')!r}", "outside")
        found = found[part]
    return found


class Hdf5Episode:
    """A group of a file."""

    def __init__(self, group: h5py.Group) -> None:
        self._group = group

    def names(self) -> list[str]:
        """Names of its arrays, with those of the groups in it before a slash."""
        found: list[str] = []
        self._group.visit(found.append)  # visits hard links alone, each object once
        return sorted(name for name in found if isinstance(self._group[name], h5py.Dataset))

    def form(self, name: str) -> tuple[str, tuple[int, ...]]:
        """Kind of the dtype of an array, and its shape."""
        found = self._array(name)
        return found.dtype.kind, found.shape

    def array(self, name: str) -> np.ndarray:
        """A whole array.

        Raises:
            BadRecordingError: if it is missing, stored elsewhere, holds no numbers, or is too large.
        """
        found = self._array(name)
        refuse_size(name, found.dtype, found.shape)
        return np.asarray(found[:])

    def pictures(self, name: str) -> Iterator[np.ndarray]:
        """The pictures, one after the other."""
        found = self._array(name)
        for first in range(0, len(found), SLICE):
            yield from found[first : first + SLICE]

    def _array(self, name: str) -> h5py.Dataset:
        found = member(self._group, name)
        if not isinstance(found, h5py.Dataset):
            raise BadRecordingError(f"{name!r} is a group, of {', '.join(sorted(found)[:20])}", "wrong_array")
        if found.is_virtual or found.external:
            raise BadRecordingError(f"{name!r} is stored in another file", "outside")
        refuse_form(name, found.dtype, found.shape)
        size, stored = math.prod(found.shape) * found.dtype.itemsize, found.id.get_storage_size()
        if size > MOST_COMPRESSED * stored + SMALL:
            raise BadRecordingError(
                f"{name!r} has shape {list(found.shape)}, and {stored} bytes are stored", "too_large"
            )
        return found


class Hdf5Set:
    """Groups of files below a folder."""

    def __init__(self, layout: str, folder: Path, files: Sequence[Path]) -> None:
        self._folder, self._files = folder, files
        self._above, self._pattern = GROUPS[layout]
        self._splits: dict[str, str] = {}
        self._places: list[str] | None = None

    @property
    def facts(self) -> Facts:
        """Frames a second and bounds of actions, where the first file states them."""
        rate, scales = 0.0, {}
        with suppress(Exception), self._file(self._files[0]) as file:
            about = json.loads(_text(file["data"].attrs.get("env_args", "{}"))) if self._above else {}
            rate = float(about.get("env_kwargs", {}).get("control_freq", 0)) if self._above else 0.0
            space = {} if self._above else json.loads(_text(file.attrs.get("action_space", "{}")))
            if space.get("type") == "Box":
                scales = {"actions": [np.ravel(space[key]).tolist() for key in ("low", "high")]}
        return Facts(rate=rate, scales=scales)

    def places(self) -> list[str]:
        """Files with their groups, sorted by number within each; a file that cannot be listed stands there alone."""
        if self._places is None:
            self._places = []
            for path in self._files:
                print(path, file=sys.stderr, flush=True)  # the last thing that is seen if the library crashes
                where = str(path.relative_to(self._folder))
                try:
                    with self._file(path) as file:
                        self._places += [f"{where}:{name}" for name in self._listed(file, where)]
                except Exception:
                    self._places.append(f"{where}:")
        return self._places

    def splits(self) -> list[str]:
        """Splits by robomimic's masks; episodes in none are for training. Empty if a split has no mask."""
        places = self.places()
        if set(self._splits.values()) != set(SPLITS.values()):
            return []
        return [self._splits.get(place, "training") for place in places]

    @contextmanager
    def open(self, place: str) -> Iterator[Hdf5Episode]:
        """An episode."""
        path, _, name = place.rpartition(":")
        with self._file(self._folder / path) as file:
            group = member(file, f"{self._above}/{name or next(iter(self._listed(file)), 'nothing')}")
            if not isinstance(group, h5py.Group):
                raise BadRecordingError(f"{name!r} is no group", "wrong_array")
            yield Hdf5Episode(group)

    @contextmanager
    def _file(self, path: Path) -> Iterator[h5py.File]:
        with open_regular(path) as raw, h5py.File(raw, "r") as file:
            yield file

    def _listed(self, file: h5py.File, where: str = "") -> list[str]:
        """Names of the episodes in a file, whose splits are noted."""
        above = member(file, self._above)
        numbered = {int(found[1]): name for name in above if (found := self._pattern.fullmatch(name))}
        if self._above and "mask" in file:
            for mask, split in SPLITS.items():
                if mask in (masks := member(file, "mask")):
                    self._splits |= {f"{where}:{_text(name)}": split for name in member(masks, mask)[:]}
        return [numbered[number] for number in sorted(numbered)]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def open_set(layout: str, folder: Path, files: list[Path], picture: str) -> EpisodeSet:
    """The set below a folder."""
    return Hdf5Set(layout, folder, files)
