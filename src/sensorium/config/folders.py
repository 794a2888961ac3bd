"""What lies in the folders that a configuration names: they are listed, and no file is opened."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from sensorium.config.section import ConfigurationError


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
    return sorted(Path(entry.path) for entry in entries(folder) if entry.is_dir())


def count_files(folder: Path, suffixes: Collection[str], enough: int) -> int:
    """Files of these types below a folder and below linked ones; counting may end when there are enough.

    Raises:
        ConfigurationError: as `entries`.
    """
    entries(folder)  # os.walk is silent about a folder that it cannot list
    endings, count = tuple(suffixes), 0
    for _, _, names in os.walk(folder, followlinks=True):
        count += len([name for name in names if name.lower().endswith(endings)])
        if count >= enough:
            break
    return count


def files_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Files of these types below a folder, sorted by path; links to other folders are not followed.

    Raises:
        ConfigurationError: as `entries`.
    """
    entries(folder)
    found = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    return sorted(path for path in found if path.suffix.lower() in suffixes and os.path.isfile(path))
