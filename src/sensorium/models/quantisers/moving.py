"""Vector quantisation whose words are moving averages of their vectors (van den Oord et al. 2017, appendix A.1).

The codebook changes in `update` alone, never in `forward`: counts and sums of vectors are added up over micro-batches
and ranks first (`Statistics`), so the codebook does not depend on how a batch was divided.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.models.quantisers.codebook import COMMITMENT, nearest
from sensorium.models.quantisers.quantiser import Quantised, Quantiser, check_dim, straight_through

LLOYD_ROUNDS = 10
SMOOTHING = 1e-5  # Laplace smoothing of the counts, so that no word is divided by 0


@dataclass(frozen=True)
class Statistics:
    """Vectors that fell to each word.

    Attributes:
        counts: [K].
        sums: [K, D].
    """

    counts: Tensor
    sums: Tensor

    def __add__(self, more: Statistics) -> Statistics:
        return Statistics(self.counts + more.counts, self.sums + more.sums)


class MovingQuantiser(Quantiser):
    """VQ by moving averages, with a k-means start and revival of dead codes.

    Args:
        dim: D.
        size: words of the codebook, K.
        decay: of the averages.
        commitment: weight of the pull of the vectors to their words, which is all of the loss.
        dead: a word whose share of the vectors, by its moving average, is below this part of a fair one, 1 / K, is
            moved to a vector drawn at random (Dhariwal et al. 2020, arXiv:2005.00341, section 3); 0: never.
    """

    codebook: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(
        self, dim: int, size: int, decay: float = 0.99, commitment: float = COMMITMENT, dead: float = 0.1
    ) -> None:
        super().__init__(dim, size)
        if not 0 <= dead < 1:
            raise ValueError(f"dead is {dead}: it must be below 1, as not all words can have more than a fair share")
        self._decay, self._commitment, self._dead = decay, commitment, dead
        words = torch.randn(size, dim)
        self.register_buffer("codebook", words)
        self.register_buffer("counts", torch.ones(size))
        self.register_buffer("sums", words.clone())

    def forward(self, vectors: Tensor) -> Quantised:
        check_dim(vectors, self.dim)
        codes = nearest(vectors.detach(), self.codebook)
        words = self.codebook[codes]
        loss = self._commitment * (vectors - words).square().mean()
        return Quantised(straight_through(vectors, words), codes, loss, self.bits)

    def decode(self, codes: Tensor) -> Tensor:
        return self.codebook[codes]

    def statistics(self, vectors: Tensor, codes: Tensor) -> Statistics:
        """What vectors [..., D] with codes [...] add to the averages."""
        member = F.one_hot(codes.flatten(), self.size).to(self.sums)
        return Statistics(member.sum(0), member.T @ vectors.detach().flatten(0, -2).to(self.sums))

    @torch.no_grad()
    def update(self, found: Statistics, candidates: Tensor, generator: torch.Generator | None = None) -> None:
        """Move the words towards the vectors of a step.

        Args:
            found: over all vectors of the step.
            candidates: [n, D], vectors of the step, to which dead words may be moved.
            generator: draws among them.
        """
        if not len(candidates):
            raise ValueError("there are no vectors among which a dead word could be moved")
        self.counts.lerp_(found.counts, 1 - self._decay)
        self.sums.lerp_(found.sums, 1 - self._decay)
        self._set_words()
        dead = (self.counts < self._dead * self.counts.mean()).nonzero()[:, 0]
        if len(dead):
            drawn = torch.randint(len(candidates), (len(dead),), generator=generator)
            self._move(dead, candidates[drawn.to(candidates.device)].to(self.sums))

    @torch.no_grad()
    def start(self, vectors: Tensor, generator: torch.Generator | None = None) -> None:
        """Set the words by k-means of vectors [n, D], n >= K: Lloyd's rounds from vectors drawn at random.

        Raises:
            ValueError: if there are fewer vectors than words.
        """
        if len(vectors) < self.size:
            raise ValueError(f"{len(vectors)} vectors for {self.size} words; give at least as many")
        vectors = vectors.to(self.sums)
        drawn = torch.randperm(len(vectors), generator=generator)[: self.size]
        self.codebook.copy_(vectors[drawn.to(vectors.device)])
        for _ in range(LLOYD_ROUNDS):
            found = self.statistics(vectors, nearest(vectors, self.codebook))
            there = found.counts > 0
            self.codebook[there] = found.sums[there] / found.counts[there, None]
        found = self.statistics(vectors, nearest(vectors, self.codebook))
        self.counts.copy_(found.counts)
        self.sums.copy_(self.codebook * found.counts[:, None])

    def _set_words(self) -> None:
        total = self.counts.sum()
        smooth = (self.counts + SMOOTHING) / (total + self.size * SMOOTHING) * total
        self.codebook.copy_(self.sums / smooth[:, None])

    def _move(self, dead: Tensor, vectors: Tensor) -> None:
        """A moved word counts as if it had its fair share of the vectors: otherwise it would die at once again."""
        fair = self.counts.sum() / self.size
        self.codebook[dead] = vectors
        self.counts[dead] = fair
        self.sums[dead] = fair * vectors
