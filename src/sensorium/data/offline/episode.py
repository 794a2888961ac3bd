"""What all layouts of episodes offer: a set lists its episodes, and an episode has arrays by name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from sensorium.data.quarantine import BadRecordingError

LARGEST_ARRAY = 2**30  # bytes of an array that is read as a whole
LONGEST = 10_000_000  # frames of an episode
MOST_PIXELS = 2**26  # of a picture
NUMBERS = "biuf"  # kinds of dtypes


@dataclass(frozen=True)
class Facts:
    """What a set says of all its episodes.

    Attributes:
        rate: frames a second; 0: it does not say.
        scales: name of an array -> lowest and highest value of each of its numbers.
        choices: name of an array -> how many choices its numbers are.
        names: name of an array -> names of its numbers.
        shapes: name of an array -> its shape in each frame, where it is stored flat.
    """

    rate: float = 0.0
    scales: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    choices: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)


class Episode(Protocol):
    """An open episode. Whatever is wrong with it is a BadRecordingError, or any error of its library."""

    def names(self) -> list[str]:
        """Names of its arrays."""

    def form(self, name: str) -> tuple[str, tuple[int, ...]]:
        """Kind of the dtype of an array, as in NumPy, and its shape; of pictures that are coded, "" and [T]."""

    def array(self, name: str) -> np.ndarray:
        """A whole array of numbers [T, ...]."""

    def pictures(self, name: str) -> Iterator[np.ndarray]:
        """The pictures, one after the other, as they are stored."""


class EpisodeSet(Protocol):
    """The episodes of a set."""

    @property
    def facts(self) -> Facts:
        """What it says of all its episodes."""

    def places(self) -> list[str]:
        """The file of each episode below the folder, with its name in there behind a colon, in order."""

    def splits(self) -> list[str]:
        """The split of each episode; empty if the set does not say."""

    def open(self, place: str) -> AbstractContextManager[Episode]:
        """An episode, open for reading."""


def missing(name: str, names: Sequence[str]) -> BadRecordingError:
    """The error for an array that is not there."""
    return BadRecordingError(f"no {name!r}; it has {', '.join(map(repr, names[:20])) or 'nothing'}", "missing")


def refuse_form(name: str, dtype: np.dtype, shape: Sequence[int]) -> None:
    """Refuse an array before its values are read.

    Raises:
        BadRecordingError: if it has objects or texts for numbers, or is too large.
    """
    if dtype.kind not in NUMBERS:
        raise BadRecordingError(f"{name!r} holds {dtype}, no numbers", "objects")
    if not shape or min(shape) < 0:
        raise BadRecordingError(f"{name!r} has shape {list(shape)}", "wrong_array")
    if shape[0] > LONGEST or math.prod(shape[1:]) > 4 * MOST_PIXELS:
        raise BadRecordingError(f"{name!r} has shape {list(shape)}", "too_large")


def refuse_size(name: str, dtype: np.dtype, shape: Sequence[int]) -> None:
    """Refuse an array that is to be read as a whole and is too large for that.

    Raises:
        BadRecordingError: naming its shape.
    """
    refuse_form(name, dtype, shape)
    if math.prod(shape) * dtype.itemsize > LARGEST_ARRAY:
        raise BadRecordingError(f"{name!r} has shape {list(shape)}", "too_large")


def inside(folder: Path, place: str) -> Path:
    """A path that a file names, below the folder of its set.

    Raises:
        BadRecordingError: if it leads out of it.
    """
    if Path(place).is_absolute() or ".." in Path(place).parts:
        raise BadRecordingError(f"it names {place!r}", "outside")
    return folder / place
