"""`sensorium estimate`: its tables, its JSON, wrong arguments, and memory that a training step really takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from sensorium.cli import main
from sensorium.perception.sizes import sense_widths
from sensorium.planning.configuration import DEFAULT, read_settings
from sensorium.planning.footprint import saved_bytes
from sensorium.planning.learners import stage
from sensorium.randomness import Draw
from sensorium.settings import Config

ROOT = Path(__file__).parents[2]
TINY = ROOT / "config/tiny.yaml"
ROWS = 4


def estimate(*argv: object) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["estimate", *map(str, argv)])
    return int(leaving.value.code or 0)


def small(folder: Path, **changes: object) -> Path:
    """A configuration of few stages."""
    path = folder / "small.yaml"
    path.write_text(json.dumps({"lines": {"representation": False}, **changes}))
    return path


def test_the_json_holds_bytes_and_seconds(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert estimate(TINY, small(tmp_path), "--json", "--device", "cpu", "--tflops", 2) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["stages"]) == ["tokenizers/video", "tokenizers/audio", "dynamics"]
    dynamics = found["stages"]["dynamics"]
    assert dynamics["checkpoint_bytes"] == 2_516_700  # of the run of this preset
    assert dynamics["model_bytes"] == 768_944
    assert dynamics["parameters"] == 190_320
    assert dynamics["seconds"] == pytest.approx(400 * dynamics["operations_a_step"] / 2e12)
    assert dynamics["memory_bytes"] == dynamics["state_bytes"] + dynamics["activation_bytes"]
    runs = sum(2 * each["checkpoint_bytes"] + each["model_bytes"] for each in found["stages"].values())
    assert found["disk"]["runs"] == runs
    assert found["disk"]["total"] == sum(found["disk"].values()) - found["disk"]["total"]
    assert found["host_mb"]["rollout"] == 8000


def test_the_tables_name_every_stage_and_what_does_not_fit(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert estimate(TINY, small(tmp_path), "--memory", 0.005) == 0
    printed = capsys.readouterr().out
    for word in ("tokenizers/video", "tokenizers/audio", "dynamics", "data/playroom", "latents/video", "rollout"):
        assert word in printed
    assert "1 of 4" in printed
    assert "(does not fit)" in printed


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [", 78),
        ("- 1", 78),
        ("5", 78),
        ("dynamics: {dim: 7}", 78),
        ("nonsense: 1", 78),
        ("\x00", 78),
        ("[" * 2000, 78),
    ],
)
def test_a_bad_file_is_a_bad_configuration(tmp_path, text, code, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    assert estimate(path) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_missing_file_and_a_folder_are_named(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    for path in (tmp_path / "none.yaml", tmp_path):
        assert estimate(path) == 78
        assert str(path) in capsys.readouterr().err


def test_outside_of_the_workflow_the_default_is_missed(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert estimate(TINY) == 78
    assert "config/config.yaml: not found" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--memory", "0"], ["--memory", "nan"], ["--tflops", "-1"], ["--micro-batch", "-2"], ["--device", "tpu"]]
)
def test_wrong_arguments(words):
    assert estimate(TINY, *words) == 2


def batch_of(settings: Config, folder: str) -> dict[str, Tensor]:
    """Some rows as the data pipeline gives them."""
    size, fusion, frames = settings.data.size, settings.fusion, settings.dynamics.long_frames
    if folder == "dynamics":
        shapes = {"latent": (frames, 16, 16), "sound": (frames, 4, 16), "scene": (16, 16), "action": (frames, 2)}
        return {name: torch.randn(ROWS, *shape) for name, shape in shapes.items()}
    if folder == "fusion":
        window, widths = fusion.frames + max(fusion.offsets), sense_widths(settings)
        names = {"vision": "vision_embedding", "audio": "audio_embedding", "body": "body"}
        return {names[sense]: torch.randn(ROWS, window, width) for sense, width in widths.items()}
    if folder == "tokenizers/audio":
        return {"audio": torch.randint(-9999, 9999, (ROWS, 4000), dtype=torch.int16)}
    frames = 1 if folder == "tokenizers/video" else settings.encoders.vision.neighbours + 1
    return {"video": torch.randint(0, 255, (ROWS, frames, size, size, 3), dtype=torch.uint8)}


def materialise(module: nn.Module) -> None:
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                part._parameters[name] = nn.Parameter(0.02 * torch.randn(weight.shape), weight.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = torch.ones(buffer.shape, dtype=buffer.dtype)


def measured_peak(step) -> int:
    """Largest sum of bytes that torch had allocated at once during a step."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


@pytest.mark.parametrize("folder", ["encoders/vision", "fusion", "tokenizers/video", "tokenizers/audio", "dynamics"])
def test_a_step_takes_the_estimated_memory_within_a_factor_of_1_6(folder):
    settings = read_settings([TINY], ROOT / DEFAULT)
    planned = stage(settings, folder)
    learner = planned.learner
    with planned.mode:
        kept = saved_bytes(learner, lambda: planned.run(ROWS))
    materialise(learner)
    learner.train()
    gradients = sum(4 * parameter.numel() for parameter in learner.parameters())
    rows = batch_of(settings, folder)

    def step() -> None:
        loss, _ = learner(rows, Draw(0, 3, 0, ROWS, ROWS, torch.device("cpu")))
        loss.backward()

    assert 1 / 1.6 < measured_peak(step) / (kept + gradients) < 1.6
