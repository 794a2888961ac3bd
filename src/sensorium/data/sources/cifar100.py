"""CIFAR-100 (Krizhevsky 2009) in the Python format of its publisher: two pickles of pictures and one of class names.

A pickle can run any program. These are read by an unpickler that makes only numbers, text, lists, dictionaries and
arrays of numbers, and refuses every other name.
"""

from __future__ import annotations

import pickle
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core.multiarray import _reconstruct
from torchvision.datasets import CIFAR100
from torchvision.datasets.utils import calculate_md5

from sensorium.config import CIFAR_FOLDER, Cifar100Config
from sensorium.data.pictures import square
from sensorium.data.quarantine import BadDataError
from sensorium.data.recording import Split
from sensorium.data.sources.labelled import Listing, arrange, picture_details

SIDE = 32


def _latin1(text: str, encoding: str) -> bytes:
    """`_codecs.encode`, with which Python 3 writes bytes into old pickles; no other encoding is needed."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in the encoding {encoding!r}")
    return text.encode("latin1")


HARMLESS = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
}


class HarmlessUnpickler(pickle.Unpickler):
    """Makes plain values and arrays of numbers, and calls nothing else that a file names."""

    def find_class(self, module: str, name: str) -> Any:
        """The object of an allowed name.

        Raises:
            pickle.UnpicklingError: for any other name.
        """
        if (module, name) not in HARMLESS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which a set of pictures does not need")
        return HARMLESS[module, name]


@lru_cache(maxsize=1)
def _read(config: Cifar100Config) -> tuple[dict[str, np.ndarray], Listing]:
    """Pictures uint8 [N, 32, 32, 3] of both parts, and the listing with places such as "train/17"."""
    config.files()  # raises an error if a file is missing
    folder = Path(config.path) / CIFAR_FOLDER
    names = _unpickle(folder / CIFAR100.meta["filename"]).get(CIFAR100.meta["key"]) or []
    pictures: dict[str, np.ndarray] = {}
    parts: dict[Split, list[tuple[str, int]]] = {}
    files: dict[Split, str] = {"training": CIFAR100.train_list[0][0], "test": CIFAR100.test_list[0][0]}
    for split, file in files.items():
        content = _unpickle(folder / file)
        data, labels = np.asarray(content.get("data")), np.asarray(content.get("fine_labels"))
        if data.dtype != np.uint8 or data.shape != (labels.size, 3 * SIDE * SIDE):
            raise BadDataError(
                f"{folder / file}: data {data.dtype} {list(data.shape)} with labels {list(labels.shape)}, expected "
                f"uint8 [N, {3 * SIDE * SIDE}] with [N]; fetch it again"
            )
        if not set(labels.tolist()) <= set(range(len(names))):
            raise BadDataError(f"{folder / file}: labels beyond the {len(names)} names in meta; fetch both again")
        pictures[file] = data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        parts[split] = [(f"{file}/{number}", label) for number, label in enumerate(labels.tolist())]
    return pictures, arrange(config, parts, names, {"validation": config.validation_fraction})


def _unpickle(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = HarmlessUnpickler(file, encoding="latin1").load()
    except Exception as error:  # a damaged pickle fails in many ways
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
