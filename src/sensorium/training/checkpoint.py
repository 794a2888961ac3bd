"""Checkpoints: folders step-00001000/ with tensors.safetensors and state.json.

A checkpoint is written to a temporary folder, synced and renamed, so every checkpoint on disk is complete, whenever
the process is killed. state.json holds the digest of the tensors, so that a checkpoint damaged later is recognised.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sensorium.artifacts import ArtifactError, Stored, atomic_path, digest, read_checked, sync, write_json
from sensorium.exits import errno_of, writing

log = logging.getLogger(__name__)
TENSORS, STATE = "tensors.safetensors", "state.json"
_NAME = re.compile(r"step-(\d{8,})")


class State(Stored):
    """What state.json holds."""

    step: int
    sha256: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """The state after `step` steps: tensors by name, on the CPU, and values that fit into JSON."""

    step: int
    tensors: dict[str, Tensor]
    values: dict[str, Any]


def check_like(name: str, found: Tensor, like: Tensor, finite: bool = True) -> None:
    """Check a tensor of a checkpoint against the one whose place it takes.

    Raises:
        ValueError: if shape or dtype differ, or a number is not finite although all must be.
    """
    if found.shape != like.shape or found.dtype != like.dtype:
        shapes = (f"{tensor.dtype} {list(tensor.shape)}" for tensor in (found, like))
        raise ValueError("{} is {}, expected {}".format(name, *shapes))
    if finite and not bool(found.isfinite().all()):
        raise ValueError(f"{name} has numbers that are not finite")


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where each checkpoint has its folder.
        keep: number of checkpoints to keep.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self.keep = keep

    def steps(self) -> list[int]:
        """Steps of all checkpoints, in order."""
        if not self.folder.is_dir():
            return []
        return sorted(int(match[1]) for path in self.folder.iterdir() if (match := _NAME.fullmatch(path.name)))

    def path(self, step: int) -> Path:
        """Folder of the checkpoint after `step` steps."""
        return self.folder / f"step-{step:08d}"

    def save(self, step: int, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Write a checkpoint; delete the oldest beyond `keep`, and newer ones, which were damaged when the run resumed.

        Raises:
            StorageError: if the disk is full or the folder read-only; earlier checkpoints are untouched.
        """
        target = self.path(step)
        temporary = self.folder / f".{target.name}.tmp"
        with writing(target, "checkpoints saved earlier are untouched"):
            try:
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir(parents=True)
                with atomic_path(temporary / TENSORS) as path:
                    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path)
                state = {"step": step, "sha256": digest(temporary / TENSORS), "values": dict(values)}
                write_json(temporary / STATE, state)
                shutil.rmtree(target, ignore_errors=True)
                os.rename(temporary, target)
                sync(self.folder)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
        for newer in [other for other in self.steps() if other > step]:
            shutil.rmtree(self.path(newer), ignore_errors=True)
        self.tidy(step)

    def tidy(self, step: int) -> None:
        """Remove the oldest checkpoints up to `step` beyond `keep`, and what a process that was killed has left."""
        older = [other for other in self.steps() if other < step]
        for other in older[: max(0, len(older) + 1 - self.keep)]:
            shutil.rmtree(self.path(other), ignore_errors=True)
        for leftover in self.folder.glob(".step-*.tmp"):
            shutil.rmtree(leftover, ignore_errors=True)

    def newest(self) -> Checkpoint | None:
        """The newest undamaged checkpoint, or None. Each damaged one is named in the log.

        Raises:
            OSError: if one is there and cannot be read now (permissions, a stale handle): it is not damaged, and to
                train on from an older one would delete it.
        """
        for step in reversed(self.steps()):
            path = self.path(step)
            try:
                state = read_checked(path / STATE, State)
                if state["step"] != step or state["sha256"] != digest(path / TENSORS):
                    raise ArtifactError("its digest does not match")
                return Checkpoint(step, load_file(path / TENSORS), state["values"])
            except (ArtifactError, SafetensorError, FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
                if isinstance(error, SafetensorError) and errno_of(error) is not None:
                    raise
                log.warning("checkpoint %s is damaged (%s): trying the one before it", path, error)
        return None
