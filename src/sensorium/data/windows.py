"""Windows of recordings, and batches of them.

Window i is a pair (recording, first frame) that is computed from i; no list of windows is stored. The batch of a
training step is a function of (seed, step) alone, so any number of workers gives the same batches, and a run can
resume from any step.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sensorium.artifacts import ArtifactError
from sensorium.config import ConfigurationError
from sensorium.data.recording import RecordingSet, Split
from sensorium.randomness import sample_indices, stable_seed


class Windows:
    """All windows of `frames` frames, `stride` frames apart, in the recordings of a split.

    Args:
        recordings: the set.
        split: "training", "validation" or "test".
        fields: that a batch has.
        frames: frames T of a window.
        stride: frames between the starts of neighbouring windows.
        scene: a field with one entry per frame. A batch then has "scene" too: for each window the entry of a random
            frame of its recording, not later than the window's first frame.

    Raises:
        ConfigurationError: if no recording of the split is long enough.
        ArtifactError: if the recordings lack a field.
    """

    def __init__(
        self,
        recordings: RecordingSet,
        split: Split,
        fields: tuple[str, ...],
        frames: int,
        stride: int = 1,
        scene: str | None = None,
    ) -> None:
        if frames < 1 or stride < 1:
            raise ValueError(f"frames is {frames}, stride {stride}: both must be at least 1")
        self.recordings = recordings
        self.split = split
        self.fields = fields
        self.frames = frames
        self.stride = stride
        self._scene = scene
        self._names = recordings.names(split)
        lengths = np.array([recordings.frames(name) for name in self._names], dtype=np.int64)
        self._ends = np.cumsum(np.maximum(0, (lengths - frames) // stride + 1))
        if len(self) == 0:
            longest = int(lengths.max(initial=0))
            raise ConfigurationError(
                f"no window of {frames} frames in the {split} recordings of {recordings.manifest} "
                f"({len(lengths)} recordings, the longest has {longest} frames): "
                f"use shorter windows or longer recordings"
            )
        # frame t of a field covers the entries [t * n, (t + 1) * n); n is 0 for a field of a whole recording
        self._arrays = {field: [recordings.field(name, field) for name in self._names] for field in fields}
        self._entries = {field: self._entries_a_frame(field) for field in fields}
        if scene is not None and self._entries.get(scene) != 1:
            raise ValueError(f"scene is {scene!r}: it must be one of the fields {fields}, and have one entry a frame")

    def _entries_a_frame(self, field: str) -> int:
        if field == "audio":
            return int(self.recordings.details["samples_per_frame"])
        aligned = all(
            len(array) == self.recordings.frames(name)
            for name, array in zip(self._names, self._arrays[field], strict=True)
        )
        return 1 if aligned else 0

    def lengths(self) -> dict[str, int]:
        """Recordings of the split, in order, and their frames."""
        return {name: self.recordings.frames(name) for name in self._names}

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def location(self, index: int) -> tuple[str, int]:
        """Recording and first frame of a window."""
        recording, start = self._locate(np.array([index]))
        return self._names[int(recording[0])], int(start[0])

    def _locate(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if len(indices) and (indices.min() < 0 or indices.max() >= len(self)):
            raise IndexError(f"window {int(indices.min())}..{int(indices.max())} of {len(self)}")
        recording = np.searchsorted(self._ends, indices, side="right")
        before = np.where(recording > 0, self._ends[recording - 1], 0)
        return recording, (indices - before) * self.stride

    def batch(self, indices: np.ndarray, seeds: Sequence[int] | None = None) -> dict[str, Tensor]:
        """Windows by number.

        Args:
            indices: int [B].
            seeds: one for each row, from which its scene is drawn; needed if `scene` is set.

        Returns:
            for each field its values, dtype as on disk: video uint8 [B, T, H, W, 3], audio int16
            [B, T * samples_per_frame], others [B, T, ...] (or [B, ...] for a field of a whole recording);
            "index" int64 [B]; and "scene" [B, ...], if `scene` is set.

        Raises:
            ValueError: if `scene` is set and there are no seeds.
        """
        indices = np.asarray(indices, dtype=np.int64)
        recording, start = self._locate(indices)
        rows = list(zip(recording.tolist(), start.tolist(), strict=True))
        batch = {"index": torch.from_numpy(indices.copy())}
        for field, arrays in self._arrays.items():
            entries = self._entries[field]
            shape = (self.frames * entries, *arrays[0].shape[1:]) if entries else arrays[0].shape
            gathered = np.empty((len(indices), *shape), arrays[0].dtype)
            for row, (source, first) in enumerate(rows):
                if entries:
                    gathered[row] = arrays[source][first * entries : (first + self.frames) * entries]
                else:
                    gathered[row] = arrays[source]
            batch[field] = torch.from_numpy(gathered)
        if self._scene is not None:
            if seeds is None:
                raise ValueError("a batch with a scene needs a seed for each row: pass seeds")
            arrays = self._arrays[self._scene]
            seen = [arrays[source][seed % (first + 1)] for seed, (source, first) in zip(seeds, rows, strict=True)]
            batch["scene"] = torch.from_numpy(np.stack(seen))
        return batch


class JoinedWindows:
    """Windows of the same frames from two sets of the same recordings, such as encoded video and encoded sound.

    Args:
        first: windows whose fields keep their names.
        others: name -> windows of one field, which gets this name.

    Raises:
        ArtifactError: if the sets hold different recordings.
    """

    def __init__(self, first: Windows, **others: Windows) -> None:
        for other in others.values():
            if first.lengths() != other.lengths():
                raise ArtifactError(
                    f"{other.recordings.manifest}: not the recordings of {first.recordings.manifest}; make both again"
                )
        self._first, self._others = first, others

    def __len__(self) -> int:
        return len(self._first)

    def batch(self, indices: np.ndarray, seeds: Sequence[int] | None = None) -> dict[str, Tensor]:
        """Windows by number, as from `Windows.batch`, with one more field for each of the others."""
        named = {name: other.batch(indices)[other.fields[0]] for name, other in self._others.items()}
        return self._first.batch(indices, seeds) | named


def join(video: Windows, sound: Path | None, body: Path | None = None) -> Windows | JoinedWindows:
    """Windows of encoded video, joined with what else there is of the same frames.

    Args:
        video: the windows.
        sound: manifest of the encoded sound.
        body: manifest of recordings with a body sense.
    """
    fields = {"sound": (sound, "latent"), "body": (body, "body")}
    others = {
        name: Windows(RecordingSet.open(manifest), video.split, (field,), video.frames)
        for name, (manifest, field) in fields.items()
        if manifest is not None
    }
    return JoinedWindows(video, **others) if others else video


class WindowSource(Protocol):
    """What batches are drawn from: numbered windows of a set."""

    def __len__(self) -> int: ...

    def batch(self, indices: np.ndarray, seeds: Sequence[int] | None = None) -> dict[str, Tensor]:
        """Windows by number; a seed for each row draws whatever else belongs to it."""


class StepBatches(Dataset[dict[str, Tensor]]):
    """Item `step` is this rank's part of the batch of that training step.

    With DataLoader(batch_size=None, sampler=range(first_step, last_step)) the loader yields one batch a step.

    Args:
        windows: the windows to draw from.
        seed: the stage's seed.
        batch: rows of the global batch.
        rows: of the global batch to read, [start, stop); None: all.
    """

    def __init__(self, windows: WindowSource, seed: int, batch: int, rows: tuple[int, int] | None = None) -> None:
        self.windows = windows
        self._seed = seed
        self._batch = batch
        self._rows = slice(*(rows or (0, batch)))

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        indices = sample_indices(self._seed, step, self._batch, len(self.windows))[self._rows]
        rows = range(self._batch)[self._rows]
        return self.windows.batch(indices, [stable_seed(self._seed, "step", step, "scene", row) for row in rows])
