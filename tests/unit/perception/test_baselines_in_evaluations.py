"""Each evaluation of perception lists what needs no learning among its baselines, and says what it was fitted on.

The networks are untrained and the sizes small, for nothing is judged here.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from toy_perception import AUDIO, FUSION, FUSION_SHAPES, VISION
from toy_world import ENCODER_SHAPES, SOUND_SHAPES, SPLITS, ToyWorld, write_model

from sensorium.config import Section, canonical_json
from sensorium.evaluation.baselines.picture_features import PICTURE_FEATURES
from sensorium.evaluation.statistics import baseline_values
from sensorium.perception.config import FewShotConfig, ProbeConfig, RetrievalConfig, WorldStateConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation import few_shot, probe, retrieval, world_state
from sensorium.perception.fusion import Fusion

PROBE = ProbeConfig(samples=60, labels=5, shots=2, trials=2, supervised_steps=1)
SOUND_FEATURES = {
    "cepstra",
    "cepstra without loudness",
    "mean, maximum and std of bands",
    "maximum of bands",
    "spectrum, whitened",
    "spectrum",
}
UNTRAINED = {f"untrained {number}" for number in range(3)}
TRAINING = SPLITS.count("training")


@pytest.fixture(scope="module")
def models(world: ToyWorld, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Manifests of the recordings and of networks with fresh weights."""
    folder = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        eye, ear, fusion = (
            VisionEncoder(VISION, ENCODER_SHAPES),
            AudioEncoder(AUDIO, SOUND_SHAPES),
            Fusion(FUSION, FUSION_SHAPES),
        )
    vision = write_model(folder / "vision", eye, "encoder_vision", VISION, ENCODER_SHAPES)
    audio = write_model(folder / "audio", ear, "encoder_audio", AUDIO, SOUND_SHAPES)
    fused = write_model(folder / "fusion", fusion, "fusion", FUSION, FUSION_SHAPES, vision=vision, audio=audio)
    return {"data": world.data, "vision": vision, "audio": audio, "fusion": fused}


def evaluate(module: ModuleType, section: Section, folder: Path, **inputs: Path) -> dict[str, Any]:
    """The metrics of an evaluation, by its command line."""
    argv = ["--config", canonical_json(section), "--device", "cpu", "--threads", "1"]
    argv += [text for name, path in inputs.items() for text in (f"--{name}", str(path))]
    module.main([*argv, "--output", str(folder / "r.json"), "--figure", str(folder / "f.png")])
    metrics: dict[str, Any] = json.loads((folder / "r.json").read_text())["metrics"]
    return metrics


@pytest.mark.parametrize(("sense", "features"), [("vision", set(PICTURE_FEATURES)), ("audio", SOUND_FEATURES)])
def test_probes(models: dict[str, Path], tmp_path: Path, sense: str, features: set[str]) -> None:
    argv = [sense, "--config", canonical_json(PROBE), "--device", "cpu", "--threads", "1"]
    argv += ["--data", str(models["data"]), "--encoder", str(models[sense])]
    probe.main([*argv, "--output", str(tmp_path / "r.json"), "--figure", str(tmp_path / "f.png")])
    metrics = json.loads((tmp_path / "r.json").read_text())["metrics"]
    for record in metrics.values():
        assert set(baseline_values(record)) == {"most frequent class"} | UNTRAINED | features
        assert 20 < record["fitted_on"] <= TRAINING


def test_few_shot(models: dict[str, Path], tmp_path: Path) -> None:
    metrics = evaluate(few_shot, FewShotConfig(samples=200, episodes=10), tmp_path, **models)
    raw = {"picture", "picture, whitened"}
    for shots in few_shot.SHOTS:
        seen, heard = (set(baseline_values(metrics[f"{sense}_{shots}shot"])) for sense in ("vision", "audio"))
        assert seen == {"chance"} | UNTRAINED | raw | set(PICTURE_FEATURES)
        assert heard == {"chance"} | UNTRAINED | SOUND_FEATURES


def test_retrieval(models: dict[str, Path], tmp_path: Path) -> None:
    metrics = evaluate(retrieval, RetrievalConfig(queries=40, candidates=12), tmp_path, **models)
    curves = {"loudness and change of motion", "onsets and a ridge from motion"}
    for record in metrics.values():
        assert set(baseline_values(record)) == {"chance", "shuffled pairs"} | UNTRAINED | curves
        assert record["fitted_on"] == TRAINING
        assert set(record["references"]) == {"classes heard"}


def test_world_state(models: dict[str, Path], tmp_path: Path) -> None:
    metrics = evaluate(world_state, WorldStateConfig(samples=100, hidden=2), tmp_path, **models)
    assert set(metrics) == {"state", "velocity", "belief"}
    frozen = {
        "encoders without fusion",
        "encoder's grid of three frames, body",
        "encoder's grid of three frames, body, sound",
    }
    for name in ("state", "velocity"):
        assert set(baseline_values(metrics[name])) == {"mean"} | UNTRAINED | frozen
    forecasts = {
        "last seen, held",
        "last seen, forecast",
        "state when last seen, body since",
        "encoder's grid when last seen, body",
    }
    assert set(baseline_values(metrics["belief"])) == {"mean"} | UNTRAINED | forecasts
    assert {record["fitted_on"] for record in metrics.values()} == {TRAINING}
