"""What the sources of films and sounds have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sensorium.config import FilmSource
from sensorium.config.folders import skipped_below

PIECES = 100_000  # most recordings of a film: a recording's number is that of its film times this, plus its own


def origin(config: FilmSource, number: int) -> str:
    """Path of file `number`, below the folder."""
    return str(Path(config.films[number]).relative_to(config.path))


def wanted(config: FilmSource, fit: str) -> dict[str, Any]:
    """What is read of each file, for `data.file_worker`."""
    return {
        "wanted": {
            "streams": list(config.streams),
            "frame_rate": config.frame_rate,
            "sample_rate": config.sample_rate,
            "size": config.size,
            "fit": fit,
        }
    }


def film_details(config: FilmSource) -> dict[str, Any]:
    """Details that all recordings of a set of films share.

    Raises:
        ConfigurationError: if the folder has too few files.
    """
    config.check()
    heard = "audio" in config.streams
    return {
        "licence": "of the files themselves: not known here",
        "skipped": skipped_below(Path(config.path)),
        "frames_per_second": config.frame_rate,
        "sample_rate": config.sample_rate if heard else 0,
        "samples_per_frame": config.samples_per_frame if heard else 0,
        "size": config.size if "video" in config.streams else 0,
        "state_names": [],
    }
