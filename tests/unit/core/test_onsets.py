"""Onsets are impacts in the playroom, and rare in a hiss; the area is scikit-learn's; ridges read what there is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from sensorium.config import PlayroomConfig
from sensorium.data.sample_formats import to_sounds
from sensorium.data.sources import playroom
from sensorium.evaluation.baselines.onset_readouts import CELLS, ContextToOnsets, FilmToOnsets, hiss, motion
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.onsets import Onsets, are_onsets
from sensorium.evaluation.roc import area, pairs
from sensorium.training.execution import Execution

RATE, SAMPLES = 16000, 1000
BENCH = Bench(torch.device("cpu"), Execution())
ONSETS = Onsets(BENCH, RATE, SAMPLES)


def test_an_onset_is_an_impact_of_the_playroom() -> None:
    """Against the simulator's own list, frame by frame; the harmonic mean of precision and recall."""
    config = PlayroomConfig(recordings=40, frames=48)
    found, true = [], []
    for number in range(12):
        recording = playroom.simulate(config, number)
        sounds = to_sounds(torch.from_numpy(recording["audio"][None])).numpy()
        found.append(are_onsets(ONSETS.strength(sounds))[0])
        frames = np.floor(16 * recording["truth.events"][:, 0]).astype(int)
        true.append(np.isin(np.arange(48), frames))
    onsets, impacts = np.concatenate(found), np.concatenate(true)
    assert 2 * (onsets & impacts).sum() / (onsets.sum() + impacts.sum()) > 0.75


def test_a_hiss_begins_once() -> None:
    """It has the level of the context, and few onsets after its beginning."""
    rng = np.random.default_rng(0)
    waves = (0.05 * np.sin(np.arange(16 * SAMPLES) / 5))[None].repeat(20, 0).astype(np.float32)
    sounds = hiss(waves, 4, 12, SAMPLES, rng)
    assert np.array_equal(sounds[:, : 4 * SAMPLES], waves[:, : 4 * SAMPLES])
    assert ONSETS.loudness(sounds)[:, 4:].mean() == pytest.approx(ONSETS.loudness(waves)[:, :4].mean(), abs=0.1)
    assert are_onsets(ONSETS.strength(sounds)[:, 6:]).mean() < 0.15


def test_loudness_is_in_decibels_of_full_scale() -> None:
    """A square wave at half of the scale, and silence at -80 dB."""
    half, nothing = (np.full((1, 2 * SAMPLES), size, np.float32) for size in (0.5, 0.0))
    assert ONSETS.loudness(half) == pytest.approx(np.full((1, 2), -6.02), abs=0.01)
    assert ONSETS.loudness(nothing) == pytest.approx(np.full((1, 2), -80.0))


@pytest.mark.parametrize("decimals", [0, 1, 8], ids=("many ties", "some ties", "no ties"))
def test_the_area_of_windows_is_that_of_scikit_learn(decimals: int) -> None:
    """With the weights of its window for each frame."""
    rng = np.random.default_rng(decimals)
    cases = rng.random((30, 5)) < 0.3
    scores = np.round(rng.standard_normal((30, 5)) + 0.7 * cases, decimals)
    samples = pairs(scores, cases)
    assert area(samples, np.ones(30)) == pytest.approx(roc_auc_score(cases.ravel(), scores.ravel()), abs=1e-12)
    for _ in range(20):
        weights = rng.integers(0, 4, 30).astype(float)
        expected = roc_auc_score(cases.ravel(), scores.ravel(), sample_weight=np.repeat(weights, 5))
        assert area(samples, weights) == pytest.approx(expected, abs=1e-12)
    assert area(pairs(0 * scores, cases), np.ones(30)) == 0.5
    assert area(pairs(scores, np.zeros_like(cases)), np.ones(30)) == 0.5


def films(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A spot that comes or goes when something is heard, float32 [n, 12, 3, 18, 16]; and strengths [n, 12]."""
    rng = np.random.default_rng(seed)
    strength = np.where(rng.random((count, 12)) < 0.3, 5.0, 0.5)
    pictures = np.zeros((count, 12, 3, 18, 16), np.float32)
    pictures[:, :, :, 4:8, 8:12] = ((strength > 1).cumsum(1) % 2)[:, :, None, None, None]
    return pictures, strength


def test_motion_is_counted_where_it_is() -> None:
    """In one cell of sixteen, since the frame before; nothing has moved before the first."""
    pictures = np.zeros((1, 3, 3, 18, 16), np.float32)
    pictures[0, 1:, :, 4:8, 8:12] = 1.0
    moved = np.exp(motion(pictures)) - 1e-3
    expected = np.zeros((3, CELLS * CELLS))
    expected[1, CELLS + 2] = 1.0
    assert moved[0] == pytest.approx(expected, abs=1e-6)


def test_ridges_read_what_is_there_to_be_read() -> None:
    """A film that shows every onset; contexts and actions that say when the next ones come."""
    pictures, strength = films(200, 0)
    other, wanted = films(60, 1)
    read = FilmToOnsets(pictures, strength, 4)
    scores = read(other, wanted[:, :4])
    assert roc_auc_score((wanted[:, 4:] > 1).ravel(), scores.ravel()) > 0.9
    unseen = read(0 * other, wanted[:, :4])
    assert np.ptp(unseen, axis=1) == pytest.approx(np.zeros(60), abs=1e-9)
    actions = np.random.default_rng(2).standard_normal((260, 12, 2)).astype(np.float32)
    targets = np.stack([actions[:, 8, 0] + np.concatenate([strength, wanted])[:, 2], actions[:, 5, 1]], 1)
    parts = pictures[:, :4], strength[:, :4], actions[:200]
    ridge = ContextToOnsets(*parts, targets[:200])
    predicted = ridge(other[:, :4], wanted[:, :4], actions[200:])
    assert np.corrcoef(predicted[:, 0], targets[200:, 0])[0, 1] > 0.9
    assert np.corrcoef(predicted[:, 1], targets[200:, 1])[0, 1] > 0.9
    ensemble = ridge.dressed(predicted, 1)
    assert ensemble.shape == (200, 60)
    assert ensemble.mean(0) == pytest.approx(predicted[:, 1], abs=0.02)
    assert ContextToOnsets(*parts[:2], None, targets[:200])(other[:, :4], wanted[:, :4], None).shape == (60, 2)


def test_silence_has_no_onsets() -> None:
    """Nor the frame in which a recording begins to be quiet."""
    assert not are_onsets(ONSETS.strength(np.zeros((1, 2 * SAMPLES), np.float32))).any()
