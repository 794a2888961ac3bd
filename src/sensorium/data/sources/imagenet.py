"""ImageNet (ILSVRC 2012; Russakovsky et al. 2015) in torchvision's layout: train and val, with a folder for each class.

torchvision's meta.bin gives the classes their names; without it they are named as their folders (n01440764, ...).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from torchvision.datasets.imagenet import load_meta_file

from sensorium.config import ImageNetConfig
from sensorium.data.quarantine import BadDataError
from sensorium.data.recording import Split
from sensorium.data.sources.class_folders import PICTURES, class_files
from sensorium.data.sources.labelled import Listing, arrange, picture_details, picture_of

META = "meta.bin"


@lru_cache(maxsize=1)
def listing(config: ImageNetConfig) -> Listing:
    """All items in order; each process lists them once. The published validation set is the test set here."""
    config.files()  # raises an error if something is missing; torchvision would look for archives
    (training, folders), (test, others) = (
        class_files(str(Path(config.path) / split), PICTURES) for split in ("train", "val")
    )
    if folders != others:
        odd = sorted(set(folders) ^ set(others))
        raise BadDataError(f"{config.path}: train and val differ in their classes: {', '.join(odd[:3])}")
    classes = _names(Path(config.path) / META, folders) if (Path(config.path) / META).exists() else folders
    samples: dict[Split, Any] = {"training": training, "test": test}
    return arrange(config, samples, classes, {"validation": config.validation_fraction})


def _names(meta: Path, folders: list[str]) -> list[str]:
    """Names of the classes by torchvision's file, which it reads without running anything."""
    try:
        names = load_meta_file(meta.parent)[0]
        return [", ".join(names[folder]) for folder in folders]
    except Exception as error:  # a damaged file fails in many ways
        raise BadDataError(f"{meta.parent}: not laid out as ImageNet: {META}: {error!r} (docs/data.md)") from None


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
