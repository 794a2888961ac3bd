"""What simple means make of a grid and of the other two grids of its moment, in bits of its content.

counts            a code by its neighbours; by its place; both, as a logistic regression weights them
in clusters       the same by neighbours, counted apart in clusters of moments whose other grids are alike (k-means)
logistic          both counts, and for each region of the grid and each code a linear map of the other grids: their
                  cells pooled, or the words of a sentence, in principal components
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch import Tensor

from sensorium.puzzle.cell_network import bits
from sensorium.puzzle.common_space import CommonSpace, content
from sensorium.puzzle.config import CODES, SIDE
from sensorium.puzzle.context_coder import TOTAL, ContextCoder, contexts
from sensorium.puzzle.grid import CELLS
from sensorium.puzzle.moments import SENSES
from sensorium.puzzle.pages import to_symbols

POOL = 3  # cells a side of a pooled one
COMPONENTS, CLUSTERS, FADE = 24, 8, 40.0
REGION = 5  # cells a side of a region of the logistic regression
ROUNDS, BATCH, RATE, DECAY = 8, 50, 0.02, 1e-3
BELIEFS = (0.0, 0.1, 0.25, 0.5, 1.0)  # in what the other senses say; 0: counts alone


def features(known: np.ndarray, *judged: np.ndarray, sense: int) -> list[np.ndarray]:
    """Principal components of the other senses of training moments and of others, [n, F] each, standardised."""
    parts = []
    for other, name in enumerate(SENSES):
        if other != sense:
            read = _words if name == "text" else _pooled
            raw = [read(rows[:, other]) for rows in (known, *judged)]
            fitted = PCA(min(COMPONENTS, len(known) - 1, raw[0].shape[1]), random_state=0).fit(raw[0])
            scale = fitted.transform(raw[0]).std(0) + 1e-6
            parts.append([fitted.transform(rows) / scale for rows in raw])
    return [np.concatenate(rows, 1) for rows in zip(*parts, strict=True)]


def _pooled(grids: np.ndarray) -> np.ndarray:
    side = SIDE // POOL
    return np.asarray(grids.reshape(-1, side, POOL, side, POOL).mean((2, 4)).reshape(len(grids), -1), np.float64)


def _words(grids: np.ndarray) -> np.ndarray:
    """Whether each of the 1,000 words stands in a text, float [n, 1000]."""
    found = np.zeros((len(grids), 1000))
    for row, grid in enumerate(grids):
        found[row, to_symbols(grid)] = 1
    return found


def order_0(known: np.ndarray, grids: np.ndarray, sense: int) -> np.ndarray:
    """Bits by the shares of the codes, [n]."""
    shares = np.bincount(known.ravel(), minlength=CODES) + 1.0
    return _content(-np.log2(shares / shares.sum())[grids], sense)


def by_neighbours(known: np.ndarray, grids: np.ndarray, sense: int) -> np.ndarray:
    """Bits by the tables of `ContextCoder`, [n]."""
    sizes = np.diff(ContextCoder(known).ends, axis=1)[contexts(grids), grids]
    return _content(np.log2(TOTAL) - np.log2(sizes), sense)


def in_clusters(known: np.ndarray, grids: np.ndarray, others: Sequence[np.ndarray], sense: int) -> np.ndarray:
    """Bits by the same tables, each cluster's own, which the common ones fade into where it has few cells, [n].

    Args:
        known: training grids.
        grids: judged ones.
        others: features of both (`features`).
        sense: whose grids they are.
    """
    found = KMeans(CLUSTERS, n_init=3, random_state=0).fit(others[0])
    usual = np.diff(ContextCoder(known).ends, axis=1) / TOTAL
    result = np.zeros(len(grids))
    for cluster in range(CLUSTERS):
        own, judged = known[found.labels_ == cluster], found.predict(others[1]) == cluster
        cells = contexts(own).ravel() * CODES + own.ravel()
        counts = np.bincount(cells, minlength=usual.size).reshape(usual.shape) + FADE * usual
        shares = counts / counts.sum(1, keepdims=True)
        rows = grids[judged]
        result[judged] = _content(-np.log2(shares[contexts(rows), rows]), sense)
    return result


def _content(cells: np.ndarray, sense: int) -> np.ndarray:
    return content(torch.from_numpy(cells), sense).numpy()


class Logistic:
    """Both counts, weighted, and a linear map of the other senses, by gradient descent on training moments.

    Args:
        model: whose tables count.
        sense: that is predicted.
        width: of the features; 0: counts alone.
        tables: weights of the counts; None: they are fitted.
    """

    def __init__(self, model: CommonSpace, sense: int, width: int, tables: Tensor | None = None) -> None:
        self._model, self._sense, self._belief = model, sense, 1.0
        self.tables = torch.full((2,), 0.5, requires_grad=True) if tables is None else tables.detach()
        regions = SIDE // REGION
        self._map = torch.zeros(width, CODES * regions**2, requires_grad=True)

    def _logits(self, codes: Tensor, others: Tensor) -> Tensor:
        around, here = self._model.tables(codes, self._sense)
        said = (others @ self._map).view(len(codes), CODES, SIDE // REGION, SIDE // REGION)
        said = said.repeat_interleave(REGION, 2).repeat_interleave(REGION, 3)
        return self.tables[0] * around + self.tables[1] * here + self._belief * said

    def fit(self, grids: np.ndarray, others: np.ndarray, seed: int) -> Logistic:
        """Fit to training grids [n, SIDE, SIDE] and features [n, F]; returns itself."""
        codes, given = torch.from_numpy(grids.astype(np.int64)), torch.from_numpy(others).float()
        steps = torch.optim.AdamW(
            [part for part in (self.tables, self._map) if part.requires_grad], lr=RATE, weight_decay=DECAY
        )
        generator = torch.Generator().manual_seed(seed)
        with torch.enable_grad():
            for _ in range(ROUNDS):
                for rows in torch.randperm(len(codes), generator=generator).split(BATCH):
                    loss = self._bits(codes[rows], given[rows]).mean() / CELLS
                    steps.zero_grad()
                    loss.backward()
                    steps.step()
        return self

    def believe(self, grids: np.ndarray, others: np.ndarray) -> Logistic:
        """Shrink the map as takes the fewest bits of moments that it was not fitted to; returns itself."""
        taken = {}
        for self._belief in BELIEFS:
            taken[self._belief] = self.bits(grids, others).mean()
        self._belief = min(taken, key=lambda belief: float(taken[belief]))
        return self

    def _bits(self, codes: Tensor, others: Tensor) -> Tensor:
        return content(bits(self._logits(codes, others), codes), self._sense)

    @torch.no_grad()
    def bits(self, grids: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Bits of each grid, [n]."""
        codes, given = torch.from_numpy(grids.astype(np.int64)), torch.from_numpy(others).float()
        parts = [self._bits(*part) for part in zip(codes.split(BATCH), given.split(BATCH), strict=True)]
        return torch.cat(parts).numpy()
