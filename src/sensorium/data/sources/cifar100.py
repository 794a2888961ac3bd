"""CIFAR-100 (Krizhevsky 2009) in the Python format of its publisher: two pickles of pictures and one of class names.

A pickle can run any program. These are read by an interpreter that makes only numbers, text, lists, dictionaries and
arrays of numbers, and refuses every other name.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from torchvision.datasets import CIFAR100
from torchvision.datasets.utils import calculate_md5

from sensorium.config import CIFAR_FOLDER, Cifar100Config
from sensorium.data.files import open_regular
from sensorium.data.pictures import square
from sensorium.data.plain_pickle import Array, PickleError, read_plain
from sensorium.data.quarantine import BadDataError
from sensorium.data.recording import Split
from sensorium.data.sources.labelled import Listing, arrange, picture_details

SIDE = 32


@lru_cache(maxsize=1)
def _read(config: Cifar100Config) -> tuple[dict[str, np.ndarray], Listing]:
    """Pictures uint8 [N, 32, 32, 3] of both parts, and the listing with places such as "train/17"."""
    config.files()  # raises an error if a file is missing
    folder = Path(config.path) / CIFAR_FOLDER
    names = _names(folder / CIFAR100.meta["filename"])
    pictures: dict[str, np.ndarray] = {}
    parts: dict[Split, list[tuple[str, int]]] = {}
    files: dict[Split, str] = {"training": CIFAR100.train_list[0][0], "test": CIFAR100.test_list[0][0]}
    for split, file in files.items():
        data, labels = _part(folder / file)
        if not set(labels.tolist()) <= set(range(len(names))):
            raise BadDataError(f"{folder / file}: labels beyond the {len(names)} names in meta; fetch both again")
        pictures[file] = data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        parts[split] = [(f"{file}/{number}", label) for number, label in enumerate(labels.tolist())]
    return pictures, arrange(config, parts, names, {"validation": config.validation_fraction})


def _names(path: Path) -> list[str]:
    """Names of the classes."""
    names = _content(path).get(CIFAR100.meta["key"])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadDataError(f"{path}: holds no list of names {CIFAR100.meta['key']!r}; fetch it again")
    return names


def _part(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [N, 3072] and labels int64 [N] of one part."""
    content = _content(path)
    try:
        data, labels = (_numbers(content.get(key)) for key in ("data", "fine_labels"))
    except (PickleError, OverflowError) as error:
        raise BadDataError(f"{path}: not read: {error}; fetch it again") from None
    if data.dtype != np.uint8 or labels.dtype.kind not in "iu" or data.shape != (labels.size, 3 * SIDE * SIDE):
        raise BadDataError(
            f"{path}: data {data.dtype} {list(data.shape)} with labels {labels.dtype} {list(labels.shape)}, expected "
            f"uint8 [N, {3 * SIDE * SIDE}] with integers [N]; fetch it again"
        )
    return data, labels.reshape(-1)


def _numbers(value: Any) -> np.ndarray:
    """An array, or a list of numbers; anything else becomes an empty array, whose shape then does not fit."""
    if isinstance(value, Array):
        return value.numbers()
    flat = isinstance(value, list) and all(type(each) is int for each in value)  # nested lists could repeat each other
    return np.array(value if flat else [], np.int64)


def _content(path: Path) -> dict[str, Any]:
    try:
        with open_regular(path) as file:
            content = read_plain(file.read())
    except PickleError as error:
        raise BadDataError(f"{path}: not read: {error}; fetch it again from where CIFAR-100 is published") from None
    if not isinstance(content, dict):
        raise BadDataError(f"{path}: holds a {type(content).__name__}, not a dictionary; fetch it again")
    return content


def listing(config: Cifar100Config) -> Listing:
    """All pictures in order; each process reads them once."""
    return _read(config)[1]


def simulate(config: Cifar100Config, number: int) -> dict[str, np.ndarray]:
    """Picture `number`: video uint8 [1, size, size, 3] and its class.

    Raises:
        ConfigurationError: if the set is missing or has too few pictures.
        BadDataError: if a file is damaged or is not part of CIFAR-100.
    """
    pictures, listed = _read(config)
    item = listed.items[number]
    part, _, place = item.place.partition("/")
    return {
        "video": square(pictures[part][int(place)], config.size)[None],
        "truth.vision_label": np.array([item.label], np.int64),
    }


def details(config: Cifar100Config) -> dict[str, Any]:
    """Details of all recordings, and whether the files have the published checksums."""
    folder = Path(config.path) / CIFAR_FOLDER
    published = [*CIFAR100.train_list, *CIFAR100.test_list, (CIFAR100.meta["filename"], CIFAR100.meta["md5"])]
    return {
        **picture_details(config, listing(config), "none given by its publisher: cite Krizhevsky 2009"),
        "as_published": all(calculate_md5(folder / file) == md5 for file, md5 in published),
    }
