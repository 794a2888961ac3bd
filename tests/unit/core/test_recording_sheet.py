"""The sheet that shows some recordings of a set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sensorium.artifacts import write_manifest
from sensorium.data.recording import KIND, SPLITS, RecordingSet, write_shard
from sensorium.evaluation import inspect
from sensorium.evaluation.recording_sheet import WIDTH, draw, histograms, spread

BLUE = np.array([20, 40, 220], np.uint8)


def some_set(folder: Path, action: dict[str, Any] | None, fields: tuple[str, ...]) -> RecordingSet:
    """Six recordings; the one for testing has blue pictures."""
    random, recordings, entries = np.random.default_rng(0), {}, []
    for number in range(6):
        split = SPLITS[max(0, number - 3)]
        frames = 20 + number
        made = {
            "video": np.tile(BLUE if split == "test" else np.full(3, 90, np.uint8), (frames, 16, 16, 1)),
            "audio": random.integers(-9000, 9000, frames * 100).astype(np.int16),
            "reward": random.normal(size=frames).astype(np.float32),
        }
        if action:
            drawn = random.uniform(-1, 1, (frames, action["size"])).astype(np.float32)
            made["action"] = random.integers(0, 3, frames) if action["kind"] == "discrete" else drawn
        recordings[f"r-{number}"] = {name: array for name, array in made.items() if name in (*fields, "action")}
        entries.append({"name": f"r-{number}", "frames": frames, "split": split, "shard": "s", "number": number})
    write_shard(folder / "s.safetensors", recordings)
    rates = {"frames_per_second": 10, "sample_rate": 1000, "samples_per_frame": 100, "size": 16}
    details = {**rates, "action": action, "action_names": ["left"], "source": "some", "recordings": entries}
    files = {"s": folder / "s.safetensors"}
    write_manifest(folder, kind=KIND, section_json="{}", inputs={}, files=files, details=details)
    return RecordingSet.open(folder / "manifest.json")


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_every_choice_is_counted(tmp_path: Path) -> None:
    own = some_set(tmp_path, {"kind": "discrete", "size": 5}, ("video", "reward"))
    found = dict(histograms(own))
    actions = np.concatenate([own.field(f"r-{number}", "action") for number in range(6)])
    assert found["action"][0].tolist() == np.bincount(actions, minlength=5).tolist()
    assert found["reward"][0].sum() == len(actions)


def test_numbers_of_an_action_are_counted_each_by_its_name(tmp_path: Path) -> None:
    own = some_set(tmp_path, {"kind": "continuous", "size": 2}, ("video",))
    found = dict(histograms(own))
    assert list(found) == ["left", "action 1"]
    second = np.concatenate([own.field(f"r-{number}", "action")[:, 1] for number in range(6)])
    counts, edges = found["action 1"]
    assert counts.tolist() == np.histogram(second, edges)[0].tolist()
    assert counts.sum() == len(second)


@pytest.mark.parametrize("fields", [("video", "audio", "reward"), ("video",), ("audio",)], ids="-".join)
def test_the_sheet_shows_what_there_is(tmp_path: Path, fields: tuple[str, ...]) -> None:
    own = some_set(tmp_path, None, fields)
    draw(tmp_path / "sheet.png", own)
    with Image.open(tmp_path / "sheet.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[1] > 70 * WIDTH
    blue = (np.abs(pixels.astype(int) - BLUE) < 3).all(-1)
    assert blue.any() == ("video" in fields)
    if "video" in fields:  # a tenth of the width each, in the last of the rows
        assert blue.any(0).sum() > 0.5 * pixels.shape[1]


def test_the_program_draws_beside_its_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = some_set(tmp_path, {"kind": "discrete", "size": 3}, ("video",))
    inspect.main([str(own.manifest), "--figure", str(tmp_path / "a/sheet.png")])
    said = capsys.readouterr().out
    assert "action: 3 choices (left)" in said
    assert "sheet.png: pictures, sounds and actions" in said
    assert min(size_of(tmp_path / "a/sheet.png")) > 100


def test_names_are_spread() -> None:
    assert spread(list("abcdefg"), 3) == ["a", "d", "g"]
    assert spread(["a"], 3) == ["a"]
    assert spread([], 3) == []
