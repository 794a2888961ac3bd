"""Randomness as a function of (seed, step, name, row), never a state that must be saved.

Each step draws its random numbers for the whole global batch and then selects the rows that are computed here. So a
sample receives the same numbers whatever the micro-batch and the number of ranks, and a resumed run draws the same
numbers as one that was never stopped.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def stable_seed(*parts: int | str) -> int:
    """A 63-bit seed that depends on its parts alone; unlike `hash`, it is equal in every process."""
    text = "\x1f".join(str(part) for part in parts).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng(stable_seed(seed, "order", epoch)).permutation(count)


def sample_indices(seed: int, step: int, batch: int, count: int) -> np.ndarray:
    """Indices of the windows of one step: shuffled epochs are concatenated and cut into batches.

    Args:
        seed: the stage's seed.
        step: number of the step, from 0.
        batch: windows a step.
        count: windows to choose from.

    Returns:
        int64 [batch]; no window occurs twice within an epoch.

    Raises:
        ValueError: if there are no windows.
    """
    if count < 1:
        raise ValueError(f"no windows to sample from (count is {count})")
    positions = np.arange(step * batch, (step + 1) * batch)
    epochs = positions // count
    return np.concatenate(
        [_order(seed, int(epoch), count)[positions[epochs == epoch] % count] for epoch in np.unique(epochs)]
    )


@dataclass(frozen=True)
class Draw:
    """Random numbers of the rows [start, stop) of one step's global batch of `total` rows.

    Equal names give equal numbers, so each use within a step needs a name of its own.
    """

    seed: int
    step: int
    start: int
    stop: int
    total: int
    device: torch.device

    def rows(self, start: int, stop: int) -> Draw:
        """The same step's draw for rows [start, stop); row 0 is this draw's first row."""
        return replace(self, start=self.start + start, stop=self.start + stop)

    def on_cpu(self) -> Draw:
        """The same rows drawn on the CPU, for what the program itself must know: it need not wait for a GPU then."""
        return replace(self, device=torch.device("cpu"))

    def normal(self, name: str, *shape: int) -> Tensor:
        """Standard normal numbers [rows, *shape]."""
        return torch.randn(self.total, *shape, generator=self._generator(name), device=self.device)[
            self.start : self.stop
        ]

    def uniform(self, name: str, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), [rows, *shape]."""
        return torch.rand(self.total, *shape, generator=self._generator(name), device=self.device)[
            self.start : self.stop
        ]

    def integers(self, name: str, high: int, *shape: int) -> Tensor:
        """Integers in [0, high), int64 [rows, *shape]."""
        numbers = torch.randint(high, (self.total, *shape), generator=self._generator(name), device=self.device)
        return numbers[self.start : self.stop]

    def _generator(self, name: str) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(stable_seed(self.seed, "step", self.step, name))


def evenly(draw: Draw, share: float) -> Tensor:
    """A share of the rows of all steps, evenly spaced in their running number, bool [rows] on the CPU.

    Steps of a small share may have no such row.
    """
    row = draw.step * draw.total + torch.arange(draw.start, draw.stop, dtype=torch.float64)
    return ((row + 1) * share + 1e-9).floor() > (row * share + 1e-9).floor()
