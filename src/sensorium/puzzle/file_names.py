"""What a file holds, by its name: a text, a sound or pictures. Never imports torch."""

from __future__ import annotations

from pathlib import Path

from sensorium.config import SOUND_SUFFIXES
from sensorium.config.films import VIDEO_SUFFIXES
from sensorium.config.sets import PICTURE_SUFFIXES
from sensorium.puzzle.grid import GridError

TEXTS = (".txt", ".md", ".rst", ".py", ".json", ".csv", ".html", ".xml", ".yaml", ".toml", ".log")
SENSES = ("text", "sound", "sight")
WRITTEN = {"sound": ".wav", "sight": ".png"}  # what decoded files are called


def sense_of(path: Path) -> str:
    """What a file holds, by its name.

    Raises:
        GridError: if that does not tell; films have sound and pictures, so one must be asked for.
    """
    suffix = path.suffix.lower()
    for sense, suffixes in (("text", TEXTS), ("sound", SOUND_SUFFIXES), ("sight", PICTURE_SUFFIXES)):
        if suffix in suffixes:
            return sense
    if suffix in VIDEO_SUFFIXES:
        raise GridError(f"{path}: a film has sound and pictures; add --sense sound or --sense sight")
    raise GridError(
        f"{path}: its name does not tell what it holds; texts end in {', '.join(TEXTS)}, sounds in "
        f"{', '.join(sorted(SOUND_SUFFIXES))}, pictures in {', '.join(sorted(PICTURE_SUFFIXES))}. Add --sense sound or "
        "--sense sight; or, to write its bytes exactly, whatever they are, --sense text"
    )
