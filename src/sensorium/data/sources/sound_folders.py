"""Sounds, with a folder for each class.

The splits are drawn file by file. If a voice has many files, use the layout and the lists of `speech_commands` instead,
or the test set has voices of the training set.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from sensorium.config import SOUND_SUFFIXES, SoundFoldersConfig
from sensorium.data.recording import Split
from sensorium.data.sources.class_folders import class_files
from sensorium.data.sources.labelled import Listing, arrange, sound_details, sound_of


@lru_cache(maxsize=1)
def listing(config: SoundFoldersConfig) -> Listing:
    """All items in order; each process lists them once."""
    config.files()  # raises an error if the folder is missing
    sounds, classes = class_files(config.path, SOUND_SUFFIXES)
    fractions: dict[Split, float] = {"test": config.test_fraction, "validation": config.validation_fraction}
    return arrange(config, {"training": sounds}, classes, fractions)


def simulate(config: SoundFoldersConfig, number: int) -> dict[str, np.ndarray]:
    """Sound `number`: audio int16 [frames * 1000] and its class in each of its frames, -1 after its end.

    Raises:
        ConfigurationError: if the folder is missing or has too few sounds.
        BadDataError: if a class has no sound.
        BadRecordingError: if this sound cannot be read.
    """
    return sound_of(config, listing(config).items[number])


def details(config: SoundFoldersConfig) -> dict[str, Any]:
    """Details of all recordings."""
    return sound_details(config, listing(config), "of the files themselves: not known here")
