"""A folder of media files as a source: one recording a file.

There is no action, no body, no label. With streams = ["audio"] the recordings hold sound alone, which serves the audio
encoder; everything that looks at pictures then stops with a message that names the missing field.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import ConfigurationError, FolderConfig
from sensorium.data.media import read_media

FRAME_RATE = 16
SAMPLE_RATE = 16_000
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm"})
SOUND_SUFFIXES = frozenset({".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav"})


def simulate(config: FolderConfig, number: int) -> dict[str, np.ndarray]:
    """The beginning of file `number`: video uint8 [T, size, size, 3] and audio int16 [T * 1000], or one of the two.

    Raises:
        ConfigurationError: if the folder has too few files.
        BadRecordingError: if the file is unreadable, cut off, damaged, or lacks a stream.
    """
    return read_media(
        _files(config)[number],
        streams=config.streams,
        frames=config.frames,
        frame_rate=FRAME_RATE,
        sample_rate=SAMPLE_RATE,
        size=config.size,
    )


def details(config: FolderConfig) -> dict[str, Any]:
    """What holds for all recordings, and the file each came from."""
    return {
        "source": "folder",
        "licence": "of the files themselves: not known here",
        "files": [str(file.relative_to(config.path)) for file in _files(config)],
        "frames_per_second": FRAME_RATE,
        "sample_rate": SAMPLE_RATE if "audio" in config.streams else 0,
        "samples_per_frame": SAMPLE_RATE // FRAME_RATE,
        "size": config.size if "video" in config.streams else 0,
        "action": None,
        "body": 0,
        "state_names": [],
        "may_be_silent": False,
    }


def _files(config: FolderConfig) -> list[Path]:
    suffixes = VIDEO_SUFFIXES if "video" in config.streams else VIDEO_SUFFIXES | SOUND_SUFFIXES
    folder = Path(config.path)
    if not folder.is_dir():
        raise ConfigurationError(f"config: data.path = {config.path!r}: no such folder")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in suffixes)
    if len(files) < config.recordings:
        raise ConfigurationError(
            f"config: data.recordings = {config.recordings}: {folder} has {len(files)} files of the kinds "
            f"{', '.join(sorted(suffixes))}; set data.recordings to at most that number"
        )
    return files[: config.recordings]
