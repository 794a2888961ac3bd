"""How the codes of a whole set are used: counted over all of its cells, never averaged over batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Usage:
    """How often each code occurs in a set.

    Attributes:
        counts: int64 [K].
    """

    counts: np.ndarray

    @classmethod
    def of(cls, codes: Tensor | np.ndarray, size: int) -> Usage:
        """Of codes of any shape, each from 0 to size - 1.

        Raises:
            ValueError: if there is no code, or one is out of range.
        """
        flat = torch.as_tensor(codes).flatten().long().cpu().numpy()
        if not len(flat) or flat.min() < 0 or flat.max() >= size:
            raise ValueError(
                f"expected codes from 0 to {size - 1}, found {f'{flat.min()} to {flat.max()}' if len(flat) else 'none'}"
            )
        return cls(np.bincount(flat, minlength=size))

    def __add__(self, more: Usage) -> Usage:
        return Usage(self.counts + more.counts)

    @property
    def shares(self) -> np.ndarray:
        """Share of the set's cells with each code, float64 [K]."""
        return np.asarray(self.counts / self.counts.sum())

    @property
    def entropy(self) -> float:
        """Of a cell of the set, in bits: what an ideal coder takes that knows the shares and nothing else (order 0)."""
        used = self.shares[self.shares > 0]
        return float(-(used * np.log2(used)).sum())

    @property
    def perplexity(self) -> float:
        """2 ** entropy: from 1, if one code takes all, to K, if all are used evenly."""
        return float(2**self.entropy)
