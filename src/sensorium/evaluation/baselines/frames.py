"""Several frames side by side: what frozen features of single frames show of motion, without a memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA

from sensorium.evaluation.baselines.features import scaled

COMPONENTS = 32  # of each; by training recordings of the playroom better than 64
LAGS = (1, 4)  # frames back
FELT = 0.3  # standard deviation of what is put beside components, whose mean square is 1


def several_frames(
    known: np.ndarray, judged: np.ndarray, last: int, lags: Sequence[int] = LAGS
) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of frame `last` and of its differences to the frames `lag` before, side by side.

    They are not whitened: what hardly varies hardly counts. Their mean square over the known windows is 1.

    Args:
        known: features of every frame of the windows to fit on, [n, T, width].
        judged: of the windows to judge by, [m, T, width].
        last: the newest frame that is used; frames before the window's first are its first.
        lags: frames back from it.

    Returns:
        [n, (1 + lags) * components] and [m, ...].
    """
    earlier = [max(last - lag, 0) for lag in lags]
    views = [[part[:, last], *(part[:, last] - part[:, frame] for frame in earlier)] for part in (known, judged)]
    parts = []
    for mine, others in zip(*views, strict=True):
        axes = PCA(min(COMPONENTS, *mine.shape), svd_solver="randomized", iterated_power=2, random_state=0).fit(mine)
        parts.append((axes.transform(mine), axes.transform(others)))
    first, second = (np.concatenate(rows, 1) for rows in zip(*parts, strict=True))
    scale = max(float(np.sqrt(np.square(first).mean())), 1e-9)
    return first / scale, second / scale


def felt_beside(known: np.ndarray, judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, each number standardised by the known rows to FELT, to stand beside components."""
    first, second = scaled(known, judged)
    return FELT * first, FELT * second


def last_frames(values: np.ndarray, count: int) -> np.ndarray:
    """The last `count` frames of windows [n, T, width], side by side, [n, count * width]."""
    return values[:, -count:].reshape(len(values), -1)
