"""The trained parts that are used together: each read when it is first needed, and refused if it does not belong.

A part is named by its place in the results ("encoders/vision", "latents/video"); "data" are the recordings.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from sensorium.artifacts import MANIFEST, ArtifactError, digest, read_manifest
from sensorium.config import Section, parse_stored
from sensorium.data.recording import RecordingSet
from sensorium.models.catalogue import CLASSES, MADE_FROM, PLACES
from sensorium.models.load import Model, load

MEASURES = ("size", "sample_rate", "samples_per_frame")
AnySection = TypeVar("AnySection", bound=Section)


class Parts:
    """Manifests by place, and the models and recordings that they describe.

    Whichever parts are used together must have been made from each other: the digests that a manifest records of its
    inputs must be those of the other parts' manifests.

    Args:
        manifests: place -> manifest; or a folder of results, in which every part has its place.
        device: where models go.
    """

    def __init__(self, manifests: Mapping[str, Path] | Path, device: torch.device | str = "cpu") -> None:
        self._manifests, self.device = manifests, torch.device(device)
        self._used: dict[str, str] = {}  # place -> digest of its manifest
        self._models: dict[str, nn.Module] = {}
        self._recordings: dict[str, RecordingSet] = {}

    def __contains__(self, place: str) -> bool:
        """Whether a part was given, or stands in the folder of results."""
        if isinstance(self._manifests, Path):
            return (self._manifests / place / MANIFEST).exists()
        return place in self._manifests

    def path(self, place: str) -> Path:
        """The manifest of a part.

        Raises:
            ArtifactError: if the part was not given or its manifest is not there.
        """
        if isinstance(self._manifests, Path):
            path = self._manifests / place / MANIFEST
        elif place in self._manifests:
            path = self._manifests[place]
        else:
            raise ArtifactError(f"{place}: not given, and this needs it; {_way_out(place)}")
        if not path.is_file():
            raise ArtifactError(f"{path}: not there, and this needs it; {_way_out(place)}")
        return path

    def manifest(self, place: str) -> dict[str, Any]:
        """The content of the manifest of a part."""
        return read_manifest(self.use(place))

    def section(self, place: str, model: type[AnySection]) -> AnySection:
        """The settings that a part was made with.

        Raises:
            ArtifactError: if they are no such settings.
        """
        path = self.use(place)
        section: AnySection = parse_stored(model, read_manifest(path)["config"], path)
        return section

    def use(self, *places: str) -> Path:
        """Check that parts belong to all that were used before; returns the manifest of the last one.

        Raises:
            ArtifactError: if one is missing or was not made from another one as it is now.
        """
        for place in places:
            path = self.path(place)
            if place not in self._used:
                read_manifest(path)  # a broken manifest is named here
                used = {**self._used, place: digest(path)}
                for other, content in used.items():
                    self._check(place, other, content)
                    self._check(other, place, used[place])
                self._used = used
                self._check_measures()
        return path

    def load(self, cls: type[Model], untrained_seed: int | None = None) -> Model:
        """A model on the device, frozen: as trained, always the same object; or a new one with fresh weights.

        Raises:
            ArtifactError: if it is missing, does not fit its class or does not belong to the parts used before.
        """
        place = PLACES.get(cls.kind, cls.kind)
        path = self.use(place)
        if untrained_seed is not None:
            return load(cls, path, untrained_seed).to(self.device)
        if place not in self._models:
            self._models[place] = load(cls, path).to(self.device)
        model = self._models[place]
        assert isinstance(model, cls)
        return model

    def load_any(self, place: str) -> Any:
        """A trained model whose class is found by the kind in its manifest."""
        kind = self.manifest(place)["kind"]
        if kind not in CLASSES:
            raise ArtifactError(f"{self.path(place)}: expected one of {', '.join(CLASSES)}, found {kind!r}")
        module, name = CLASSES[kind].split(":")
        return self.load(getattr(importlib.import_module(module), name))

    def recordings(self, place: str = "data") -> RecordingSet:
        """The recordings or latents of a part, opened once."""
        if place not in self._recordings:
            self._recordings[place] = RecordingSet.open(self.use(place))
        return self._recordings[place]

    def _check(self, made: str, source: str, content: str) -> None:
        """Refuse a part that should have been made from another one, with this digest, and was not."""
        for role, place in MADE_FROM.get(made, {}).items():
            if place == source and read_manifest(self.path(made))["inputs"].get(role) != content:
                raise ArtifactError(
                    f"{self.path(made)}: not made from {self.path(source)} as it is now; pass the right one, or "
                    f"{_way_out(made, again=True)}"
                )

    def _check_measures(self) -> None:
        """Refuse a model of pictures or sounds of another size or rate than those of the recordings beside it."""
        if "data" not in self._used:
            return
        details = read_manifest(self.path("data"))["details"]
        for place in self._used:
            shapes = read_manifest(self.path(place))["details"].get("shapes")
            for measure in MEASURES if isinstance(shapes, dict) else ():
                own, wanted = (values.get(measure) for values in (shapes, details))
                if own and wanted and own != wanted:
                    raise ArtifactError(
                        f"{self.path(place)}: trained with {measure} {own}, the recordings of {self.path('data')} have "
                        f"{wanted}; pass other recordings, or {_way_out(place, again=True)}"
                    )


def _way_out(place: str, again: bool = False) -> str:
    """The command that makes a part."""
    target = "" if place == "data" else f" results/{place}/{MANIFEST}"
    return f"make it {'again ' if again else ''}with: snakemake --profile local -j1{target}"
