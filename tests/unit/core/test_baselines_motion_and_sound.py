"""What moves against what sounds, in windows where it is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from sensorium.evaluation.baselines import motion_and_sound
from sensorium.evaluation.baselines.motion_and_sound import (
    OnsetReadout,
    agreement,
    change_of_energy,
    changes,
    loudness,
    motion,
    onsets,
)


def test_loudness_is_the_logarithm_of_the_root_mean_square() -> None:
    wave = np.sin(np.arange(1000) * 2 * np.pi / 50)
    sounds = np.stack([0 * wave, 0.1 * wave, wave])[None]
    assert loudness(sounds)[0] == pytest.approx([-3, np.log10(0.1 / np.sqrt(2)), np.log10(1 / np.sqrt(2))], abs=1e-3)


def test_onsets_are_roots_of_how_far_the_root_mean_square_rises() -> None:
    sounds = np.array([0.1, 0.35, 0.2, 0.24])[None, :, None] * np.array([1, -1, 1, -1])
    assert onsets(sounds)[0] == pytest.approx([0, 0.5, 0, 0.2])


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


def test_changes_have_the_sign_of_each_channel() -> None:
    """A red that comes and a blue that goes in one cell: both are known, and how much changes at all."""
    video = np.zeros((1, 3, 16, 16, 3), np.uint8)
    video[0, 0, 2:4, :2, 2], video[0, 1:, 2:4, :2, 0] = 255, 255  # the first cell of the second of 8 x 8 rows
    found = changes(video)
    assert found.shape == (1, 3, 8 * 8 * 4)
    signed, size = found[0, 1, : 8 * 8 * 3].reshape(64, 3), found[0, 1, 8 * 8 * 3 :]
    assert signed[8].tolist() == [1, 0, -1]
    assert size[8] == pytest.approx(2 / 3)
    assert np.count_nonzero(signed) == 2
    assert np.count_nonzero(size) == 1
    assert not found[0, [0, 2]].any()


def test_onsets_are_read_from_the_changes_around_them() -> None:
    """As scikit-learn reads them from seven frames side by side; a later frame's change shows an earlier onset."""
    rng = np.random.default_rng(0)
    seen = {f"r{n}": rng.normal(size=(40, 2)) for n in range(6)}
    wanted = {name: np.append(rows[2:, 0], [0, 0]) for name, rows in seen.items()}
    readout = OnsetReadout({name: (rows, wanted[name]) for name, rows in seen.items()})
    assert readout.fitted_on == set(seen)
    assert readout.penalty == motion_and_sound.PENALTIES[0], "little noise"
    windows = rng.normal(size=(3, 16, 2))
    read = readout(windows)
    assert read.shape == (3, 16)
    assert np.corrcoef(read[:, 3:-3].ravel(), windows[:, 5:-1, 0].ravel())[0, 1] > 0.99
    rows = np.concatenate([motion_and_sound._around(each[None])[0] for each in seen.values()])
    exact = Ridge(readout.penalty * rows.var(0).mean() * len(rows)).fit(rows, np.concatenate(list(wanted.values())))
    assert np.allclose(read[0], exact.predict(motion_and_sound._around(windows[:1])[0]))


def test_the_penalty_of_onsets_is_large_where_they_are_chance() -> None:
    rng = np.random.default_rng(0)
    readout = OnsetReadout({f"r{n}": (rng.normal(size=(10, 8)), rng.normal(size=10)) for n in range(8)})
    assert readout.penalty >= motion_and_sound.PENALTIES[-2]
