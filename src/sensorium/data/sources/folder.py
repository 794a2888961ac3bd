"""A folder of media files, each of which becomes a recording.

There are no actions, no body sense and no labels. With streams = ["audio"] the recordings have only sound, which is
enough for the audio encoder; a stage that needs pictures then stops and names the missing field.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import FolderConfig
from sensorium.data.media import read_media

FRAME_RATE = 16
SAMPLE_RATE = 16_000


@lru_cache(maxsize=1)
def _files(config: FolderConfig) -> list[Path]:
    """The files; a large tree is walked only once."""
    return config.files()


def simulate(config: FolderConfig, number: int) -> dict[str, np.ndarray]:
    """The beginning of file `number`: video uint8 [T, size, size, 3] and audio int16 [T * 1000], or one of the two.

    Raises:
        ConfigurationError: if the folder has too few files.
        BadRecordingError: if the file is unreadable, truncated, damaged, or lacks a stream.
    """
    return read_media(
        _files(config)[number],
        streams=config.streams,
        frames=config.frames,
        frame_rate=FRAME_RATE,
        sample_rate=SAMPLE_RATE,
        size=config.size,
    )


def origin(config: FolderConfig, number: int) -> str:
    """Path of file `number`, below the folder."""
    return str(_files(config)[number].relative_to(config.path))


def details(config: FolderConfig) -> dict[str, Any]:
    """Details of all recordings, and the file of each."""
    return {
        "source": "folder",
        "licence": "of the files themselves: not known here",
        "files": [origin(config, number) for number in range(len(_files(config)))],
        "frames_per_second": FRAME_RATE,
        "sample_rate": SAMPLE_RATE if "audio" in config.streams else 0,
        "samples_per_frame": SAMPLE_RATE // FRAME_RATE,
        "size": config.size if "video" in config.streams else 0,
        "action": None,
        "body": 0,
        "state_names": [],
        "may_be_silent": False,
    }
