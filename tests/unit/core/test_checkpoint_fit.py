"""A whole checkpoint whose state does not belong to this run is refused by name: its memory is never trusted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from toys import ToyConfig, run_toy

from sensorium.artifacts import ArtifactError
from sensorium.config import Training
from sensorium.training.checkpoint import Checkpoints

CONFIG = ToyConfig(training=Training(steps=4, batch=4, warmup=1, ema=0.9))
State = dict[str, Any]
MOMENT = "optimiser/_model.first.weight/exp_avg"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "toy"
    run_toy(output, CONFIG)
    return output


def resume_changed(trained: Path, folder: Path, change: Callable[[dict[str, Tensor], State], Any]) -> None:
    """Change the newest checkpoint, with a digest that is right again, and go on from it."""
    shutil.copytree(trained.parent, folder)
    output = folder / trained.name
    (run,) = (output / "runs").iterdir()
    checkpoints = Checkpoints(run / "checkpoints")
    newest = checkpoints.newest()
    assert newest is not None
    tensors, values = dict(newest.tensors), dict(newest.values)
    change(tensors, values)
    checkpoints.save(newest.step, tensors, values)
    run_toy(output, CONFIG)


def put(name: str, make: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Tensor], State], None]:
    def change(tensors: dict[str, Tensor], values: State) -> None:
        tensors[name] = make(tensors[name])

    return change


def nan(tensor: Tensor) -> Tensor:
    changed = tensor.clone()
    changed.view(-1)[-1] = float("nan")
    return changed


def without(name: str) -> Callable[[dict[str, Tensor], State], Any]:
    return lambda tensors, values: tensors.pop(name)


def value(name: str, new: Any) -> Callable[[dict[str, Tensor], State], None]:
    return lambda tensors, values: values.update({name: new})


CHANGES: dict[str, tuple[Callable[[dict[str, Tensor], State], Any], str]] = {
    "moment too short": (put(MOMENT, lambda t: t[:1]), "first.weight/exp_avg is .* expected"),
    "moment of one number": (put(MOMENT, lambda t: t.sum()), "expected"),
    "moment too long": (put(MOMENT, lambda t: t.repeat(9, 9)), "expected"),
    "moment turned": (put(MOMENT, lambda t: t.T.contiguous()), "expected"),
    "moment empty": (put(MOMENT, lambda t: t[:0]), "expected"),
    "moment of other numbers": (put(MOMENT, lambda t: t.double()), "torch.float64"),
    "moment of whole numbers": (put(MOMENT, lambda t: t.to(torch.int8)), "torch.int8"),
    "moment not finite": (put(MOMENT, nan), "not finite"),
    "second moment negative": (put(f"{MOMENT}_sq", lambda t: t - 1e9), "negative"),
    "second moment missing": (without(f"{MOMENT}_sq"), "optimiser's state of"),
    "step as a vector": (put("optimiser/_model.norm.bias/step", lambda t: t.repeat(3)), "expected"),
    "step not a number": (put("optimiser/_model.norm.bias/step", lambda t: t * float("nan")), "not finite"),
    "step negative": (put("optimiser/_model.norm.bias/step", lambda t: -t), "negative"),
    "moment of an unknown weight": (
        lambda tensors, values: tensors.update({"optimiser/_model.gone/exp_avg": torch.zeros(3)}),
        "gone",
    ),
    "moment of an unknown kind": (
        lambda tensors, values: tensors.update({f"{MOMENT}_cube": tensors[MOMENT].clone()}),
        "exp_avg_cube",
    ),
    "average missing": (without("average/_model.last.weight"), "last.weight"),
    "average that would be repeated": (put("average/_model.first.weight", lambda t: t[:1]), "expected"),
    "average not finite": (put("average/_model.first.weight", nan), "not finite"),
    "weight of other numbers": (put("learner/_model.first.weight", lambda t: t.half()), "torch.float16"),
    "weight of another shape": (put("learner/_model.first.weight", lambda t: t[:3]), "expected"),
    "weight missing": (without("learner/_model.last.bias"), "last.bias"),
    "running scale not finite": (put("learner/scale.squares", nan), "scale.squares"),
    "running scale too long": (put("learner/scale.squares", lambda t: t.repeat(2)), "expected"),
    "skips as text": (value("skips", "none"), ""),
    "skips missing": (value("skips", {"total": 1}), "consecutive"),
    "micro-batch of nothing": (value("micro_batch", 0), "micro_batch = 0"),
    "micro-batch as a list": (value("micro_batch", [1]), ""),
    "verdict of nothing": (value("verdict", {}), "gates"),
    "verdict as a list": (value("verdict", [1, 2]), ""),
    "gates as text": (value("verdict", {"gates": ["x"], "metrics": {}}), ""),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_checkpoint_that_does_not_fit_is_refused(trained: Path, tmp_path: Path, name: str) -> None:
    change, told = CHANGES[name]
    with pytest.raises(ArtifactError, match=rf"step-00000004.*{told}"):
        resume_changed(trained, tmp_path / "copy", change)


def test_what_was_not_changed_fits(trained: Path, tmp_path: Path) -> None:
    resume_changed(trained, tmp_path / "copy", lambda tensors, values: None)
    ours = (tmp_path / "copy/toy/model.safetensors").read_bytes()
    assert ours == (trained / "model.safetensors").read_bytes()
