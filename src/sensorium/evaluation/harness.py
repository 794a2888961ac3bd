"""What every evaluation needs: arguments, windows drawn evenly from recordings, frozen networks run in batches."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from sensorium.artifacts import ArtifactError
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.windows import Windows
from sensorium.evaluation.sample import Sample
from sensorium.models.out_of_memory import in_pieces
from sensorium.models.parts import Parts
from sensorium.progress import track
from sensorium.randomness import stable_seed
from sensorium.training.execution import Execution, add_arguments

Anything = TypeVar("Anything")
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
    control_help = f"negative control: judge {control} with fresh weights of this seed; every metric should fail"
    parser.add_argument("--untrained-seed", type=int, metavar="N", help=control_help)
    add_arguments(parser)
    return parser


@dataclass(frozen=True)
class Bench:
    """What an evaluation is given: the trained parts, and where and how networks run.

    Networks run in float32, so that results agree between devices.

    Attributes:
        device: where.
        execution: how many windows a pass, how many threads.
        parts: the trained parts and recordings that were given.
        args: all parsed arguments, for options of an evaluation's own.
    """

    device: torch.device
    execution: Execution
    parts: Parts = field(default_factory=lambda: Parts({}))
    args: argparse.Namespace = field(default_factory=argparse.Namespace)

    @classmethod
    def prepare(cls, args: argparse.Namespace, manifests: Mapping[str, Path] | None = None) -> Bench:
        """From parsed arguments, with the manifests of the parts by their places in the results.

        Raises:
            ArtifactError: if a part is missing, or was not made from the other ones.
        """
        execution = Execution.from_args(args)
        device = execution.prepare()
        parts = Parts(manifests or {}, device)
        if manifests:
            parts.use(*manifests)
        return cls(device, execution, parts, args)

    @property
    def untrained_seed(self) -> int | None:
        """Seed of the fresh weights that are judged as a negative control; None: the trained model is judged."""
        seed: int | None = getattr(self.args, "untrained_seed", None)
        return seed

    def untrained(self, score: Callable[[int], Anything]) -> dict[str, Anything]:
        """What `score` gives for each seed of the untrained networks that are floors, by the name of the floor."""
        seeds = enumerate(track(FLOOR_SEEDS, "untrained networks"))
        return {f"untrained {number}": score(seed) for number, seed in seeds}

    @torch.no_grad()
    def run(self, pool: WindowPool, indices: np.ndarray, network: Callable[..., Tensor]) -> np.ndarray:
        """Results of `network(batch)` for the windows `indices`, joined: float32 [n, ...]."""

        def part(start: int, stop: int) -> Tensor:
            batch = pool.windows.batch(indices[start:stop])
            return network({key: value.to(self.device) for key, value in batch.items()}).float().cpu()

        return torch.cat(in_pieces(part, len(indices), self.execution.micro_batch or ROWS, "windows")).numpy()

    @torch.no_grad()
    def map(self, network: Callable[..., Tensor], *arrays: np.ndarray | None) -> np.ndarray:
        """`network` over the rows of arrays (None stays None), joined: float32 [n, ...]."""
        count = next(len(array) for array in arrays if array is not None)

        def part(start: int, stop: int) -> Tensor:
            rows = [None if a is None else torch.from_numpy(a[start:stop]).to(self.device) for a in arrays]
            return network(*rows).float().cpu()

        return torch.cat(in_pieces(part, count, self.execution.micro_batch or ROWS)).numpy()


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

    def sample(self, count: int, rng: np.random.Generator, allowed: np.ndarray | None = None) -> Sample:
        """Up to `count` windows with the pool's fields, [n, frames, ...] each, spread evenly over the recordings.

        Args:
            count: how many at most.
            rng: draws them.
            allowed: which windows may be drawn, bool [windows]; None: all.
        """
        picked = self.draw(np.ones(len(self), bool) if allowed is None else allowed, count, rng)
        return self.rows(picked)

    def rows(self, indices: np.ndarray) -> Sample:
        """The windows `indices` with the pool's fields."""
        fields = {name: values.numpy() for name, values in self.windows.batch(indices).items()}
        return self.places(indices).having(**fields)

    def places(self, indices: np.ndarray) -> Sample:
        """The windows `indices` without their fields."""
        return Sample(self.recording[indices], self.start[indices])


def spread(names: np.ndarray, allowed: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Up to `count` numbers of allowed rows, spread evenly over the recordings that rows are named by, in order."""
    chosen = rng.permutation(np.flatnonzero(allowed))
    order = np.argsort(names[chosen], kind="stable")
    _, first, length = np.unique(names[chosen][order], return_index=True, return_counts=True)
    rank = np.empty(len(chosen), np.int64)  # of each row within its recording
    rank[order] = np.arange(len(chosen)) - np.repeat(first, length)
    return np.sort(chosen[np.argsort(rank, kind="stable")][:count])


def require(recordings: RecordingSet, field: str, way_out: str) -> None:
    """Refuse recordings that lack a field of the truth.

    Raises:
        ArtifactError: naming the field and the way out.
    """
    if not recordings.has(field):
        raise ArtifactError(f"{recordings.manifest}: its recordings have no {field!r}; {way_out}")
