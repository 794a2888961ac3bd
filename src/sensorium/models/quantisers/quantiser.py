"""The interface of quantisers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Quantised:
    """What a quantiser makes of vectors [..., D].

    Attributes:
        vectors: [..., D], the vectors of the codes; gradients pass straight through to the input.
        codes: int64 [...], of a residual quantiser [..., stages].
        loss: scalar to add to the objective; 0 where the kind needs none.
        bits: nominal bits of one vector: log2 of the number of its possible codes.
    """

    vectors: Tensor
    codes: Tensor
    loss: Tensor
    bits: float


class Quantiser(nn.Module, ABC):
    """Vectors of D numbers to one of `size` codes.

    Attributes:
        dim: D.
        size: number of codes.
    """

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        self.dim, self.size = dim, size

    @property
    def bits(self) -> float:
        """Nominal bits of a code."""
        return math.log2(self.size)

    @abstractmethod
    def forward(self, vectors: Tensor) -> Quantised:
        """Vectors [..., D] -> their codes and what is left of them."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Codes int64 [...] -> vectors [..., D]."""


def straight_through(vectors: Tensor, quantised: Tensor) -> Tensor:
    """`quantised` in value; its gradient is that of `vectors` (Bengio et al. 2013, arXiv:1308.3432)."""
    return vectors + (quantised - vectors).detach()


def check_dim(vectors: Tensor, dim: int) -> None:
    """Refuse vectors of another width.

    Raises:
        ValueError: naming both.
    """
    if vectors.shape[-1] != dim:
        raise ValueError(f"vectors have {vectors.shape[-1]} numbers, the quantiser takes {dim}")
