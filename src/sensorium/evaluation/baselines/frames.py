"""Several frames side by side: what frozen features of single frames show of motion, without a memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA

COMPONENTS = 64
LAGS = (0, 1, 4)  # frames back


def several_frames(
    known: np.ndarray, judged: np.ndarray, last: int, lags: Sequence[int] = LAGS
) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of a window's frames `last - lag`, side by side: [n, lags * components] and [m, ...].

    Args:
        known: features of every frame of the windows to fit on, [n, T, width]; the components are of frame `last`.
        judged: of the windows to judge by, [m, T, width].
        last: the newest frame that is used; frames before the window's first are its first.
        lags: frames back from it.
    """
    frames = [max(last - lag, 0) for lag in lags]
    components = min(COMPONENTS, len(known), known.shape[2])
    axes = PCA(components, svd_solver="randomized", iterated_power=2, random_state=0).fit(known[:, last])
    first, second = (
        np.concatenate([axes.transform(part[:, frame]) for frame in frames], 1) for part in (known, judged)
    )
    return first, second


def last_frames(values: np.ndarray, count: int) -> np.ndarray:
    """The last `count` frames of windows [n, T, width], side by side, [n, count * width]."""
    return values[:, -count:].reshape(len(values), -1)
