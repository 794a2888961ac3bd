"""A step that was not finite is kept, and repeated exactly, whatever came after it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from toys import ToyConfig, ToyLearner, ToyModel, run_folder, run_toy

from sensorium.artifacts import ArtifactError
from sensorium.config import ConfigurationError, Training
from sensorium.randomness import Draw
from sensorium.training.execution import Execution
from sensorium.training.learner import Batch, Metrics
from sensorium.training.replay import KEPT, BadSteps
from sensorium.training.stage import fit_stage
from sensorium.training.watch import watched

CONFIG = ToyConfig(training=Training(steps=120, batch=16, warmup=5, lr=1e-2, ema=0.9))
Seen = dict[int, list[tuple[Tensor, ...]]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Weights, inputs and noise of every pass in training, by step; steps 7, 40 and some later ones overflow."""
    torch.set_num_threads(1)
    passes: Seen = {}
    forward, bad, now = ToyLearner.forward, (7, 40, 60, 80), [0]

    def step(self: ToyLearner, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        now[0] = draw.step if self.training else -1
        if self.training:
            weights = self._model.first.weight.detach().clone()
            passes.setdefault(draw.step, []).append((weights, batch["x"].clone(), draw.normal("noise", 6)))
        return forward(self, batch, draw)

    def overflow(self: ToyModel, x: Tensor) -> Tensor:
        hidden = self.norm(torch.tanh(self.first(x)))
        return self.last(hidden * float("inf") if now[0] in bad else hidden)

    monkeypatch.setattr(ToyLearner, "forward", step)
    monkeypatch.setattr(ToyModel, "forward", overflow)
    return passes


def replayed(output: Path, step: int, seen: Seen) -> list[tuple[Tensor, ...]]:
    """The passes of a repeated step."""
    seen.clear()
    run_toy(output, CONFIG, Execution(device="cpu", replay=step))
    assert list(seen) == [step - 1]
    return seen[step - 1]


def test_a_bad_step_is_repeated_exactly(tmp_path: Path, seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "toy"
    run_toy(output, CONFIG)
    first = {step: seen[step][0] for step in (7, 40)}
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file() and path.suffix != ".log"}
    for step in (7, 40):
        capsys.readouterr()
        for again in replayed(output, step + 1, seen):
            assert all(torch.equal(one, other) for one, other in zip(first[step], again, strict=True))
        said = capsys.readouterr().out
        assert f"step {step + 1}, seed 0" in said
        assert "first bad place: output of _model.last (Linear)" in said
        rows = {line.split()[0]: line.split() for line in said.splitlines() if line}
        assert rows["_model.norm"][-1] == "0"  # numbers that are not finite
        assert rows["_model.last"][-1] == "16"
        assert rows["_model.last.weight"][-1] == "8"  # of its gradient
        assert "loss nan" in said
    after = {path: path.read_bytes() for path in output.rglob("*") if path.is_file() and path.suffix != ".log"}
    assert after == before


def test_the_log_says_how(tmp_path: Path, seen: Seen) -> None:
    output = tmp_path / "toy"
    run_toy(output, CONFIG)
    text = (run_folder(output) / "train.log").read_text()
    assert "step 8 is kept: repeat it under watch by the same command with --replay 8" in text
    kept = sorted(path.name for path in (run_folder(output) / "bad_steps").iterdir())
    assert kept == ["step-00000008", "step-00000041", "step-00000061"]  # the first ones
    assert len(kept) == KEPT
    assert "--replay 81" not in text


def test_other_steps_were_not_kept(tmp_path: Path, seen: Seen) -> None:
    output = tmp_path / "toy"
    run_toy(output, CONFIG)
    with pytest.raises(ConfigurationError, match=r"--replay 9: .*no such step \(there are: 8, 41, 61\)"):
        replayed(output, 9, seen)
    with pytest.raises(ArtifactError, match="does not fit the model"):
        BadSteps(run_folder(output)).load(8, torch.nn.Linear(2, 2))


def test_a_fitted_model_has_no_steps(tmp_path: Path) -> None:
    words = {"stage": "toy", "revision": 1, "section": CONFIG, "inputs": {}, "output": tmp_path, "shapes": {}}
    with pytest.raises(ConfigurationError, match="--replay 3: toy is fitted at once and has no steps"):
        fit_stage(**words, build=pytest.fail, execution=Execution(device="cpu", replay=3))
    assert not list(tmp_path.iterdir())


def test_a_watched_pass_changes_nothing() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Identity())
    x = torch.tensor([[1.0, float("inf")]])
    outputs, loss = watched(model, lambda: model(x).sum())
    assert [(output.name, output.kind, output.shape, output.bad) for output in outputs] == [
        ("0", "Linear", (1, 3), 3),
        ("1", "Identity", (1, 3), 3),
        ("", "Sequential", (1, 3), 3),
    ]
    assert not torch.isfinite(loss)
    assert not any(module._forward_hooks for module in model.modules())
