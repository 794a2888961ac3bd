"""`sensorium estimate`: its tables, its JSON, bad files and wrong arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sensorium.cli import main

ROOT = Path(__file__).parents[2]
TINY, LEARNED = ROOT / "config/tiny.yaml", ROOT / "config/convolutional.yaml"


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
    assert dynamics["checkpoint_bytes"] == 6_152_024  # of the run of this preset
    assert dynamics["model_bytes"] == 1_683_748
    assert dynamics["parameters"] == 408_035
    assert dynamics["seconds"] == pytest.approx(60 * dynamics["operations_a_step"] / 2e12)
    assert dynamics["memory_bytes"] == dynamics["state_bytes"] + dynamics["activation_bytes"]
    runs = sum(2 * each["checkpoint_bytes"] + each["model_bytes"] for each in found["stages"].values())
    assert found["disk"]["runs"] == runs
    assert found["disk"]["total"] == sum(found["disk"].values()) - found["disk"]["total"]
    assert found["host_mb"]["rollout"] == 8000


def test_the_tables_name_every_stage_and_what_does_not_fit(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert estimate(TINY, small(tmp_path), "--memory", 0.005) == 0
    printed = capsys.readouterr().out
    for word in (
        "tokenizers/video",
        "tokenizers/audio",
        "dynamics",
        "data/playroom",
        "latents/video",
        "rollout",
        "rows a pass",
    ):
        assert word in printed
    assert "1 of 3" in printed
    assert "(does not fit)" in printed


def test_the_largest_preset_fits_where_its_header_says_so(capsys, monkeypatch):
    """One row of its dynamics keeps more than any GPU has: their layers recompute their activations."""
    monkeypatch.chdir(ROOT)
    assert estimate("config/h200.yaml", "--memory", 141, "--json") == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert {folder: (each["fits"], each["recomputed"]) for folder, each in stages.items()} == {
        "tokenizers/video": (True, False),
        "tokenizers/audio": (True, False),
        "dynamics": (True, True),
    }
    header = (ROOT / "config/h200.yaml").read_text().partition("\nlines:")[0]
    assert f"{stages['dynamics']['memory_bytes'] / 1e9:.0f} GB" in header


def test_more_gpus_take_fewer_hours_and_more_host_memory(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = []
    for count in (1, 4):
        assert estimate(TINY, small(tmp_path), "--json", "--gpus", count) == 0
        found.append(json.loads(capsys.readouterr().out))
    one, four = found
    assert four["stages"]["dynamics"]["seconds"] == one["stages"]["dynamics"]["seconds"] / 4
    assert four["host_mb"]["train_dynamics"] > one["host_mb"]["train_dynamics"] + 9000
    assert four["host_mb"]["rollout"] == one["host_mb"]["rollout"]
    assert four["dreams"] == one["dreams"]


def test_recomputation_is_counted(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = {}
    for recompute in ("off", "on"):
        deep = small(tmp_path, dynamics={"dim": 64, "layers": 3})
        assert estimate(LEARNED, TINY, deep, "--json", "--recompute", recompute) == 0
        found[recompute] = json.loads(capsys.readouterr().out)["stages"]
    for folder in ("tokenizers/video", "tokenizers/audio"):  # without transformers
        assert found["on"][folder] == found["off"][folder]
    off, on = (found[recompute]["dynamics"] for recompute in ("off", "on"))
    assert on["activation_bytes"] < off["activation_bytes"] / 2
    assert 1.15 < on["operations_a_step"] / off["operations_a_step"] < 4 / 3


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
    "words",
    [
        ["--memory", "0"],
        ["--gpus", "0"],
        ["--memory", "nan"],
        ["--tflops", "-1"],
        ["--micro-batch", "-2"],
        ["--device", "tpu"],
    ],
)
def test_wrong_arguments(words):
    assert estimate(TINY, *words) == 2
