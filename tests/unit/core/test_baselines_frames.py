"""Several frames side by side: their components, and which frames they are."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from sensorium.evaluation.baselines.frames import last_frames, several_frames


def test_frames_are_those_before_the_last_one_used() -> None:
    """Components are those of scikit-learn on the known windows; nothing after `last` is looked at."""
    rng = np.random.default_rng(0)
    known, judged = rng.normal(size=(60, 9, 3)) * [3, 2, 1], rng.normal(size=(20, 9, 3))
    parts = []
    for frame in (None, 4, 1):
        mine, others = (rows[:, 5] - (0 if frame is None else rows[:, frame]) for rows in (known, judged))
        exact = PCA(3, svd_solver="full").fit(mine)
        parts.append((exact.transform(mine), exact.transform(others)))
    scale = np.sqrt(np.square(np.concatenate([mine for mine, _ in parts], 1)).mean())
    for found, rows in zip(several_frames(known, judged, 5), zip(*parts, strict=True), strict=True):
        assert np.allclose(np.abs(found * scale), np.abs(np.concatenate(rows, 1)))
    changed = judged.copy()
    changed[:, 6:] = 99
    assert np.array_equal(several_frames(known, judged, 5)[1], several_frames(known, changed, 5)[1])


def test_frames_before_the_first_are_the_first() -> None:
    known = np.random.default_rng(0).normal(size=(30, 4, 2))
    rows, _ = several_frames(known, known, 1, lags=(1, 3))
    assert np.allclose(rows[:, 2:4], rows[:, 4:])


def test_a_velocity_is_read_from_several_frames() -> None:
    """Not from one."""
    rng = np.random.default_rng(0)
    place, speed = rng.normal(size=(200, 1, 2)), rng.normal(size=(200, 1, 2))
    windows = place + speed * np.arange(6)[:, None]
    rows, judged = several_frames(windows[:100], windows[100:], 5)
    read = LinearRegression().fit(rows, speed[:100, 0]).predict(judged)
    assert np.allclose(read, speed[100:, 0], atol=1e-6)


def test_the_last_frames_lie_side_by_side() -> None:
    values = np.arange(24).reshape(2, 4, 3)
    assert last_frames(values, 2).tolist() == [[6, 7, 8, 9, 10, 11], [18, 19, 20, 21, 22, 23]]
