"""What lies in the folders that a configuration names: they are listed, and no file is opened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path

from sensorium.config.section import ConfigurationError

# What systems and programs put into folders; besides them, names that begin with a dot.
SYSTEM = frozenset(("@eaDir", "__MACOSX", "lost+found", "$RECYCLE.BIN", "System Volume Information", "#recycle"))
SHOWN = 20


def is_system(name: str) -> bool:
    """Whether something of this name is hidden or a system's, so no data."""
    return name.startswith(".") or name in SYSTEM


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What stands in a folder.

    Raises:
        ConfigurationError: if there is no such folder, or it cannot be listed.
    """
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        reason = "no such folder" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", None)
        raise ConfigurationError(f"path = {str(folder)!r}: {reason or error}") from None


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted.

    Raises:
        ConfigurationError: as `entries`.
    """
    return sorted(Path(entry.path) for entry in entries(folder) if is_folder(entry) and not is_system(entry.name))


def count_files(folder: Path, suffixes: Collection[str], enough: int) -> int:
    """Files of these types below a folder and below linked ones; counting ends when there are enough.

    Raises:
        ConfigurationError: as `entries`.
    """
    entries(folder)
    try:
        return sum(1 for _ in islice(walk(str(folder), suffixes), enough))
    except OSError as error:
        raise ConfigurationError(f"path = {str(folder)!r}: {error.filename}: {error.strerror}") from None


def walk(folder: str, suffixes: Collection[str]) -> Iterator[tuple[str, str]]:
    """(folder, name) of the files of these types in a folder and in all below it, each entered once, linked ones too.

    Pipes and devices are no files; what is hidden or a system's is left out.

    Raises:
        OSError: if a folder cannot be read.
    """
    for place, entry in _walk(folder, suffixes):
        yield place, entry.name


def digest_of(folder: str, places: Iterable[str], suffixes: Collection[str]) -> str:
    """A digest of the names and sizes of all files of these types below some folders, in any order of finding them.

    Dates say nothing: a file that is copied with another date is the same, and a changed one has an old date at times.

    Args:
        folder: below which names are meant.
        places: folders in it.
        suffixes: of the files.

    Raises:
        ConfigurationError: if a folder cannot be read.
    """
    found = []
    try:
        for place in places:
            name, start = os.path.relpath(place, folder), len(place)
            for _, entry in _walk(place, suffixes):
                found.append(os.fsencode(name + entry.path[start:]) + b"\0%d\0" % entry.stat().st_size)
    except OSError as error:
        raise ConfigurationError(f"path = {folder!r}: {error.filename}: {error.strerror}") from None
    return hashlib.sha256(b"".join(sorted(found))).hexdigest()


def _walk(folder: str, suffixes: Collection[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    endings, entered, waiting = tuple(suffixes), set(), [folder]
    while waiting:
        place = waiting.pop()
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in entered:
            continue
        entered.add((status.st_dev, status.st_ino))
        with os.scandir(place) as found:
            inside = sorted(found, key=lambda entry: (entry.is_symlink(), entry.name), reverse=True)
        for entry in inside:
            if is_system(entry.name):
                continue
            if is_folder(entry):
                waiting.append(entry.path)
            elif entry.name.lower().endswith(endings) and _is_file(entry):
                yield place, entry


def is_folder(entry: os.DirEntry[str]) -> bool:
    """As `entry.is_dir()`, which raises an error for a link that leads back to itself."""
    return os.path.isdir(entry) if entry.is_symlink() else entry.is_dir()


def _is_file(entry: os.DirEntry[str]) -> bool:
    return os.path.isfile(entry) if entry.is_symlink() else entry.is_file()


def files_below(folder: Path, suffixes: Collection[str]) -> list[str]:
    """Files of these types below a folder and below linked ones, sorted as paths are; 100,000 objects cost a second.

    Raises:
        ConfigurationError: as `entries`.
    """
    entries(folder)
    here = 2 if str(folder) == "." else 0  # "./a" is "a"
    try:
        found = [os.path.join(*each)[here:] for each in walk(str(folder), suffixes)]
        return sorted(found, key=lambda path: path.split(os.sep))
    except OSError as error:
        raise ConfigurationError(f"path = {str(folder)!r}: {error.filename}: {error.strerror}") from None


def skipped_below(folder: Path) -> list[str]:
    """Hidden files and folders, and those of systems, below a folder: the first of them, and how many more."""
    found = []
    for place, folders, files in os.walk(folder):
        found += [os.path.relpath(os.path.join(place, name), folder) for name in (*folders, *files) if is_system(name)]
        folders[:] = [name for name in folders if not is_system(name)]
    shown = sorted(found)[:SHOWN]
    return [*shown, f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else shown
