"""Scores, their intervals, and the verdict over floors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, r2_score

from sensorium.artifacts import ArtifactError, digest, write_json
from sensorium.evaluation.scores import balanced_accuracy, median, psnr, r_squared
from sensorium.evaluation.statistics import (
    NOTHING,
    LeakError,
    StatisticsError,
    measure,
    measure_over_seeds,
    resampled_weights,
    write_result,
)

RNG = np.random.default_rng(0)
GROUPS = [f"r{number // 10}" for number in range(400)]


def test_statistics_agree_with_scikit_learn() -> None:
    """R^2 and balanced accuracy are the standard ones."""
    truth, predicted = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 3))
    expected = r2_score(truth, predicted, multioutput="uniform_average")
    assert r_squared(np.stack([truth, predicted], -1), np.ones(50)) == pytest.approx(expected)
    labels, answers = RNG.integers(3, size=90), RNG.integers(3, size=90)
    samples = np.stack([labels == answers, labels], 1).astype(float)
    assert balanced_accuracy(samples, np.ones(90)) == pytest.approx(balanced_accuracy_score(labels, answers))


def test_weights_mean_repetition() -> None:
    """A weight of two is the same as the sample given twice."""
    samples, weights = RNG.normal(size=31), RNG.integers(1, 4, size=31)
    repeated = np.repeat(samples, weights)
    assert median(samples, weights.astype(float)) == pytest.approx(np.median(repeated))
    pairs = RNG.normal(size=(31, 2, 2))
    again = np.repeat(pairs, weights, axis=0)
    assert r_squared(pairs, weights.astype(float)) == pytest.approx(r_squared(again, np.ones(len(again))))


def test_r_squared_leaves_out_what_is_not_defined() -> None:
    """NaN truth counts for nothing, and a variable that stands still is not scored."""
    truth = np.stack([np.arange(10.0), np.full(10, 3.0)], 1)
    truth[::2, 0] = np.nan
    samples = np.stack([truth, np.nan_to_num(truth, nan=99.0)], -1)
    assert r_squared(samples, np.ones(10)) == pytest.approx(1)


def test_psnr_of_a_known_error() -> None:
    """An error of 0.1 is 20 dB; over a horizon the ratios are averaged."""
    assert psnr(np.full(5, 0.01), np.ones(5)) == pytest.approx(20)
    assert psnr(np.tile([0.01, 0.0001], (5, 1)), np.ones(5)) == pytest.approx(30)


def test_interval_covers_the_truth_in_95_of_100_draws() -> None:
    """With samples that are alike within a recording, which a bootstrap over samples gets badly wrong."""
    covered = 0
    for trial in range(200):
        rng = np.random.default_rng(trial)
        samples = np.repeat(rng.normal(size=40), 10) + 0.3 * rng.normal(size=400)
        record = measure(
            "m", samples, GROUPS, fitted_on=NOTHING, baselines={"zero": -9.0}, ceilings={"top": 9.0}, seed=trial
        )
        covered += record["low"] <= 0 <= record["high"]
    assert 0.89 <= covered / 200 <= 0.99


def test_whole_recordings_are_drawn() -> None:
    """All samples of a recording have the same weight, and the weights sum to the number of recordings drawn."""
    weights = resampled_weights(GROUPS, 0, draws=50).reshape(50, 40, 10)
    assert (weights == weights[:, :, :1]).all()
    assert (weights[:, :, 0].sum(1) == 40).all()


def test_comparison_is_paired() -> None:
    """A small gain on samples that differ much among themselves passes when the floor has the same samples."""
    floor = np.repeat(RNG.normal(size=40), 10)
    value = floor + 0.05 + 0.01 * RNG.normal(size=400)
    paired = measure("m", value, GROUPS, fitted_on=NOTHING, baselines={"f": floor}, ceilings={"top": 5.0})
    alone = measure("m", value, GROUPS, fitted_on=NOTHING, baselines={"f": float(floor.mean())}, ceilings={"top": 5.0})
    assert paired["passed"]
    assert not alone["passed"]
    assert paired["margin"]["value"] == pytest.approx(0.05, abs=0.01)


def test_what_equals_its_floor_fails() -> None:
    """No gain, no pass: not with noise, and not when nothing differs at all."""
    floor = RNG.normal(size=400)
    for value in (floor, floor + RNG.normal(size=400) - 0.05):
        assert not measure("m", value, GROUPS, fitted_on=NOTHING, baselines={"f": floor}, ceilings={"top": 5.0})[
            "passed"
        ]


def test_best_floor_counts() -> None:
    """The floor is the best trivial score, in the direction that is better."""
    samples = np.full(400, 3.0)
    high = measure(
        "m", samples, GROUPS, fitted_on=NOTHING, baselines={"a": 1.0, "b": 2.0}, ceilings={"x": 9.0, "y": 8.0}
    )
    assert (high["floor"], high["ceiling"], high["passed"]) == (2.0, 8.0, True)
    low = measure(
        "m",
        samples,
        GROUPS,
        fitted_on=NOTHING,
        baselines={"a": 1.0, "b": 4.0},
        ceilings={"x": 0.0},
        higher_is_better=False,
    )
    assert (low["floor"], low["passed"]) == (1.0, False)
    rank = measure(
        "m",
        samples,
        GROUPS,
        fitted_on=NOTHING,
        baselines={"a": 5.0, "b": 4.0},
        ceilings={"x": 0.0},
        higher_is_better=False,
    )
    assert (rank["floor"], rank["passed"], rank["margin"]["value"]) == (4.0, True, 1.0)


def test_nan_is_refused_by_name() -> None:
    """A score that is not a number never becomes a result."""
    samples = np.ones(400)
    samples[7] = np.nan
    with pytest.raises(StatisticsError, match="hits: the score of the model is nan"):
        measure("hits", samples, GROUPS, fitted_on=NOTHING, baselines={"f": 0.0}, ceilings={"top": 1.0})
    with pytest.raises(StatisticsError, match="baseline 'f' is inf"):
        measure("hits", np.ones(400), GROUPS, fitted_on=NOTHING, baselines={"f": float("inf")}, ceilings={"top": 1.0})


def test_one_recording_gives_no_interval() -> None:
    """An interval over recordings needs two of them."""
    with pytest.raises(ArtifactError, match=r"at least 2 test recordings, found 1; raise data\.recordings"):
        measure("m", np.ones(5), ["r"] * 5, fitted_on=NOTHING, baselines={"f": 0.0}, ceilings={"top": 1.0})


def test_result_names_its_inputs(tmp_path: Path) -> None:
    """The file holds the metrics, the digests of the manifests, and only finite numbers."""
    manifest = tmp_path / "manifest.json"
    write_json(manifest, {"kind": "recordings"})
    record = measure("m", np.ones(400), GROUPS, fitted_on=NOTHING, baselines={"f": 0.0}, ceilings={"top": 1.0})
    write_result(tmp_path / "r.json", "thing", {"m": record}, {"data": manifest}, 1.234)
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["inputs"] == {"data": digest(manifest)}
    wanted = {"value", "low", "high", "n", "floor", "ceiling", "higher_is_better", "passed", "baselines", "ceilings"}
    assert wanted <= set(result["metrics"]["m"])
    with pytest.raises(StatisticsError, match="thing"):
        write_result(tmp_path / "s.json", "thing", {"m": {**record, "value": float("nan")}}, {}, 1.0)
    assert not (tmp_path / "s.json").exists()
    with pytest.raises(StatisticsError, match="no metric"):
        write_result(tmp_path / "s.json", "thing", {}, {}, 1.0)


def test_a_recording_that_was_fitted_on_judges_nothing() -> None:
    """Whoever fits on a test recording is refused by its name, whatever the score."""
    free = {"baselines": {"f": 0.0}, "ceilings": {"top": 1.0}}
    measure("m", np.ones(400), GROUPS, fitted_on=["r40", "r41"], **free)
    with pytest.raises(LeakError, match=r"m: fitted on 1 of the recordings that judge it \(r7\)"):
        measure("m", np.ones(400), GROUPS, fitted_on=["r40", "r7", "r7"], **free)


def test_every_baseline_is_listed_with_its_margin() -> None:
    """The strongest first; each with its own interval and paired margin."""
    weak, strong = RNG.normal(size=(2, 400)) + np.array([[0.0], [2.0]])
    record = measure("m", strong + 1, GROUPS, fitted_on=(), baselines={"w": weak, "s": strong}, ceilings={"top": 9.0})
    assert [baseline["name"] for baseline in record["baselines"]] == ["s", "w"]
    assert record["floor_name"] == "s"
    assert record["margin"] == record["baselines"][0]["margin"]
    assert record["margin"]["value"] == pytest.approx(1)
    alone = measure("m", weak, GROUPS, fitted_on=(), baselines={"zero": 0.0}, ceilings={"top": 9.0})
    assert [record["baselines"][1][key] for key in ("value", "low", "high")] == [
        alone[key] for key in ("value", "low", "high")
    ]


def test_intervals_over_seeds_are_student_s() -> None:
    """As scipy has it, for values and for paired differences."""
    values, others = RNG.normal(size=(2, 5))
    record = measure_over_seeds("m", values, baselines={"other": others}, ceilings={"top": 9.0})
    low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    assert (record["low"], record["high"]) == pytest.approx((low, high))
    paired = stats.ttest_rel(values, others).confidence_interval()
    assert (record["margin"]["low"], record["margin"]["high"]) == pytest.approx((paired.low, paired.high))
    with pytest.raises(StatisticsError, match="at least 2 of them, found 1"):
        measure_over_seeds("m", values[:1], baselines={"zero": 0.0}, ceilings={"top": 9.0})


@pytest.mark.parametrize("count", [3, 5, 20])
def test_intervals_over_seeds_cover(count: int) -> None:
    """The least and the greatest of three seeds cover their mean in 75 % of the cases; these in 95 %."""
    draws = np.random.default_rng(count).normal(size=(2000, count))
    records = (measure_over_seeds("m", values, baselines={"zero": 0.0}, ceilings={"top": 9.0}) for values in draws)
    covered = np.mean([record["low"] <= 0 <= record["high"] for record in records])
    assert 0.935 <= covered <= 0.965
    if count == 3:
        assert np.mean((draws.min(1) <= 0) & (draws.max(1) >= 0)) < 0.78
