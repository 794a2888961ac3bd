"""Fields of bodies: how much of each cell of a grid over the room is covered, and what moves there. Nothing is named.

A body counts with a Gaussian that has the variance of a disc of its size, so fields change smoothly as it moves.
Layouts: n windows, T frames, N slots for bodies (NaN where one is empty), G cells a side.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtr

KINDS = ("occupancy", "momentum")


def body_fields(position: np.ndarray, velocity: np.ndarray, size: np.ndarray, cells: int) -> np.ndarray:
    """Occupancy and the two components of momentum, float64 [n, T, 3, G, G], rows downwards.

    Occupancy is the covered share of a cell; momentum is occupancy times velocity, as of bodies of density one: looks
    do not give a body's mass away.

    Args:
        position, velocity: in room widths, and per second, [n, T, N, 2].
        size: radius of a circle of the body's area, in room widths, [n, N].
        cells: G.
    """
    edges, size = np.linspace(0, 1, cells + 1), size[:, None, :]
    within = np.diff(ndtr((edges - position[..., None]) / (size / 2)[..., None, None]), axis=-1)  # [n, T, N, 2, G]
    covered = (np.pi * size**2 * cells**2)[..., None, None] * within[..., 1, :, None] * within[..., 0, None, :]
    carried = np.concatenate([np.ones_like(velocity[..., :1]), velocity], -1)
    present = np.isfinite(position).all(-1)[..., None]
    return np.einsum(
        "ntbij,ntbk->ntkij", np.where(present[..., None], covered, 0.0), np.where(present, carried, 0.0), optimize=True
    )


def field_squares(predicted: np.ndarray, truth: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """What `explained` takes: squared errors and squares around the mean of each kind, [n, T, 2, 2].

    Args:
        predicted, truth: flat fields, [n, T, 3 G G].
        mean: mean field of the training windows, [3 G G].
    """
    third = truth.shape[-1] // 3
    pairs = np.stack([np.square(predicted - truth), np.square(mean - truth)], -1)
    return np.stack([pairs[..., :third, :].sum(-2), pairs[..., third:, :].sum(-2)], -2)


def explained(samples: np.ndarray, weights: np.ndarray) -> float:
    """R^2 over all cells and windows, the mean over the kinds; samples: `field_squares`, summed over frames."""
    return float(np.mean(list(explained_by_kind(samples, weights).values())))


def explained_by_kind(samples: np.ndarray, weights: np.ndarray | None = None) -> Mapping[str, float]:
    """R^2 of occupancy and of momentum."""
    weights = np.ones(len(samples)) if weights is None else weights
    error, total = np.tensordot(weights, samples, axes=(0, 0)).T
    return {kind: float(1 - e / t) if t > 0 else 0.0 for kind, e, t in zip(KINDS, error, total, strict=True)}
