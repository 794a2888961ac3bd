"""Where in the picture the body is that is felt: a linear map, found from what moves, without labels.

Layouts: T frames, P numbers of the body sense, G rows and columns of video tokens. Places are (x, y), from -1 to 1.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

_ROUNDS = 12
_WIDE, _NARROW = 0.8, 0.1  # distance from the place of the round before within which motion counts, first and last
_RIDGE = 1e-6  # of the weight of all rows


def find_place(recordings: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The map from the body sense to the place of what it moves with.

    What is felt at a frame is looked for where the picture changed both before and after it. A least-squares map to the
    centre of all change is pulled to the middle by whatever else moves; so it is fitted again to the centre of the
    change near the place that it gave, ever nearer (as mean shift, Comaniciu and Meer 2002, with a map for each mean).

    Args:
        recordings: squared change of each token, [T - 1, G, G], and the body sense, [T, P], of each.

    Returns:
        the map [2, P], and what is added to it [2].
    """
    change, felt = [], []
    for moved, body in recordings:
        change.append(np.minimum(moved[:-1], moved[1:]).reshape(len(moved) - 1, -1))
        felt.append(body[1:-1])
    weight, body = np.concatenate(change).astype(np.float32), np.concatenate(felt).astype(np.float64)
    mean, std = body.mean(0), body.std(0) + 1e-6
    inputs = np.concatenate([(body - mean) / std, np.ones((len(body), 1))], 1)
    side = round(weight.shape[1] ** 0.5)
    centres = (np.arange(side) + 0.5) / side * 2 - 1
    places = np.stack(np.meshgrid(centres, centres), -1).reshape(-1, 2).astype(np.float32)
    fitted = np.zeros((inputs.shape[1], 2))
    for number in range(_ROUNDS):
        near = weight
        if number:
            width = _WIDE * (_NARROW / _WIDE) ** (number / (_ROUNDS - 1))
            off = np.square(places - (inputs @ fitted).astype(np.float32)[:, None]).sum(-1)
            near = weight * np.exp(-off / (2 * width**2))
        total = near.sum(1)
        centre = near @ places / np.maximum(total, 1e-12)[:, None]
        rows = inputs * total[:, None]
        penalty = _RIDGE * total.sum() * np.eye(inputs.shape[1])
        fitted = np.linalg.solve(rows.T @ inputs + penalty, rows.T @ centre)
    where = (fitted[:-1] / std[:, None]).T
    return where, fitted[-1] - where @ mean
