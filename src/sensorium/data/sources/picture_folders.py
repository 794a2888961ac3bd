"""Pictures, with a folder for each class.

The splits are drawn file by file. If some files belong together, sort them into folders `train` and `val` and use
`imagenet` instead.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from sensorium.config import PictureFoldersConfig
from sensorium.data.recording import Split
from sensorium.data.sources.class_folders import PICTURES, class_files
from sensorium.data.sources.labelled import Listing, arrange, picture_details, picture_of


@lru_cache(maxsize=1)
def listing(config: PictureFoldersConfig) -> Listing:
    """All items in order; each process lists them once."""
    config.files()  # raises an error if the folder is missing
    pictures, classes = class_files(config.path, PICTURES)
    fractions: dict[Split, float] = {"test": config.test_fraction, "validation": config.validation_fraction}
    return arrange(config, {"training": pictures}, classes, fractions)


def simulate(config: PictureFoldersConfig, number: int) -> dict[str, np.ndarray]:
    """Picture `number`: video uint8 [1, size, size, 3] and its class.

    Raises:
        ConfigurationError: if the folder is missing or has too few pictures.
        BadDataError: if a class has no picture.
        BadRecordingError: if this picture cannot be read.
    """
    return picture_of(config, listing(config).items[number])


def details(config: PictureFoldersConfig) -> dict[str, Any]:
    """Details of all recordings."""
    return picture_details(config, listing(config), "of the files themselves: not known here")
