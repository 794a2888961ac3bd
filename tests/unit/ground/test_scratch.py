"""What a killed writer leaves is removed at the next write; what a live one writes is not touched."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from sensorium import scratch
from sensorium.artifacts import atomic_path, write_json
from sensorium.scratch import LOCK, scratch_folder

WRITER = """
import sys, time
from pathlib import Path
from sensorium.artifacts import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    temporary.with_name(".tmpA1b2C3").write_text("a library's own temporary file")
    print("writing", flush=True)
    sys.stdin.readline()
    temporary.write_text("whole")
"""


@pytest.fixture
def writer(tmp_path: Path):
    """A process that writes value.json beside the test and stops half-way, until a line comes in or it is killed."""
    command = [sys.executable, "-c", WRITER, tmp_path / "value.json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_next_write_removes_what_a_killed_writer_has_left(tmp_path: Path, writer) -> None:
    writer.kill()
    writer.wait()
    assert len(names(tmp_path)) == 4  # the folder, its lock, the half file and the library's
    write_json(tmp_path / "other.json", {})
    assert len(names(tmp_path)) == 5  # a target has its own leftovers
    write_json(tmp_path / "value.json", {})
    assert names(tmp_path) == ["other.json", "value.json"]


def test_a_live_writer_is_left_alone_and_ends_well(tmp_path: Path, writer) -> None:
    write_json(tmp_path / "value.json", {})
    assert len(names(tmp_path)) == 5
    writer.communicate("\n")
    assert writer.returncode == 0
    assert names(tmp_path) == ["value.json"]
    assert (tmp_path / "value.json").read_text() == "whole"


def test_what_cannot_be_locked_is_left_alone(tmp_path: Path, writer, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.kill()
    writer.wait()

    def refuse(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    write_json(tmp_path / "value.json", {})
    assert len(names(tmp_path)) == 5


def test_a_folder_that_was_not_locked_yet_when_its_writer_was_killed(tmp_path: Path) -> None:
    (tmp_path / ".value.json.0a1b2c3d.tmp").mkdir()
    write_json(tmp_path / "value.json", {})
    assert names(tmp_path) == ["value.json"]


@pytest.mark.parametrize("moment", ["made", "opened"])
def test_a_writer_whose_folder_is_taken_for_a_leftover_takes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Between the making of its folder and the lock a writer looks dead to others."""
    target, opened, taken = tmp_path / "value.json", scratch._open_lock, []

    def late(folder: Path) -> int:
        if taken:
            return opened(folder)
        taken.append(folder)
        handle = opened(folder) if moment == "opened" else -1
        scratch._remove_if_left(folder, scratch._new_name(target))
        return handle if moment == "opened" else opened(folder)

    monkeypatch.setattr(scratch, "_open_lock", late)
    with atomic_path(target) as temporary:
        temporary.write_text("whole")
    assert len(taken) == 1
    assert names(tmp_path) == ["value.json"]
    assert target.read_text() == "whole"


@pytest.mark.parametrize("name", ["[ab]*.json", "a b'\"$(x).json", "ü" * 60])
def test_any_name_of_a_target(tmp_path: Path, name: str) -> None:
    with scratch_folder(tmp_path / name) as folder:
        left = folder.with_name(folder.name.replace(".tmp", "1.tmp"))
        left.mkdir()
        (left / LOCK).touch()
        (left / "half").touch()
    write_json(tmp_path / name, {})
    assert names(tmp_path) == [name]
