"""Vector quantisation with a codebook that is learned by gradients (VQ; van den Oord et al. 2017, arXiv:1711.00937)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sensorium.models.quantisers.quantiser import Quantised, Quantiser, check_dim, straight_through

COMMITMENT = 0.25  # of the paper


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Number of the nearest word, by squared distance: [..., D] and [K, D] -> int64 [...]; the first of equals."""
    distance = codebook.square().sum(1) - 2 * vectors @ codebook.T  # without |vector|^2, which all words share
    return distance.argmin(-1)


class VectorQuantiser(Quantiser):
    """VQ. The loss draws each word to its vectors, and with a small weight the vectors to their words.

    Args:
        dim: D.
        size: words of the codebook, K.
        commitment: weight of the pull on the vectors.

    Words begin uniform in [-1 / K, 1 / K].
    """

    def __init__(self, dim: int, size: int, commitment: float = COMMITMENT) -> None:
        super().__init__(dim, size)
        self._commitment = commitment
        self.codebook = nn.Parameter(torch.empty(size, dim).uniform_(-1 / size, 1 / size))

    def forward(self, vectors: Tensor) -> Quantised:
        check_dim(vectors, self.dim)
        codes = nearest(vectors.detach(), self.codebook.detach())
        words = self.codebook[codes]
        pull = (words - vectors.detach()).square().mean()
        commitment = (vectors - words.detach()).square().mean()
        loss = pull + self._commitment * commitment
        return Quantised(straight_through(vectors, words.detach()), codes, loss, self.bits)

    def decode(self, codes: Tensor) -> Tensor:
        return self.codebook[codes]
