"""Quantisers with one bit a channel: lookup-free (LFQ) and on the sphere (BSQ). No codebook is stored.

LFQ   the sign of each channel, -1 or 1 (Yu et al. 2024, arXiv:2310.05737)
BSQ   the same after the vector was scaled to length 1, so words are +-1 / sqrt(D) (Zhao et al. 2024,
      arXiv:2406.07548); the error of a word is bounded
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.models.quantisers.codebook import COMMITMENT
from sensorium.models.quantisers.quantiser import Quantised, Quantiser, check_dim, straight_through

MOST_BITS = 62  # a code is an int64


class BinaryQuantiser(Quantiser):
    """LFQ or BSQ; channel 0 is the highest bit of the code, and 0 counts as negative.

    Args:
        bits: D; there are 2 ** D codes.
        spherical: BSQ.
        commitment: weight of the pull of vectors to their words.
        entropy: weight of the entropy loss: that each vector be sure of its bits, and that each bit be used evenly.
        temperature: of the soft bits, whose probability of 1 is sigmoid(4 x / temperature) for a channel x and words
            of +-1: the softmax of negative squared distances to all words factorises into that (BSQ, section 3.3).
    """

    def __init__(
        self,
        bits: int,
        spherical: bool = False,
        commitment: float = COMMITMENT,
        entropy: float = 0.1,
        temperature: float = 0.01,
    ) -> None:
        if not 1 <= bits <= MOST_BITS:
            raise ValueError(f"bits is {bits}: it must be from 1 to {MOST_BITS}")
        super().__init__(bits, 2**bits)
        self._spherical, self._commitment, self._entropy = spherical, commitment, entropy
        self._temperature = temperature
        self._word = bits**-0.5 if spherical else 1.0

    def forward(self, vectors: Tensor) -> Quantised:
        check_dim(vectors, self.dim)
        if self._spherical:
            vectors = F.normalize(vectors, dim=-1)
        positive = vectors > 0
        words = torch.where(positive, self._word, -self._word).to(vectors)
        codes = (positive.long() << self._places(vectors)).sum(-1)
        loss = self._commitment * (vectors - words).square().mean()
        if self._entropy:
            sure, even = self.entropies(vectors)
            loss = loss + self._entropy * (sure - even)
        return Quantised(straight_through(vectors, words), codes, loss, self.bits)

    def entropies(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Mean entropy of a vector's soft bits, and entropy of the mean soft bits, in nats, summed over the bits.

        The second is an upper bound of the entropy of the mean code, and equal to it if bits are independent (BSQ,
        section 3.3). It is over the vectors given, so a loss with it couples the rows of a batch (`CoupledLearner`).
        """
        soft = torch.sigmoid(4 * self._word * vectors / self._temperature)
        return _entropy(soft).sum(-1).mean(), _entropy(soft.flatten(0, -2).mean(0)).sum()

    def _places(self, like: Tensor) -> Tensor:
        return torch.arange(self.dim - 1, -1, -1, device=like.device)

    def decode(self, codes: Tensor) -> Tensor:
        bits = codes[..., None] >> self._places(codes) & 1
        return torch.where(bits > 0, self._word, -self._word)


def _entropy(probability: Tensor) -> Tensor:
    """Of bits that are 1 with this probability, in nats; its gradient is finite at 0 and 1."""
    inner = probability.clamp(1e-7, 1 - 1e-7)
    return -(inner * inner.log() + (1 - inner) * (1 - inner).log())
