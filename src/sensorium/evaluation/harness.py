"""What every evaluation needs: arguments, windows drawn evenly from recordings, frozen networks run in batches."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.artifacts import ArtifactError
from sensorium.artifacts import check_pedigree as check_pedigree  # part of the harness too
from sensorium.config import Section
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.windows import Windows
from sensorium.models.embed import embed_recording
from sensorium.models.encoders import AudioEncoder, VisionEncoder
from sensorium.models.load import load_model
from sensorium.randomness import stable_seed
from sensorium.training.execution import Execution, add_arguments

Model = TypeVar("Model", bound=nn.Module)
FLOOR_SEEDS = tuple(stable_seed("untrained", number) for number in range(3))  # the best of three is the floor
ROWS = 64  # windows a pass where --micro-batch does not say


def arguments(name: str, description: str | None, inputs: Sequence[str], control: str) -> argparse.ArgumentParser:
    """The arguments that evaluations share.

    Args:
        name: of the evaluation, as on the command line.
        description: its docstring.
        inputs: names of the manifests it reads, "data" for --data.
        control: what --untrained-seed replaces.
    """
    parser = argparse.ArgumentParser(prog=f"sensorium {name}", description=description)
    parser.add_argument("--config", required=True, metavar="JSON", help="the evaluation's own section")
    for manifest in inputs:
        parser.add_argument(
            f"--{manifest}", required=True, type=Path, metavar="MANIFEST", help=f"manifest of {manifest}"
        )
    parser.add_argument("--output", required=True, type=Path, metavar="JSON", help="where the result goes")
    parser.add_argument("--figure", required=True, type=Path, metavar="PNG", help="where the picture goes")
    parser.add_argument(
        "--untrained-seed", type=int, metavar="N",
        help=f"negative control: judge {control} with fresh weights of this seed; every metric should fail",
    )  # fmt: skip
    add_arguments(parser)
    return parser


@dataclass(frozen=True)
class Bench:
    """Where networks are run, and how many windows a pass; always in float32, so that results agree between devices."""

    device: torch.device
    execution: Execution

    @classmethod
    def prepare(cls, args: argparse.Namespace) -> Bench:
        """From parsed arguments."""
        execution = Execution.from_args(args)
        return cls(execution.prepare(), execution)

    @torch.no_grad()
    def run(self, pool: WindowPool, indices: np.ndarray, network: Callable[..., Tensor]) -> np.ndarray:
        """Results of `network(batch)` for the windows `indices`, joined: float32 [n, ...]."""
        results = []
        for batch in pool.batches(indices, self.execution.micro_batch or ROWS):
            results.append(network({key: value.to(self.device) for key, value in batch.items()}).float().cpu())
        return torch.cat(results).numpy()

    @torch.no_grad()
    def map(self, network: Callable[..., Tensor], *arrays: np.ndarray | None) -> np.ndarray:
        """`network` over the rows of arrays (None stays None), joined: float32 [n, ...]."""
        size = self.execution.micro_batch or ROWS
        count = next(len(array) for array in arrays if array is not None)
        results = []
        for start in range(0, count, size):
            rows = [None if a is None else torch.from_numpy(a[start : start + size]).to(self.device) for a in arrays]
            results.append(network(*rows).float().cpu())
        return torch.cat(results).numpy()


class WindowPool:
    """All windows of `frames` frames in a split, each with its recording and first frame.

    Attributes:
        recording: name of each window's recording, [n].
        start: its first frame, int64 [n].
    """

    def __init__(self, recordings: RecordingSet, split: Split, fields: tuple[str, ...], frames: int) -> None:
        self.recordings, self.frames = recordings, frames
        self.windows = Windows(recordings, split, fields, frames)
        self._counts = {name: max(0, recordings.frames(name) - frames + 1) for name in recordings.names(split)}
        self.recording = np.repeat(list(self._counts), list(self._counts.values()))
        self.start = np.concatenate([np.arange(count) for count in self._counts.values()])

    def __len__(self) -> int:
        return len(self.windows)

    def values(self, field: str, offset: int) -> np.ndarray:
        """A field's value at frame start + offset of every window, [n, ...]."""
        parts = [self.recordings.field(name, field)[offset : offset + count] for name, count in self._counts.items()]
        return np.concatenate(parts)

    def draw(self, allowed: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """Up to `count` numbers of allowed windows, spread evenly over the recordings, in order."""
        return spread(self.recording, allowed, count, rng)

    def batches(self, indices: np.ndarray, size: int) -> Iterator[dict[str, Tensor]]:
        """The windows `indices`, `size` a batch, as `Windows.batch` gives them."""
        for start in range(0, len(indices), size):
            yield self.windows.batch(indices[start : start + size])


def spread(names: np.ndarray, allowed: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Up to `count` numbers of allowed rows, spread evenly over the recordings that rows are named by, in order."""
    chosen = rng.permutation(np.flatnonzero(allowed))
    order = np.argsort(names[chosen], kind="stable")
    _, first, length = np.unique(names[chosen][order], return_index=True, return_counts=True)
    turn = np.empty(len(chosen), np.int64)  # the how-manieth of its recording a row is
    turn[order] = np.arange(len(chosen)) - np.repeat(first, length)
    return np.sort(chosen[np.argsort(turn, kind="stable")][:count])


def load_judged(
    cls: type[Model], config_cls: type[Section], manifest: Path, kind: str, seed: int | None, bench: Bench
) -> Model:
    """A model on the bench's device: as trained, or with fresh weights of a seed.

    Fresh weights keep the trained model's buffers (means and deviations of its inputs): those are measured, not
    learned, and without them an untrained network would be a weaker floor than it can be.
    """
    model = load_model(cls, config_cls, manifest, kind, seed)
    if seed is not None:
        trained = load_model(cls, config_cls, manifest, kind)
        model.load_state_dict(dict(trained.named_buffers()), strict=False)
    return model.to(bench.device)


def embed_split(
    bench: Bench, recordings: RecordingSet, split: Split, vision: VisionEncoder, audio: AudioEncoder
) -> dict[str, dict[str, np.ndarray]]:
    """What the senses say of every frame of a split: recording -> sense -> float32 [T, width]."""
    return {name: embed_recording(recordings, name, vision, audio, bench.device) for name in recordings.names(split)}


def cut(
    embedded: dict[str, dict[str, np.ndarray]], sense: str, pool: WindowPool, indices: np.ndarray
) -> np.ndarray | None:
    """Windows `indices` of a sense's embeddings, [n, frames, dim]; None for a sense that is missing."""
    if sense not in next(iter(embedded.values())):
        return None
    places = zip(pool.recording[indices].tolist(), pool.start[indices].tolist(), strict=True)
    return np.stack([embedded[name][sense][start : start + pool.frames] for name, start in places])


def require(recordings: RecordingSet, field: str, way_out: str) -> None:
    """Refuse recordings that lack a field of the truth.

    Raises:
        ArtifactError: naming the field and the way out.
    """
    if not recordings.has(field):
        raise ArtifactError(f"{recordings.manifest}: its recordings have no {field!r}; {way_out}")
