"""The files of a set with a folder for each class, in the order of torchvision's ImageFolder.

Each folder is entered once: torchvision follows links round in circles, and lists a file once for each of their ways.
Pipes and devices are left out.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from torchvision.datasets.folder import IMG_EXTENSIONS

from sensorium.config.folders import is_folder, is_system, walk
from sensorium.data.quarantine import BadDataError

PICTURES = frozenset(IMG_EXTENSIONS)


def class_files(root: str, suffixes: Collection[str]) -> tuple[list[tuple[str, int]], list[str]]:
    """(path, class) of every file below the class folders, and the names of the classes.

    Raises:
        BadDataError: if a class has no file.
        OSError: if a folder cannot be read.
    """
    with os.scandir(root) as entries:
        classes = sorted(entry.name for entry in entries if is_folder(entry) and not is_system(entry.name))
    found: list[tuple[str, int]] = []
    for number, name in enumerate(classes):
        files = [os.path.join(*each) for each in sorted(walk(os.path.join(root, name), suffixes))]
        if not files:
            raise BadDataError(f"{root}: no file for the class {name!r}; wanted are {', '.join(sorted(suffixes))}")
        found += [(file, number) for file in files]
    return found, classes
