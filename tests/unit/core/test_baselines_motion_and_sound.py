"""What moves against what sounds, in windows where it is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from sensorium.evaluation.baselines import motion_and_sound
from sensorium.evaluation.baselines.motion_and_sound import (
    OnsetReadout,
    agreement,
    change_of_energy,
    loudness,
    motion,
    onsets,
)


def test_loudness_is_the_logarithm_of_the_root_mean_square() -> None:
    wave = np.sin(np.arange(1000) * 2 * np.pi / 50)
    sounds = np.stack([0 * wave, 0.1 * wave, wave])[None]
    assert loudness(sounds)[0] == pytest.approx([-3, np.log10(0.1 / np.sqrt(2)), np.log10(1 / np.sqrt(2))], abs=1e-3)
    assert onsets(np.array([[1.0, 3.0, 2.0, 2.5]])).tolist() == [[0, 2, 0, 0.5]]


def test_motion_is_the_mean_change_in_each_cell() -> None:
    video = np.zeros((1, 3, 8, 8, 3), np.uint8)
    video[0, 1, :2, :2] = 255  # fills the first of 4 x 4 cells, in one frame
    found = motion(video)
    assert found.shape == (1, 3, 16)
    assert found[0, :, 0].tolist() == [0, 1, 1]
    assert not found[0, :, 1:].any()


def test_a_change_of_motion_is_that_of_its_mean_square() -> None:
    moved = np.array([[[0.0], [1.0], [3.0], [3.0]]])
    assert change_of_energy(moved).tolist() == [[0, 0, 8, 0]]


def test_agreement_is_the_correlation_over_time() -> None:
    rng = np.random.default_rng(0)
    seen, heard = rng.normal(size=(4, 16)), rng.normal(size=(5, 16))
    assert np.allclose(agreement(seen, heard), np.corrcoef(seen, heard)[:4, 4:])
    assert not agreement(np.ones((2, 16)), heard).any()


def test_onsets_are_read_from_the_motion_around_them() -> None:
    """As scikit-learn reads them from seven frames side by side; a later frame's motion shows an earlier onset."""
    rng = np.random.default_rng(0)
    moved = {f"r{n}": rng.random((40, 2)) for n in range(6)}
    wanted = {name: np.append(np.sqrt(rows[2:, 0]), [0, 0]) for name, rows in moved.items()}
    readout = OnsetReadout({name: (rows, wanted[name]) for name, rows in moved.items()})
    assert readout.fitted_on == set(moved)
    windows = rng.random((3, 16, 2))
    read = readout(windows)
    assert read.shape == (3, 16)
    assert np.corrcoef(read[:, 3:-3].ravel(), np.sqrt(windows[:, 5:-1, 0]).ravel())[0, 1] > 0.99
    rows = np.concatenate([motion_and_sound._around(each[None])[0] for each in moved.values()])
    scale = rows.std(0)
    exact = RidgeCV(motion_and_sound.STRENGTHS).fit(rows / scale, np.concatenate(list(wanted.values())))
    assert np.allclose(read[0], exact.predict(motion_and_sound._around(windows[:1])[0] / scale))
