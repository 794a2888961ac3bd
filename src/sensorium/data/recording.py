"""Recordings on disk: each safetensors shard holds many, which are read by memory map without copying.

A recording is one episode on one clock. Frame t covers the audio samples
[t * samples_per_frame, (t + 1) * samples_per_frame), and action[t] is the action that led to frame t.

    video   uint8   [T, H, W, 3]            action  float32 [T, A] or int64 [T]
    audio   int16   [T * samples_per_frame] body    float32 [T, P]
    latent  float16 [T, N, C]               reward  float32 [T]
    truth.* any     [T, ...]                truth that evaluations read and no model may train on

In a shard the tensor "<recording>/<field>" holds one field of one recording.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from sensorium.artifacts import ArtifactError, atomic_path, checked, read_manifest, verified_file
from sensorium.data.schema import Details, Fields, Split, check_splits, match

SPLITS: tuple[Split, ...] = ("training", "validation", "test")
KIND = "recordings"
DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
STILLS = 16  # single pictures in one recording
PADDING = "_"  # in place of a recording: bytes between tensors, which every reader skips
LENGTH_BYTES = 8  # a safetensors file begins with the length of its JSON header
RECORDING_NAME = re.compile(r"[A-Za-z0-9._-]+")


def recording_name(source: str, number: int) -> str:
    """Name of recording `number` of a source."""
    return f"{source}-{number:06d}"


def write_shard(path: Path, recordings: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write recordings (name -> field -> array) to one shard. A shard on disk is always complete.

    Raises:
        ValueError: if a name has a character other than letters, digits, dot, dash and underscore.
    """
    tensors = {}
    for name, fields in recordings.items():
        if not RECORDING_NAME.fullmatch(name):
            raise ValueError(f"recording name {name!r}: only letters, digits, '.', '-' and '_' are allowed")
        for field, array in fields.items():
            tensors[f"{name}/{field}"] = np.ascontiguousarray(array)
    with atomic_path(path) as temporary:
        save_file(tensors, str(temporary))


def read_shard(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Recording -> field -> array of a shard: read-only views of its memory map.

    Raises:
        ArtifactError: if the file is missing, truncated, or not a safetensors file.
    """
    way_out = f"delete {path} and run the same command again"
    try:
        with path.open("rb") as file:
            view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (FileNotFoundError, IsADirectoryError):
        raise ArtifactError(f"{path}: not found; run the stage that makes it") from None
    except ValueError:
        raise ArtifactError(f"{path}: an empty file; {way_out}") from None
    start = LENGTH_BYTES + int.from_bytes(view[:LENGTH_BYTES], "little")
    if start > len(view):
        raise ArtifactError(f"{path}: truncated within its header ({len(view)} bytes); {way_out}")
    recordings: dict[str, dict[str, np.ndarray]] = {}
    try:
        header = json.loads(view[LENGTH_BYTES:start])
        header.pop("__metadata__", None)
        for key, entry in header.items():
            name, field = key.split("/", 1)
            if name == PADDING:
                continue
            first, last = entry["data_offsets"]
            dtype = np.dtype(DTYPES[entry["dtype"]])
            if not 0 <= first <= last:
                raise ValueError(f"{key} lies at bytes {first} to {last}")
            if start + last > len(view):
                raise ArtifactError(
                    f"{path}: truncated: {key} ends at byte {start + last}, the file at {len(view)}; {way_out}"
                )
            flat = np.frombuffer(view, dtype, (last - first) // dtype.itemsize, start + first)
            recordings.setdefault(name, {})[field] = flat.reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path}: not a shard of recordings ({error}); {way_out}") from None
    return recordings


class RecordingSet:
    """A set of recordings with one manifest.

    Attributes:
        manifest: path of the manifest.
        details: of the set, from the manifest: frames_per_second, sample_rate, samples_per_frame, size,
            action, body, labels, state_names, source, licence, quarantine, recordings.
    """

    def __init__(self, manifest: Path, details: dict[str, Any], shards: Mapping[str, Path]) -> None:
        self.manifest = manifest
        self.details = details
        self._shards = dict(shards)
        self._entries: dict[str, dict[str, Any]] = {entry["name"]: entry for entry in details["recordings"]}
        held = {shard: self._listed(read_shard(path)) for shard, path in self._shards.items()}
        self._recordings: Mapping[str, Fields] = match(manifest, details, held)

    def _listed(self, held: Mapping[str, Fields]) -> dict[str, Fields]:
        """The recordings of a shard without the pictures that `index` found to be copies.

        Raises:
            ArtifactError: if a picture that should be left out is not there.
        """
        listed = {name: self._entries.get(name, {}).get("left_out") for name in held}
        try:
            return {name: _without(fields, listed[name]) for name, fields in held.items()}
        except IndexError as error:
            raise ArtifactError(
                f"{self.manifest}: leaves out a picture that is not there ({error}); delete it and run again"
            ) from None

    @classmethod
    def open(cls, manifest: Path) -> RecordingSet:
        """Verify every shard against the manifest, and map it into memory.

        Raises:
            ArtifactError: if the manifest or a shard is missing, of another kind, or changed, or they disagree.
        """
        content = read_manifest(manifest, KIND)
        details = checked(manifest, content["details"], Details)
        shards = {name: verified_file(manifest, content, name) for name in content["files"]}
        check_splits(manifest, details, shards)
        return cls(manifest, details, shards)

    def __reduce__(self) -> tuple[Any, ...]:
        # A spawned worker maps the files itself, because pickling the views would copy the whole set.
        return RecordingSet, (self.manifest, self.details, self._shards)

    def shards(self) -> list[str]:
        """Names of the shards, in order."""
        return sorted(self._shards)

    def names(self, split: Split) -> list[str]:
        """Names of the recordings of a split, in the manifest's order."""
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}: it must be one of {SPLITS}")
        return [name for name, entry in self._entries.items() if entry["split"] == split]

    def frames(self, name: str) -> int:
        """Number of frames T of a recording."""
        return int(self._entries[name]["frames"])

    def field(self, name: str, field: str) -> np.ndarray:
        """Read-only view of a field of a recording.

        Raises:
            ArtifactError: if these recordings lack the field.
        """
        fields = self._recordings[name]
        if field not in fields:
            raise ArtifactError(f"{self.manifest}: recording {name} has no field {field!r}; it has {sorted(fields)}")
        return fields[field]

    def fields(self, name: str) -> Fields:
        """All fields of a recording, as read-only views."""
        return self._recordings[name]

    def has(self, field: str) -> bool:
        """Whether every recording has the field."""
        return all(field in self._recordings[name] for name in self._entries)


def _without(fields: Fields, frames: list[int] | None) -> Fields:
    if not frames:
        return fields
    kept = {field: np.delete(array, frames, axis=0) for field, array in fields.items()}
    for array in kept.values():
        array.flags.writeable = False
    return kept
