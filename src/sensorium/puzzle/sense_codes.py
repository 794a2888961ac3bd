"""Sounds and pictures to grids and back, on plain arrays: what the command and `sensorium.load` offer."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from sensorium.artifacts import ArtifactError, read_manifest
from sensorium.data.pictures import square
from sensorium.data.sample_formats import to_audio, to_images, to_video
from sensorium.models.catalogue import CLASSES
from sensorium.models.load import load
from sensorium.models.precision import full_float32
from sensorium.puzzle.config import PICTURE, SOUND_RATE
from sensorium.puzzle.grid import GridError, checked
from sensorium.puzzle.map_code import MapCode
from sensorium.puzzle.sight_map import SightMap
from sensorium.puzzle.sound_inversion import to_sound
from sensorium.puzzle.spectrogram import RANGE

PASS = 64  # grids a pass
FLOATS = ("float16", "float32", "float64")


class SenseCodes(ABC):
    """The codes of one sense.

    Args:
        model: what encodes and decodes.
        device: where it is.

    Attributes:
        unit: in which `loss` is given.
    """

    unit: ClassVar[str]

    def __init__(self, model: MapCode, device: torch.device | str = "cpu") -> None:
        self.model, self._device = model, torch.device(device)

    @abstractmethod
    def encode(self, given: ArrayLike) -> np.ndarray:
        """What is given -> grids uint8 [G, 30, 30]."""

    @abstractmethod
    def decode(self, grids: ArrayLike) -> np.ndarray:
        """Grids uint8 [G, 30, 30], or a single one, -> what they keep."""

    @abstractmethod
    def loss(self, given: ArrayLike) -> float:
        """How far that which the grids keep is from what was given, in `unit`."""

    def seen(self, grids: ArrayLike) -> Tensor:
        """What grids decode to, on the scale that the model sees: float [G, ...].

        Raises:
            GridError: if one is none, or there is none.
        """
        array = np.asarray(grids)
        array = array[None] if array.ndim == 2 else array
        if array.ndim != 3 or not len(array):
            raise GridError(f"no grids: {array.dtype} {list(array.shape)}, expected uint8 [G, 30, 30], G at least 1")
        for grid in array:
            checked(grid)
        return self._run(self.model.decode, torch.from_numpy(array.astype(np.int64)))

    def _grids(self, batch: dict[str, Tensor]) -> np.ndarray:
        return self._run(lambda rows: self.model.encode(rows).codes, self._view(batch)).byte().numpy()

    def _view(self, batch: dict[str, Tensor]) -> Tensor:
        (name, values) = next(iter(batch.items()))
        return self._run(lambda rows: self.model.view({name: rows}), values)

    @torch.no_grad()
    def _run(self, network: object, rows: Tensor) -> Tensor:
        assert callable(network)
        with full_float32(self._device):
            return torch.cat([network(part.to(self._device)).cpu() for part in rows.split(PASS)])


class SoundCodes(SenseCodes):
    """Sounds at 16 kHz, mono, of any length: a second a grid, the last one filled up with silence."""

    unit = "dB of error on 128 bands"

    def encode(self, given: ArrayLike) -> np.ndarray:
        """A sound [S], int16 or float in [-1, 1] -> grids uint8 [G, 30, 30], a second each.

        Raises:
            ValueError: if it is no such array, or has no sample.
        """
        return self._grids({"audio": _seconds(given)})

    def decode(self, grids: ArrayLike) -> np.ndarray:
        """Grids -> int16 [G * 16000]; lossy, with phases that were not coded (`sound_inversion`).

        Raises:
            GridError: if there are no grids, or something else.
        """
        return np.asarray(to_audio(to_sound(self.seen(grids))).numpy())

    def loss(self, given: ArrayLike) -> float:
        """Root mean square in decibels over bands and columns."""
        seen = self._view({"audio": _seconds(given)})
        return float(RANGE * (self.seen(self.encode(given)) - seen).square().mean().sqrt())


class PictureCodes(SenseCodes):
    """Pictures, a grid each: the middle square, at the size of the model."""

    unit = "dB PSNR"

    @property
    def size(self) -> int:
        """Height and width of what is decoded, in pixels."""
        assert isinstance(self.model, SightMap)
        return PICTURE * self.model.pixels

    def encode(self, given: ArrayLike) -> np.ndarray:
        """Pictures uint8 [G, H, W, 3], or a single one, -> grids uint8 [G, 30, 30].

        Raises:
            ValueError: if they are no such array.
        """
        return self._grids({"video": self._squares(given)})

    def decode(self, grids: ArrayLike) -> np.ndarray:
        """Grids -> pictures uint8 [G, size, size, 3].

        Raises:
            GridError: if there are no grids, or something else.
        """
        return np.asarray(to_video(self.seen(grids)).numpy())

    def loss(self, given: ArrayLike) -> float:
        """Peak signal-to-noise ratio of the middle squares, in decibels: more is better."""
        truth = to_images(self._squares(given)[:, 0])
        found = self.seen(self.encode(given)).clamp(0, 1)
        return float(-10 * (found - truth).square().mean().clamp_min(1e-10).log10())

    def _squares(self, given: ArrayLike) -> Tensor:
        array = np.asarray(given)
        array = array[None] if array.ndim == 3 else array
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3 or 0 in array.shape:
            raise ValueError(f"pictures are {array.dtype} {list(array.shape)}, expected uint8 [G, H, W, 3], none empty")
        return torch.from_numpy(np.stack([square(picture, self.size) for picture in array]))[:, None]


def _seconds(given: ArrayLike) -> Tensor:
    """A sound as int16 [G, SOUND_RATE], silence at the end."""
    array = np.asarray(given)
    if array.ndim != 1 or not len(array) or array.dtype.name not in ("int16", *FLOATS):
        raise ValueError(f"sound is {array.dtype} {list(array.shape)}, expected int16 or float [S], S at least 1")
    if array.dtype != np.int16:
        if not np.isfinite(array).all():
            raise ValueError("sound has values that are not finite")
        array = to_audio(torch.from_numpy(array.astype(np.float32))).numpy()
    whole = np.zeros(-(-len(array) // SOUND_RATE) * SOUND_RATE, np.int16)
    whole[: len(array)] = array
    return torch.from_numpy(whole).view(-1, SOUND_RATE)


def load_codes(manifest_path: Path, device: torch.device | str = "cpu") -> SenseCodes:
    """The codes of sound or of pictures of an artifact.

    Raises:
        ArtifactError: if it is missing, of another kind, or not what it should be.
    """
    kind = read_manifest(manifest_path)["kind"]
    module, _, name = CLASSES.get(kind, "").partition(":")
    model_class = getattr(importlib.import_module(module), name) if kind.startswith("puzzle_") and module else None
    if model_class is None:
        raise ArtifactError(f"{manifest_path}: holds {kind!r}, no puzzle code of sounds or pictures")
    model = load(model_class, manifest_path).to(device)
    return (SoundCodes if model.stream == "audio" else PictureCodes)(model, device)
