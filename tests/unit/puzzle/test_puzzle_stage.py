"""The stage that trains maps and the evaluations that judge them, by the commands that a user gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy_puzzle_artifacts import write_model
from toy_puzzles import SOUND, fitted, pictures, sounds
from toy_world import DETAILS, digests

from sensorium.artifacts import write_manifest
from sensorium.config import ConfigurationError, PlayroomConfig, canonical_json
from sensorium.data.recording import KIND, RecordingSet, write_shard
from sensorium.evaluation.statistics import LeakError
from sensorium.puzzle.config import LegacyConfig, PuzzleSightConfig, PuzzleSoundConfig
from sensorium.puzzle.evaluation import maps, puzzle_sight, puzzle_sound
from sensorium.puzzle.evaluation.probe import class_probe
from sensorium.puzzle.legacy import LegacySound
from sensorium.puzzle.sound_map import SoundMap
from sensorium.puzzle.train_puzzle import main, seconds_frames
from sensorium.training.health import Verdict
from sensorium.training.interrupt import Interrupt, StoppedEarly

SPLITS = ["training"] * 130 + ["validation"] * 20 + ["test"] * 40
FRAMES = 16
SECTION = {"width": 16, "blocks": 1, "training": {"steps": 120, "batch": 16, "lr": 4e-3, "warmup": 5}}
MODULES = {"sound": (puzzle_sound, PuzzleSoundConfig), "sight": (puzzle_sight, PuzzleSightConfig)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of a second: chords of a few notes with an end, and patches of colours that go together."""
    torch.manual_seed(0)
    folder, count = tmp_path_factory.mktemp("data"), len(SPLITS)
    notes = torch.tensor([300.0, 500.0, 900.0, 1600.0, 2700.0])
    time = torch.arange(16_000) / 16_000
    chosen = (torch.rand(count, 5) < 0.4) * torch.rand(count, 5)
    audio = (chosen[..., None] * torch.sin(2 * torch.pi * notes[:, None] * time)).sum(1) * 6000
    audio = audio + torch.randn_like(audio) * 30
    audio *= time < (0.3 + 0.5 * torch.rand(count, 1))
    video = pictures(count).repeat(1, FRAMES, 1, 1, 1).float()
    video[..., 2] = 255 - video[..., 0]
    recordings = {
        f"toy-{number:06d}": {"video": video[number].byte().numpy(), "audio": audio[number].short().numpy()}
        for number in range(count)
    }
    shard = folder / "shard-0000.safetensors"
    write_shard(shard, recordings)
    entries = [
        {"name": name, "number": number, "shard": "shard-0000", "split": split, "frames": FRAMES}
        for number, (name, split) in enumerate(zip(recordings, SPLITS, strict=True))
    ]
    details = {**DETAILS, "size": 32, "body": 0, "action": None, "labels": {}, "state_names": [], "recordings": entries}
    section = canonical_json(PlayroomConfig(recordings=count, frames=FRAMES))
    write_manifest(
        folder, kind=KIND, section_json=section, inputs=digests({}), files={"shard-0000": shard}, details=details
    )
    return folder / "manifest.json"


def train(sense: str, data: Path, output: Path, **changes: Any) -> Path:
    """Train by the command; the manifest."""
    section = json.dumps({**SECTION, **changes})
    argv = [sense, "--config", section, "--data", str(data), "--output", str(output)]
    main([*argv, "--device", "cpu", "--threads", "1", "--workers", "0"])
    return output / "manifest.json"


def judge(sense: str, data: Path, model: Path, folder: Path, *more: str) -> dict[str, Any]:
    """Evaluate by the command; the result."""
    module, config = MODULES[sense]
    section = config(**{"windows" if sense == "sound" else "frames": 40, "examples": 130})
    argv = ["--config", canonical_json(section), "--data", str(data), "--puzzle", str(model), "--device", "cpu"]
    files = ["--output", str(folder / "r.json"), "--figure", str(folder / "f.png")]
    module.main([*argv, *files, "--threads", "1", *more])
    return dict(json.loads((folder / "r.json").read_text()))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Manifest of the map of each sense; of so few chords and patches a code may lack its share, which is let pass."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Verdict, "check", lambda verdict: None)
        return {sense: train(sense, data, tmp_path_factory.mktemp("maps") / sense) for sense in ("sound", "sight")}


@pytest.mark.parametrize("sense", ["sound", "sight"])
def test_a_run_that_was_stopped_gives_the_same_bits(
    sense: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = {"steps": 6, "batch": 8, "warmup": 0}
    monkeypatch.setattr(Verdict, "check", lambda verdict: None)
    straight = train(sense, data, tmp_path / "straight", training=training)
    calls = iter([None, None, "a signal", "a signal"])
    with monkeypatch.context() as patch:
        patch.setattr(Interrupt, "reason", lambda *_: next(calls))
        with pytest.raises(StoppedEarly, match="after step 3 of 6"):
            train(sense, data, tmp_path / "stopped", training=training)
    resumed = train(sense, data, tmp_path / "stopped", training=training)
    weights = [load_file(path.with_name("model.safetensors")) for path in (straight, resumed)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("sense", ["sound", "sight"])
def test_trained_passes_and_untrained_fails(sense: str, data: Path, trained: dict[str, Path], tmp_path: Path) -> None:
    """Corrections are better than the map they began from; without them nothing is."""
    result = judge(sense, data, trained[sense], tmp_path)
    name = "error_db" if sense == "sound" else "psnr"
    assert set(result["metrics"]) == {name, f"{name}_at_written_bits"}
    record = result["metrics"][name]
    margins = {each["name"]: each["margin"] for each in record["baselines"]}
    assert margins["untrained map"]["low"] > 0
    worse = record["references"]["cells permuted"] - record["value"]
    assert worse > 2 if sense == "sound" else worse < -2
    assert result["order"]["codes"] > 0.8
    assert abs(result["order"]["cells_permuted"]) < 0.5
    bits = result["bits"]
    assert bits["written"] < bits["order_0"] < bits["nominal"]
    assert bits["written"] <= bits["written_in_files"] + 40
    assert bits["components"] <= bits["written"]
    assert sum(result["use"]["shares"]) == pytest.approx(1)
    if sense == "sight":  # these recordings repeat one picture
        assert result["stillness"] == {"still_cells": 1.0, "changed_where_still": 0.0, "changed": 0.0}
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    for seed in ("101", "102"):
        untrained = judge(sense, data, trained[sense], tmp_path, "--untrained-seed", seed)["metrics"]
        assert not untrained[name]["passed"]
        assert untrained[name]["margin"]["value"] <= 0


def test_a_list_and_a_preset_are_shown_beside_the_map(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list beats as many digits of components; a preset, which learned nothing, does not hide it."""
    monkeypatch.setattr(Verdict, "check", lambda verdict: None)
    section = {"width": 8, "blocks": 1, "copies": 2, "training": {"steps": 40, "batch": 8, "lr": 4e-3, "warmup": 2}}
    argv = ["sound_list", "--config", json.dumps(section), "--data", str(data), "--output", str(tmp_path / "list")]
    main([*argv, "--device", "cpu", "--threads", "1", "--workers", "0"])
    preset = write_model(tmp_path / "legacy", LegacySound(LegacyConfig(), {}), LegacyConfig(), {})
    map_of_sound = fitted(SoundMap(SOUND, {}), {"audio": sounds(6)})
    sound = write_model(tmp_path / "map", map_of_sound, SOUND, {})
    given = ["--list", str(tmp_path / "list/manifest.json"), "--legacy", str(preset)]
    result = judge("sound", data, sound, tmp_path, *given)
    for name in ("list_error_db", "list_300_error_db"):
        margins = {each["name"]: each["margin"] for each in result["metrics"][name]["baselines"]}
        assert len(margins) == 3
        assert all(margin["low"] > 0 for beside, margin in margins.items() if beside.startswith("components"))
    assert margins["untrained list"]["low"] > 0  # of the first 300 digits; of all, so few steps are worth nothing
    assert result["metrics"]["list_error_db"]["value"] < result["metrics"]["list_300_error_db"]["value"]
    assert result["metrics"]["error_db"]["references"]["preset of 83,777 numbers"] > 10
    report = result["report"]
    assert set(report) == {"sound", "sound_list", "sound_legacy"}
    assert report["sound_legacy"]["parameters"] == 83_777
    assert abs(report["sound_legacy"]["less_error"]) < 0.5
    assert 1 <= report["sound_legacy"]["trained"]["perplexity"] <= 10
    untrained = judge("sound", data, sound, tmp_path, *given, "--untrained-seed", "101")["metrics"]
    assert not untrained["list_error_db"]["passed"]
    assert not untrained["list_300_error_db"]["passed"]


def test_a_probe_reads_what_codes_say_of_classes() -> None:
    """Codes that follow the class are read, nearly as well as what they round; without classes there is no probe."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    values = rng.normal(size=(400, 30, 30)) + (np.arange(30) % 3 == labels[:, None, None]) * 0.3
    grids = np.clip(np.rint(values + 4.5), 0, 9).astype(np.uint8)
    names = [f"recording {number // 4}" for number in range(400)]
    views = {"examples": values[:300], "samples": values[300:], "fitted_on": names[:300], "groups": names[300:]}
    seen = maps.MapViews(**views, example_labels=labels[:300], labels=np.where(np.arange(100) < 80, labels[300:], -1))
    found = class_probe(seen, (grids[:300], grids[300:]), (values[:300], values[300:]), 0)["probe"]
    assert found["passed"]
    assert found["value"] > 0.8
    assert found["references"]["cells that are not rounded"] >= found["value"] - 0.1
    mixed = rng.permutation(grids[300:])
    assert not class_probe(seen, (grids[:300], mixed), (values[:300], values[300:]), 0)["probe"]["passed"]
    assert class_probe(maps.MapViews(**views), (grids[:300], grids[300:]), (values[:300], values[300:]), 0) == {}


def test_what_is_fitted_and_what_is_judged_share_no_recording(
    data: Path, trained: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Examples come from training recordings; were they test recordings, the evaluation would refuse them."""
    names = RecordingSet.names
    monkeypatch.setattr(RecordingSet, "names", lambda self, split: names(self, "test"))
    with pytest.raises(LeakError):
        judge("sound", data, trained["sound"], tmp_path)


def test_codes_are_judged_from_what_was_read_back() -> None:
    rng = np.random.default_rng(0)
    grids = np.clip(rng.integers(-1, 2, (40, 30, 30)).cumsum(2) + 4, 0, 9).astype(np.uint8)
    found = maps.bits(grids[:30], grids[30:])
    assert found["written"] <= found["written_in_files"] <= found["written"] + 10
    assert found["nominal"] == pytest.approx(2989.7, abs=0.1)
    shuffled = maps.permuted(grids, 0)
    assert sorted(shuffled[3].ravel()) == sorted(grids[3].ravel())
    assert not np.array_equal(shuffled[3], grids[3])
    assert maps.order(grids, grids * 2.5) == pytest.approx(1)


def test_sounds_of_another_rate_are_refused(data: Path) -> None:
    recordings = RecordingSet.open(data)
    assert seconds_frames(recordings) == 16
    recordings.details["sample_rate"] = 22_050
    with pytest.raises(ConfigurationError, match="22050"):
        seconds_frames(recordings)
