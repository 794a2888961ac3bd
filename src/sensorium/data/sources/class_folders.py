"""The files of a set with a folder for each class, in the order of torchvision's ImageFolder.

Each folder is entered once: torchvision follows links round in circles, and lists a file once for each of their ways.
Pipes and devices are left out.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from torchvision.datasets.folder import IMG_EXTENSIONS

from sensorium.data.quarantine import BadDataError

PICTURES = frozenset(IMG_EXTENSIONS)


def class_files(root: str, suffixes: Collection[str]) -> tuple[list[tuple[str, int]], list[str]]:
    """(path, class) of every file below the class folders, and the names of the classes.

    Raises:
        BadDataError: if a class has no file.
        OSError: if a folder cannot be read.
    """
    with os.scandir(root) as entries:
        classes = sorted(entry.name for entry in entries if _is_folder(entry))
    found: list[tuple[str, int]] = []
    for number, name in enumerate(classes):
        files = _below(os.path.join(root, name), tuple(suffixes))
        if not files:
            raise BadDataError(f"{root}: no file for the class {name!r}; wanted are {', '.join(sorted(suffixes))}")
        found += [(file, number) for file in files]
    return found, classes


def _below(folder: str, suffixes: tuple[str, ...]) -> list[str]:
    """Files of a folder and of all folders in it: sorted by folder, then by name."""
    files: list[tuple[str, str]] = []
    entered, waiting = set(), [folder]
    while waiting:
        place = waiting.pop()
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in entered:
            continue
        entered.add((status.st_dev, status.st_ino))
        with os.scandir(place) as entries:
            inside = sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name), reverse=True)
        for entry in inside:
            if _is_folder(entry):
                waiting.append(entry.path)
            elif entry.name.lower().endswith(suffixes) and _is_file(entry):
                files.append((place, entry.name))
    return [os.path.join(*each) for each in sorted(files)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """As `entry.is_dir()`, which raises an error for a link that leads back to itself."""
    return os.path.isdir(entry) if entry.is_symlink() else entry.is_dir()


def _is_file(entry: os.DirEntry[str]) -> bool:
    return os.path.isfile(entry) if entry.is_symlink() else entry.is_file()
