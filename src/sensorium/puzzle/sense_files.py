"""Files of sounds and pictures, as the codes take and give them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from sensorium.artifacts import atomic_path
from sensorium.config.films import VIDEO_SUFFIXES
from sensorium.data.media import duration, read_media
from sensorium.data.pictures import read_picture
from sensorium.data.quarantine import BadRecordingError
from sensorium.data.sounds import read_sound
from sensorium.puzzle.config import SOUND_RATE
from sensorium.puzzle.grid import GridError

LONGEST = 600  # seconds of a sound or a film
FRAME_RATE = 16  # grids a second of a film
BY_LIBAV = (".aac", ".m4a", *VIDEO_SUFFIXES)  # what soundfile does not read
A_ROW = 16  # pictures in a row of a sheet


def read(path: Path, sense: str, size: int) -> np.ndarray:
    """A sound as int16 [S] at 16 kHz, or pictures as uint8 [G, size, size, 3].

    Raises:
        GridError: naming the file, if it is no such file, or longer than ten minutes.
        OSError: if there is no such file.
    """
    path.stat()
    try:
        if path.suffix.lower() in BY_LIBAV:
            return _film(path, sense, size)
        if sense == "sight":
            return read_picture(path, size)[None]
        most = LONGEST * SOUND_RATE
        samples, length = read_sound(path, most + 1, SOUND_RATE)
    except BadRecordingError as error:
        raise GridError(f"{error}; give another file, or write its bytes as they are with --sense text") from None
    if length > most:
        raise GridError(f"{path}: longer than {LONGEST} seconds; cut it")
    return samples[:length]


def _film(path: Path, sense: str, size: int) -> np.ndarray:
    seconds = duration(path)
    if seconds > LONGEST:
        raise GridError(f"{path}: {seconds:.0f} seconds; at most {LONGEST} are coded: cut it")
    stream = "audio" if sense == "sound" else "video"
    frames = max(1, int(seconds * FRAME_RATE))
    read = read_media(path, streams=(stream,), frames=frames, frame_rate=FRAME_RATE, sample_rate=SOUND_RATE, size=size)
    return read[stream]


def write(path: Path, sense: str, found: np.ndarray) -> None:
    """Write a sound as WAV, or pictures as PNG, several side by side.

    Raises:
        StorageError: if the file cannot be written.
    """
    with atomic_path(path) as temporary:
        if sense == "sound":
            soundfile.write(temporary, found, SOUND_RATE, subtype="PCM_16", format="WAV")
        else:
            Image.fromarray(_sheet(found)).save(temporary, format="PNG")


def _sheet(pictures: np.ndarray) -> np.ndarray:
    """Pictures [G, size, size, 3] in rows of up to 16, black where there is none."""
    columns = min(A_ROW, len(pictures))
    rows, size = -(-len(pictures) // columns), pictures.shape[1]
    sheet = np.zeros((rows * columns, size, size, 3), np.uint8)
    sheet[: len(pictures)] = pictures
    return sheet.reshape(rows, columns, size, size, 3).swapaxes(1, 2).reshape(rows * size, columns * size, 3)
