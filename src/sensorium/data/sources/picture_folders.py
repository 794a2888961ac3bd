"""Pictures in a folder for each class. They are parted by file: where files belong together, part them by folders
of your own into a `train` and a `val` and use `imagenet`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from torchvision.datasets import ImageFolder

from sensorium.config import PictureFoldersConfig
from sensorium.data.quarantine import BadDataError
from sensorium.data.recording import Split
from sensorium.data.sources.labelled import Listing, arrange, picture_details, picture_of


@lru_cache(maxsize=1)
def listing(config: PictureFoldersConfig) -> Listing:
    """All items in order, found once a process."""
    config.files()  # a missing folder is named here
    try:
        folders = ImageFolder(config.path)
    except OSError as error:  # a class without a picture
        raise BadDataError(f"{config.path}: {error}") from None
    fractions: dict[Split, float] = {"test": config.test_fraction, "validation": config.validation_fraction}
    return arrange(config, {"training": folders.samples}, folders.classes, fractions)


def simulate(config: PictureFoldersConfig, number: int) -> dict[str, np.ndarray]:
    """Picture `number`: video uint8 [1, size, size, 3] and its class.

    Raises:
        ConfigurationError: if the folder is not there or has too few pictures.
        BadDataError: if a class has no picture.
        BadRecordingError: if this picture cannot be read.
    """
    return picture_of(config, listing(config).items[number])


def details(config: PictureFoldersConfig) -> dict[str, Any]:
    """What holds for all recordings."""
    return picture_details(config, listing(config), "of the files themselves: not known here")
