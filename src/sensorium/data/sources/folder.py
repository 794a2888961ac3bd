"""A folder of short media files, the beginning of each of which becomes a recording.

There are no actions, no body sense and no labels. With streams = ["audio"] the recordings have only sound, which is
enough for the audio encoder; a stage that needs pictures then stops and names the missing field. Long films, all of
them, are read by the source `video`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sensorium.config import FolderConfig
from sensorium.data.sources.films import film_details, origin, wanted

__all__ = ["details", "file", "job", "origin"]


def file(config: FolderConfig, number: int) -> Path:
    """Path of file `number`."""
    return Path(config.films[number])


def job(config: FolderConfig, number: int) -> dict[str, Any]:
    """The beginning of file `number`, for `data.file_worker`."""
    cuts = {"by": "beginning", "frames": config.frames, "shortest": config.shortest}
    return {**wanted(config, "crop"), "path": str(file(config, number).absolute()), "cuts": cuts, "signals": None}


def details(config: FolderConfig) -> dict[str, Any]:
    """Details of all recordings.

    Raises:
        ConfigurationError: if the folder has too few files.
    """
    return {**film_details(config), "source": "folder", "action": None, "body": 0}
