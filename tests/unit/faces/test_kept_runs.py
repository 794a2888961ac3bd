"""Runs that trainings left, as `sensorium runs` reads them."""

from __future__ import annotations

import pytest
from toys import ToyConfig, run_toy

from sensorium.config import Training
from sensorium.planning.kept_runs import delete, differences, is_training, kept_runs
from sensorium.training.execution import Execution
from sensorium.training.interrupt import StoppedEarly
from sensorium.training.lock import sole_owner


def toy(lr: float = 0.01) -> ToyConfig:
    return ToyConfig(training=Training(steps=40, batch=16, warmup=5, lr=lr))


def test_a_finished_training_is_used_until_another_one_takes_its_place(tmp_path):
    run_toy(tmp_path / "toy", toy(0.02))
    (first,) = kept_runs(tmp_path)["toy"]
    assert (first.state, first.step, first.steps) == ("used", 40, 40)
    assert first.size == sum(path.stat().st_size for path in first.folder.rglob("*") if path.is_file())
    run_toy(tmp_path / "toy", toy(0.01))
    second, first = kept_runs(tmp_path)["toy"]
    assert (second.state, first.state) == ("used", "unused")
    assert differences(first, second) == ["training.lr=0.02"]


def test_a_training_that_was_stopped_is_the_newest_then_stopped(tmp_path):
    with pytest.raises(StoppedEarly):
        run_toy(tmp_path / "toy", toy(0.02), Execution(device="cpu", max_minutes=1e-6))
    (run,) = kept_runs(tmp_path)["toy"]
    assert (run.state, run.step) == ("newest", 1)
    run_toy(tmp_path / "toy", toy(0.01))
    assert [run.state for run in kept_runs(tmp_path)["toy"]] == ["used", "stopped"]


def test_the_lock_of_a_training_is_seen(tmp_path):
    run_toy(tmp_path / "toy", toy())
    (run,) = kept_runs(tmp_path)["toy"]
    assert not is_training(run.folder)
    with sole_owner(run.folder):
        assert is_training(run.folder)
        assert not delete(run)
    assert delete(run)
    assert not run.folder.exists()


def test_other_inputs_and_another_revision_are_named(tmp_path):
    run_toy(tmp_path / "toy", toy())
    (run,) = kept_runs(tmp_path)["toy"]
    other = type(run)(run.folder, run.stage, {**run.settings, "inputs": {"data": "0"}, "revision": 2}, 40, 1, 0.0)
    assert differences(run, other) == ["other data", "revision 1"]
