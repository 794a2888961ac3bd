"""The distance of long dreams: its interval holds it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from sensorium.evaluation.sample import Sample
from sensorium.evaluation.statistics import NOTHING, _Recordings, measure, resampled_weights
from sensorium.generation.evaluation import drift
from sensorium.generation.evaluation.drift import frechet


def test_the_interval_of_a_distance_holds_the_distance() -> None:
    """Rows that are drawn twice lessen the variety, so distances of distributions grow when they are resampled."""
    samples = np.random.default_rng(0).normal(size=(24, 12))
    groups = [str(row) for row in range(24)]
    free: dict[str, Any] = {"statistic": frechet, "higher_is_better": False, "baselines": {"far": 99.0}}
    plain, centred = (
        measure("distance", samples, groups, centred=centred, fitted_on=NOTHING, ceilings={"none": 0.0}, **free)
        for centred in (False, True)
    )
    assert plain["low"] > plain["value"]
    assert centred["low"] < centred["value"] < centred["high"]
    assert centred["high"] - centred["low"] == pytest.approx(plain["high"] - plain["low"])
    itself = free | {"baselines": {"itself": samples}}
    same = measure("distance", samples, groups, centred=True, fitted_on=NOTHING, ceilings={"none": 0.0}, **itself)
    assert not same["passed"]


def test_a_distance_of_distributions_is_covered_where_it_is_centred() -> None:
    """Around what it is on average with as many recordings: its own bias with n is not corrected."""

    trials, draws = 150, 150  # of a simulation, of a bootstrap

    def pieces(rng: np.random.Generator) -> np.ndarray:
        return 1.2 * rng.normal(size=(32, 4)) + 0.3

    expected = np.mean([frechet(pieces(np.random.default_rng(10**6 + n)), np.ones(32)) for n in range(1000)])
    groups, covered = [f"r{number}" for number in range(32)], {True: 0, False: 0}
    for trial in range(trials):
        samples, weights = pieces(np.random.default_rng(trial)), resampled_weights(groups, trial, draws)
        for centred in covered:
            drawn = _Recordings("m", frechet, weights, centred, 32)
            low, high = drawn.interval(*drawn.score("the model", samples))
            covered[centred] += low <= expected <= high
    assert 0.88 <= covered[True] / trials <= 0.99, covered
    assert covered[False] < covered[True]


@pytest.mark.parametrize("most", [9, 4, 1])
def test_long_dreams_go_on_with_fewer_rows_where_memory_runs_out(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their rings are all in memory, so a dream is dreamed to its end before the next ones begin."""
    rows, sizes = 9, []

    def dreamed(studio: Any, sample: Sample, actions: np.ndarray | None) -> Iterator[np.ndarray]:
        assert actions is not None
        sizes.append(len(sample))
        for piece in range(4):
            if len(sample) > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            shown = sample.start + actions[:, 0, 0] + piece
            yield np.broadcast_to(shown[:, None, None, None, None], (len(sample), 8, 3, 2, 2))

    monkeypatch.setattr(drift, "long_dream", dreamed)
    bench = SimpleNamespace(execution=SimpleNamespace(micro_batch=0))
    studio: Any = SimpleNamespace(config=SimpleNamespace(frames=32, piece=8), bench=bench)
    sample = Sample(np.array([f"r{row}" for row in range(rows)]), 10 * np.arange(rows))
    actions = np.tile(np.arange(rows)[:, None, None], (1, 40, 2))
    features, pictures, times = drift.described_dreams(studio, sample, actions, lambda shown: shown[:, 0, 0, 0])
    assert np.array_equal(features[..., 0], 11 * np.arange(rows)[:, None] + np.arange(4))
    assert pictures.shape == (drift.SHOWN, drift.STILLS, 3, 2, 2)
    assert np.array_equal(pictures[:, 0, 0, 0, 0], 11 * np.arange(drift.SHOWN))
    assert len(times) == drift.STILLS
    assert max(sizes[-2:]) <= most
