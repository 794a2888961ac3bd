"""ImageNet (ILSVRC 2012; Russakovsky et al. 2015) in torchvision's layout: train and val, with a folder for each class.

torchvision's meta.bin gives the classes their names; without it they are named as their folders (n01440764, ...).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from torchvision.datasets import ImageFolder, ImageNet

from sensorium.config import ImageNetConfig
from sensorium.data.quarantine import BadDataError
from sensorium.data.recording import Split
from sensorium.data.sources.labelled import Listing, arrange, picture_details, picture_of


@lru_cache(maxsize=1)
def listing(config: ImageNetConfig) -> Listing:
    """All items in order; each process lists them once. The published validation set is the test set here."""
    config.files()  # raises an error if something is missing; torchvision would look for archives
    try:
        if (Path(config.path) / "meta.bin").exists():
            parts = [ImageNet(config.path, split) for split in ("train", "val")]
            classes = [", ".join(names) for names in parts[0].classes]
            folders = [part.wnids for part in parts]
        else:
            parts = [ImageFolder(str(Path(config.path) / split)) for split in ("train", "val")]
            classes = parts[0].classes
            folders = [part.classes for part in parts]
    except (OSError, RuntimeError, KeyError) as error:  # no pictures, a damaged meta.bin, a class without a name
        raise BadDataError(f"{config.path}: not laid out as ImageNet: {error!r} (docs/data.md)") from None
    if folders[0] != folders[1]:
        odd = sorted(set(folders[0]) ^ set(folders[1]))
        raise BadDataError(f"{config.path}: train and val differ in their classes: {', '.join(odd[:3])}")
    samples: dict[Split, Any] = {"training": parts[0].samples, "test": parts[1].samples}
    return arrange(config, samples, classes, {"validation": config.validation_fraction})


def simulate(config: ImageNetConfig, number: int) -> dict[str, np.ndarray]:
    """Picture `number`: video uint8 [1, size, size, 3] and its class.

    Raises:
        ConfigurationError: if the set is missing or has too few pictures.
        BadDataError: if its folders have another layout.
        BadRecordingError: if this picture cannot be read.
    """
    return picture_of(config, listing(config).items[number])


def details(config: ImageNetConfig) -> dict[str, Any]:
    """Details of all recordings."""
    return picture_details(config, listing(config), "ImageNet's terms: research and education, not for sale")
