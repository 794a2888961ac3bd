"""What the evaluations of sound and of sight share: samples through a code, its bits, the order of its codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.evaluation.harness import Bench, WindowPool
from sensorium.evaluation.scores import correlation, rank_moments
from sensorium.models.quantisers.usage import Usage
from sensorium.puzzle.config import CODES, SIDE
from sensorium.puzzle.context_coder import ContextCoder
from sensorium.puzzle.grid_code import GridCode
from sensorium.puzzle.map_code import MapCode
from sensorium.randomness import stable_seed

WRITTEN = 32  # grids that are really written and read back
NOMINAL = SIDE * SIDE * np.log2(CODES)  # bits of a grid
FILE = 374  # bytes of a grid's file
LABELS = {"audio": "truth.audio_label", "video": "truth.vision_label"}


@dataclass(frozen=True)
class MapViews:
    """Training examples and test samples as a map sees them.

    Attributes:
        examples, samples: float32 [k, ...] and [n, ...], on the scale of the sense.
        fitted_on: recordings of the examples, [k].
        groups: recording of each sample, [n].
        example_labels, labels: class of each example and of each sample, int64 [k] and [n], -1 where it has none;
            None where the recordings have no classes of this sense.
    """

    examples: np.ndarray
    samples: np.ndarray
    fitted_on: list[str]
    groups: list[str]
    example_labels: np.ndarray | None = None
    labels: np.ndarray | None = None


def draw_views(bench: Bench, model: MapCode, frames: int, counts: tuple[int, int], seed: int) -> MapViews:
    """Up to `counts` windows of training and of test recordings, drawn evenly from them."""
    rng = np.random.default_rng(stable_seed(seed, model.kind))
    pools = [WindowPool(bench.parts.recordings(), split, (model.stream,), frames) for split in ("training", "test")]
    drawn = [pool.draw(np.ones(len(pool), bool), count, rng) for pool, count in zip(pools, counts, strict=True)]
    examples, samples = (bench.run(pool, rows, model.view) for pool, rows in zip(pools, drawn, strict=True))
    fitted_on, groups = (pool.recording[rows].tolist() for pool, rows in zip(pools, drawn, strict=True))
    label = LABELS[model.stream]
    classes = [
        _first(np.stack([pool.values(label, frame)[rows] for frame in range(frames)], 1))
        for pool, rows in zip(pools, drawn, strict=True)
        if pool.recordings.has(label)
    ]
    return MapViews(examples, samples, fitted_on, groups, *classes)


def _first(labels: np.ndarray) -> np.ndarray:
    """The first class in each row [n, frames]; -1 if there is none."""
    return np.asarray(labels[np.arange(len(labels)), (labels >= 0).argmax(1)])


def encode(bench: Bench, model: GridCode, views: np.ndarray) -> np.ndarray:
    """Grids uint8 [n, SIDE, SIDE]."""
    return bench.map(lambda rows: model.encode(rows).codes, views).astype(np.uint8)


def decode(bench: Bench, model: GridCode, grids: np.ndarray) -> np.ndarray:
    """What grids alone decode to, float32 [n, ...]."""
    return bench.map(lambda rows: model.decode(rows.long()), grids)


def permuted(grids: np.ndarray, seed: int) -> np.ndarray:
    """The same codes at other places of the grid, the same ones in all grids: a control that must fail."""
    order = np.random.default_rng(stable_seed(seed, "permuted")).permutation(SIDE * SIDE)
    return np.ascontiguousarray(grids.reshape(len(grids), -1)[:, order].reshape(grids.shape))


def levels(bench: Bench, model: MapCode, views: np.ndarray) -> np.ndarray:
    """The value at the place of each cell, float32 [n, SIDE, SIDE]."""
    return bench.map(model.pooled, views)


def order(grids: np.ndarray, values: np.ndarray) -> float:
    """Spearman's rank correlation of the codes of all cells with the values at their places."""
    moments = rank_moments(grids, values)
    return correlation(moments, np.ones(len(moments)))


def orders(grids: np.ndarray, values: np.ndarray, seed: int) -> dict[str, float]:
    """The same of the codes and, as a control, of the codes at other cells."""
    return {"codes": order(grids, values), "cells_permuted": order(permuted(grids, seed), values)}


def bits(examples: np.ndarray, grids: np.ndarray) -> dict[str, float]:
    """Bits of a grid: nominal, of order 0, and as an arithmetic coder writes it whose tables training grids gave.

    Raises:
        ValueError: if a grid that was written is not read back as it was.
    """
    coder = ContextCoder(examples)
    taken = []
    for grid in grids[:WRITTEN]:
        written = coder.encode(grid)
        if not np.array_equal(coder.decode(written), grid):
            raise ValueError("a grid was not read back as it was written")
        taken.append(8 * len(written))
    return {
        "nominal": float(NOMINAL),
        "order_0": float(SIDE * SIDE * Usage.of(grids, CODES).entropy),
        "written": float(coder.bits(grids).mean()),
        "written_in_files": float(np.mean(taken)),
    }


def use(grids: np.ndarray) -> dict[str, Any]:
    """Share of the cells of the whole set with each code, and their perplexity."""
    usage = Usage.of(grids, CODES)
    return {
        "shares": usage.shares.tolist(),
        "perplexity": usage.perplexity,
        "codes_used": int((usage.counts > 0).sum()),
    }


def error(truth: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean squared error of each sample, float64 [n]."""
    return np.asarray(np.square(truth - other, dtype=np.float64).reshape(len(truth), -1).mean(1))
