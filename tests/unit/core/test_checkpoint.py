"""Checkpoints: whole or absent, newest whole one first, a failed save leaves the old ones."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from pathlib import Path

import pytest
import torch

from sensorium.exits import StorageError
from sensorium.training.checkpoint import Checkpoints

TENSORS = {"w": torch.arange(6.0).view(2, 3).T, "n": torch.tensor(3, dtype=torch.int64)}


def saved(folder: Path, *steps: int, keep: int = 2) -> Checkpoints:
    """Checkpoints after some steps."""
    checkpoints = Checkpoints(folder, keep)
    for step in steps:
        checkpoints.save(step, TENSORS, {"note": step})
    return checkpoints


def test_round_trip_and_keep(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path / "c", 10, 20, 30)
    assert checkpoints.steps() == [20, 30]
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.step == 30
    assert newest.values == {"note": 30}
    assert newest.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(newest.tensors[name], tensor) for name, tensor in TENSORS.items())
    assert Checkpoints(tmp_path / "none").newest() is None


@pytest.mark.parametrize(
    "damage", ["truncate", "flip", "no tensors", "no state", "state cut", "state empty object", "state nested"]
)
def test_damage_falls_back(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    checkpoints = saved(tmp_path, 10, 20)
    tensors, state = checkpoints.path(20) / "tensors.safetensors", checkpoints.path(20) / "state.json"
    if damage == "truncate":
        tensors.write_bytes(tensors.read_bytes()[:-5])
    elif damage == "flip":
        content = bytearray(tensors.read_bytes())
        content[-1] ^= 1
        tensors.write_bytes(content)
    elif damage == "no tensors":
        tensors.unlink()
    elif damage == "no state":
        state.unlink()
    elif damage == "state cut":
        state.write_text(state.read_text()[:20])
    elif damage == "state nested":
        state.write_text("[" * 100_000)
    else:
        state.write_text("{}")
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.step == 10
    assert "step-00000020 is damaged" in caplog.text
    checkpoints.save(15, TENSORS, {})  # the damaged one must not push the good one out
    assert checkpoints.steps() == [10, 15]


def test_an_unfinished_folder_is_not_seen(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 10)
    shutil.copytree(checkpoints.path(10), tmp_path / ".step-00000020.tmp")
    assert checkpoints.steps() == [10]
    checkpoints.save(30, TENSORS, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000010", "step-00000030"]


def test_a_full_disk_leaves_the_last_good_one(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk: the write fails half-way in the same place."""
    checkpoints = saved(tmp_path, 10)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(StorageError, match=r"step-00000020: cannot write .*too large.*run the same command again"):
            checkpoints.save(20, {"w": torch.zeros(100_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000010"]
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.step == 10


def test_a_read_only_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):  # the superuser may write anyway

        def refuse(self: Path, *args: object, **kwargs: object) -> None:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError, match=r"read-only.*Permission denied.*writable"):
        saved(folder, 10)


def test_what_a_process_killed_while_it_tidied_has_left_goes_at_the_next_start(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 10, 20, 30, keep=3)
    (checkpoints.path(10) / "state.json").unlink()
    shutil.copytree(checkpoints.path(30), tmp_path / ".step-00000030.tmp")
    Checkpoints(tmp_path, keep=2).tidy(30)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000020", "step-00000030"]
