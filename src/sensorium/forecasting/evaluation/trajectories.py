"""Where things go if they go on as they did: a straight line, and free fall.

Layouts: n windows, C frames given, K things with two coordinates each.
"""

from __future__ import annotations

import numpy as np

from sensorium.data.sources.playroom.physics import FRAMES_PER_SECOND
from sensorium.data.sources.playroom.scene import GRAVITY, ROOM, WALL

DRAG = 0.75  # share of velocity that the playroom's air leaves after a second


def straight(positions: np.ndarray, horizon: int) -> np.ndarray:
    """The last of positions [n, C, K, 2] moved on by the slope of the straight line through all: [n, horizon, K, 2]."""
    when = np.arange(positions.shape[1]) - (positions.shape[1] - 1) / 2
    slope = np.einsum("c,nckx->nkx", when, positions) / (when**2).sum()
    return positions[:, -1:] + slope[:, None] * np.arange(1, horizon + 1)[:, None, None]


def ballistic(position: np.ndarray, velocity: np.ndarray, horizon: int) -> np.ndarray:
    """Free fall in the playroom, in room widths: [n, K, 2] each -> [n, horizon, K, 2]; y points down."""
    step, path = 1 / FRAMES_PER_SECOND, []
    for _ in range(horizon):
        velocity = velocity * DRAG**step + np.array([0.0, GRAVITY / ROOM]) * step
        position = np.clip(position + velocity * step, WALL / ROOM, 1 - WALL / ROOM)
        path.append(position)
    return np.stack(path, 1)
