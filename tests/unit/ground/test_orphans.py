"""Processes that a killed run has left are found by its mark and stopped; no others are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sensorium import orphans
from sensorium.orphans import MARK, find_orphans, identity, mark, stop_orphans

STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
SAVES = """
import pathlib, signal, sys, time
def save(*_):
    time.sleep(0.5)
    pathlib.Path(sys.argv[1]).touch()
    sys.exit(75)
signal.signal(15, save)
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def start(tmp_path: Path):
    """Start a Python process with further environment variables."""
    started = []

    def run(code: str, *argv: str, **variables: str) -> subprocess.Popen[str]:
        environment = {**os.environ, **variables}
        process = subprocess.Popen(
            [sys.executable, "-c", code, *argv], env=environment, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs these tests is no run of a workflow, and no job of a scheduler."""
    monkeypatch.delenv(MARK, raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def test_a_training_saves_its_state_first(tmp_path: Path, start) -> None:
    process = start(SAVES, str(tmp_path / "saved"), **{MARK: identity(tmp_path)})
    assert find_orphans(tmp_path).keys() == {process.pid}
    assert "-c" in find_orphans(tmp_path)[process.pid]
    stop_orphans(tmp_path)
    assert (tmp_path / "saved").exists()
    assert process.wait() == 75


def test_one_that_does_not_listen_is_killed(tmp_path: Path, start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "SAVE_SECONDS", 0.5)
    process = start(STUBBORN, **{MARK: identity(tmp_path)})
    stop_orphans(tmp_path)
    assert process.wait() == -signal.SIGKILL


def test_others_are_left_alone(tmp_path: Path, start) -> None:
    (tmp_path / "other").mkdir()
    elsewhere = start(STUBBORN, **{MARK: identity(tmp_path / "other")})
    unmarked = start(STUBBORN)
    of_the_scheduler = start(STUBBORN, **{MARK: identity(tmp_path), "SLURM_JOB_ID": "42"})
    assert find_orphans(tmp_path) == {}
    stop_orphans(tmp_path)
    time.sleep(0.1)
    assert [process.poll() for process in (elsewhere, unmarked, of_the_scheduler)] == [None] * 3


def test_a_folder_has_several_paths(tmp_path: Path, start) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    process = start(STUBBORN, **{MARK: identity(tmp_path / "link")})
    (tmp_path / "folder").rename(tmp_path / "renamed")
    assert find_orphans(tmp_path / "renamed").keys() == {process.pid}


def test_within_one_job_of_a_scheduler_its_orphans_are_found(tmp_path: Path, start, monkeypatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    process = start(STUBBORN, **{MARK: identity(tmp_path), "SLURM_JOB_ID": "42"})
    assert find_orphans(tmp_path).keys() == {process.pid}


def test_a_run_is_no_orphan_of_its_own(tmp_path: Path, start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that carries the mark itself, as one that a marked shell has started, and its parents."""
    script = (
        "from pathlib import Path; from sensorium.orphans import *; print('up', flush=True);"
        f"folder = Path({str(tmp_path)!r}); print(find_orphans(folder)); stop_orphans(folder); print('alive')"
    )
    process = start(script, **{MARK: identity(tmp_path)})
    assert process.communicate()[0] == "{}\nalive\n"


def test_children_carry_the_mark(tmp_path: Path, start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, "elsewhere")
    mark(tmp_path)
    process = start(STUBBORN)
    assert find_orphans(tmp_path).keys() == {process.pid}


def test_a_process_ends_with_its_parent(tmp_path: Path) -> None:
    child = f"from sensorium.orphans import end_with_parent; end_with_parent(){SAVES}"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}, {str(tmp_path / 'saved')!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.kill()
        assert process.stdout.read() == ""  # until the child, too, has closed it
    assert (tmp_path / "saved").exists()
