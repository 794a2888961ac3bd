"""Whoever shares a folder shares what is written there: files follow the umask, not the habits of their writers."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from toys import ToyConfig, run_toy

from sensorium.artifacts import atomic_path, write_json
from sensorium.cli import main
from sensorium.config import Training
from sensorium.data.recording import write_shard
from sensorium.evaluation.figures import save
from sensorium.evaluation.films import write_dream, write_movie
from sensorium.exits import StorageError
from sensorium.training.checkpoint import Checkpoints


@pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
def expected(request):
    """Permissions that a new file has under a umask, which holds during the test."""
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Permissions of all files in a folder, by name."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}


def test_shards_and_json_follow_the_umask(tmp_path, expected):
    write_shard(tmp_path / "shard-0000.safetensors", {"r": {"reward": np.zeros(3, np.float32)}})
    write_json(tmp_path / "shard-0000.json", {})
    assert modes(tmp_path) == {"shard-0000.safetensors": expected, "shard-0000.json": expected}


def test_checkpoints_follow_the_umask(tmp_path, expected):
    Checkpoints(tmp_path).save(3, {"w": torch.zeros(4)}, {})
    assert modes(tmp_path) == {"tensors.safetensors": expected, "state.json": expected}


def test_everything_that_a_training_leaves_follows_the_umask(tmp_path, expected):
    run_toy(tmp_path / "toy", ToyConfig(training=Training(steps=2, batch=4, warmup=1)))
    found = modes(tmp_path)
    assert {"model.safetensors", "tensors.safetensors", "manifest.json", "metrics.jsonl"} <= set(found)
    assert set(found.values()) == {expected}, found


def test_films_figures_and_logs_follow_the_umask(tmp_path, expected):
    write_movie(tmp_path / "movie.mp4", *np.zeros((2, 1, 4, 3, 8, 8)), 1, None, (16, 16_000))
    for name in ("dream.mp4", "dream.gif"):
        write_dream(tmp_path / name, np.zeros((4, 8, 8, 3), np.uint8), 1, None, (16, 16_000))
    save(Figure(), tmp_path / "figure.png")
    with pytest.raises(SystemExit, match="2"):
        main(["--log", str(tmp_path / "a.log"), "collect"])
    found = modes(tmp_path)
    assert set(found) == {"movie.mp4", "dream.mp4", "dream.gif", "figure.png", "a.log"}
    assert set(found.values()) == {expected}, found


def test_a_file_that_replaces_another_has_its_own_permissions(tmp_path, expected):
    path = tmp_path / "value.json"
    path.write_text("{}")
    path.chmod(0o640)
    write_json(path, {"new": 1})
    assert modes(tmp_path) == {"value.json": expected}


def test_a_writer_that_writes_nothing_is_noticed(tmp_path):
    with pytest.raises(StorageError, match="No such file"), atomic_path(tmp_path / "value.json"):
        pass
    assert not list(tmp_path.iterdir())
