"""What evaluations of tokens and dreams compare with, whatever the models learned: here nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_generation
from torch import Tensor, nn
from toy_world import SPLITS, ToyWorld, recording

from sensorium.config import PlayroomConfig, Section, canonical_json
from sensorium.data.sources import playroom
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.statistics import baseline_values
from sensorium.generation.config import ReconstructionConfig
from sensorium.generation.dream_config import CounterfactualConfig, DriftConfig, RolloutConfig, UncertaintyConfig
from sensorium.generation.evaluation import counterfactual, drift, reconstruction, rollout, uncertainty
from sensorium.generation.evaluation.dreams import Studio

TRAINING, VALIDATION = SPLITS.count("training"), SPLITS.count("validation")
CONTINUED = {
    *("last frame", "mean picture", "half last frame, half mean picture", "fade", "ridge"),
    *("context to and fro", "training recording replayed"),
}
DRESSED = {"persistence, dressed", "fade, dressed", "ridge, dressed"}
MODULES = {
    "rollout": rollout,
    "uncertainty": uncertainty,
    "counterfactual": counterfactual,
    "drift": drift,
    "reconstruction": reconstruction,
}
SECTIONS: dict[str, Section] = {
    "rollout": RolloutConfig(windows=20, context=4, horizon=3),
    "uncertainty": UncertaintyConfig(windows=20, fine_windows=8, context=4, horizon=2, dreams=3, denoising_steps=1),
    "counterfactual": CounterfactualConfig(windows=20, context=4, horizon=2, dreams=1, denoising_steps=1),
    "drift": DriftConfig(windows=20, context=4, frames=32, piece=8, denoising_steps=1),
    "reconstruction": ReconstructionConfig(frames=40),
}
LISTED = {
    "rollout.psnr_1": CONTINUED | {"persistence", "untrained"},
    "rollout.psnr_mean": CONTINUED | {"persistence", "untrained"},
    "rollout.psnr_last": CONTINUED | {"persistence", "untrained"},
    "rollout.ssim_mean": CONTINUED | {"persistence", "untrained"},
    "uncertainty.crps": DRESSED | {"persistence", "one dream alone", "median dream", "climatology", "untrained"},
    "uncertainty.energy": DRESSED | {"persistence", "one dream alone", "median dream", "climatology", "untrained"},
    "uncertainty.few_steps_energy": DRESSED | {"64 steps and 2%", "persistence", "untrained"},
    "uncertainty.few_steps_spread": {"64 steps and 0.1", "untrained"},
    "uncertainty.few_steps_sharpness": {"64 steps and 0.05", "mean picture", "untrained"},
    "counterfactual.change": {"no change", "other actions", counterfactual.HAND},
    "drift.distance": {
        *("frozen frame", "mean picture", "context to and fro", "training recording replayed", "untrained"),
    },
    "reconstruction.psnr": {
        *("mean image", "untrained 0", "untrained 1", "untrained 2", "64 principal components"),
        *("128 principal components, 8 bits each", "JPEG in 128 bytes", "WebP in 128 bytes"),
    },
}
FITTED_ON = {
    **dict.fromkeys(("rollout", "uncertainty", "counterfactual"), TRAINING + VALIDATION),
    **dict.fromkeys(("drift", "reconstruction"), TRAINING),
}


def not_taught(modules: list[nn.Module], steps: int, loss: Any, lr: float = 0.0) -> None:
    """In place of a training."""
    for module in modules:
        module.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def untaught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyWorld]:
    """The toy world with models that learned nothing, in which the simulator runs the toy again."""

    def simulate(config: PlayroomConfig, number: int, intervention: playroom.Intervention) -> dict[str, np.ndarray]:
        return recording(number, intervention.actions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy_generation, "fit", not_taught)
        patch.setattr(playroom, "simulate", simulate)
        world = ToyWorld(tmp_path_factory.mktemp("untaught"))
        assert world.dynamics.is_file()
        yield world


def evaluate(world: ToyWorld, name: str, folder: Path) -> dict[str, Any]:
    """Run one evaluation by its command line; its metrics."""
    argv = ["--config", canonical_json(SECTIONS[name]), "--device", "cpu", "--threads", "1"]
    read = ("data", "tokenizer") if name == "reconstruction" else ("data", "latents", "tokenizer", "dynamics")
    for key in read:
        argv += [f"--{key}", str(getattr(world, key))]
    if name == "rollout":
        argv += ["--video", str(folder / "film.mp4")]
    MODULES[name].main([*argv, "--output", str(folder / "r.json"), "--figure", str(folder / "f.png")])
    metrics: dict[str, Any] = json.loads((folder / "r.json").read_text())["metrics"]
    return metrics


@pytest.mark.parametrize("name", MODULES)
def test_every_baseline_is_listed_and_fitted_on_no_test_recording(
    untaught: ToyWorld, tmp_path: Path, name: str
) -> None:
    """The record says on how many recordings, and the harness refuses those that judge."""
    metrics = evaluate(untaught, name, tmp_path)
    for metric in metrics:
        expected = LISTED.get(f"{name}.{metric}", set())
        assert expected <= set(baseline_values(metrics[metric])), metric
        if expected:
            assert metrics[metric]["fitted_on"] == FITTED_ON[name], metric


def test_the_ceiling_of_long_dreams_has_as_many_pieces(
    untaught: ToyWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dreams that are the recordings themselves score exactly the ceiling."""

    def remembered(studio: Studio, sample: Sample, actions: Tensor | None, untrained: bool = False) -> Iterator[Any]:
        return drift.recorded(studio, [[name] for name in sample.names], 8, 4)

    monkeypatch.setattr(drift, "long_dream", remembered)
    record = evaluate(untaught, "drift", tmp_path)["distance"]
    assert record["value"] == pytest.approx(record["ceiling"])
    assert baseline_values(record)["untrained"] == pytest.approx(record["value"])
