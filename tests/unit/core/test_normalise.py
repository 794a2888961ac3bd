"""Running scales: what they are, when they move, and that the trainer keeps them equal however a batch is split."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_trainer import StopAfter, poison, state
from toys import ToyConfig, run_toy

from sensorium.config import Training
from sensorium.training.execution import Execution
from sensorium.training.interrupt import StoppedEarly
from sensorium.training.normalise import RunningScale


def scalars(**values: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in values.items()}


def test_it_is_the_bias_corrected_mean_square_of_the_steps_before():
    scale, observed = RunningScale({"a": 1.0, "b": 0.2}), [3.0, 4.0, 12.0]
    assert scale(scalars(a=3.0, b=5.0)).item() == pytest.approx(3 + 0.2 * 5)  # nothing is known yet
    for value in observed:
        scale.observe({"a": value, "b": torch.tensor(1000 * value)})
    weights = [0.99**age for age in (2, 1, 0)]
    mean = sum(w * v * v for w, v in zip(weights, observed, strict=True)) / sum(weights)
    assert scale.scales().tolist() == pytest.approx([math.sqrt(mean), 1000 * math.sqrt(mean)], rel=1e-5)
    assert scale(scalars(a=6.0, b=6000.0)).item() == pytest.approx(1.2 * 6 / math.sqrt(mean), rel=1e-5)


def test_a_term_that_is_absent_or_zero_does_no_harm():
    scale = RunningScale({"a": 1.0, "b": 1.0})
    scale.observe({"a": 0.0})
    assert scale.scales().tolist() == pytest.approx([1e-6, 1.0])
    assert scale(scalars(b=2.0)).item() == 2.0
    assert math.isfinite(scale(scalars(a=0.0)).item())
    with pytest.raises(KeyError):
        scale(scalars(c=1.0))


def test_gradients_pass_through_the_terms_alone():
    scale, term = RunningScale({"a": 1.0}), torch.tensor(3.0, requires_grad=True)
    scale.observe({"a": term.detach() * 4})
    scale({"a": term}).backward()
    assert term.grad.item() == pytest.approx(1 / 12)
    assert [name for name, _ in scale.named_parameters()] == []


def test_its_state_travels_with_a_checkpoint(tmp_path: Path):
    scale, other = RunningScale({"a": 1.0}), RunningScale({"a": 1.0})
    scale.observe({"a": 7.0})
    save_file(scale.state_dict(), tmp_path / "state.safetensors")
    other.load_state_dict(load_file(tmp_path / "state.safetensors"))
    assert other.scales().item() == pytest.approx(7.0, rel=1e-5)


CONFIG = ToyConfig(training=Training(steps=12, batch=16, warmup=5, lr=1e-2))


@pytest.mark.parametrize("micro_batch", [0, 5])
def test_the_trainer_observes_the_global_batch_once_a_step(tmp_path: Path, micro_batch: int):
    """However many passes a step takes, the scale counts steps, and the exported model knows nothing of it."""
    run_toy(tmp_path / "toy", CONFIG, Execution(device="cpu", micro_batch=micro_batch))
    run_toy(tmp_path / "other" / "toy", CONFIG)
    ours, whole = state(tmp_path / "toy"), state(tmp_path / "other" / "toy")
    assert ours["learner/scale.observations"].tolist() == [12, 12]
    torch.testing.assert_close(ours["learner/scale.squares"], whole["learner/scale.squares"], rtol=1e-4, atol=0)
    assert ours["learner/scale.squares"].min() > 0
    assert not [name for name in load_file(tmp_path / "toy" / "model.safetensors") if "scale" in name]


def test_a_skipped_step_is_not_observed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    poison(monkeypatch, {7})
    run_toy(tmp_path / "toy", CONFIG)
    found = state(tmp_path / "toy")
    assert found["learner/scale.observations"].tolist() == [11, 11]
    assert torch.isfinite(found["learner/scale.squares"]).all()


def test_a_resumed_run_scales_as_one_that_never_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run_toy(tmp_path / "straight" / "toy", CONFIG)
    monkeypatch.setattr("sensorium.training.stage.Interrupt", StopAfter)
    StopAfter.left = 5
    with pytest.raises(StoppedEarly):
        run_toy(tmp_path / "toy", CONFIG)
    StopAfter.left = 1000
    run_toy(tmp_path / "toy", CONFIG)
    ours, straight = state(tmp_path / "toy"), state(tmp_path / "straight" / "toy")
    assert all(torch.equal(ours[name], straight[name]) for name in straight)
