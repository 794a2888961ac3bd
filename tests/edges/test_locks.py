"""README: "Stop it whenever you like: Ctrl-C, a time limit, `kill -9`. Run the same command again and it goes on."

The real workflow with a stand-in `sensorium`, whose first job waits, so that a run can be killed in the middle.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sensorium.orphans import find_orphans

# It makes the files that it was asked for; while there is a file `wait` it waits first, with its number in `at-work`.
STAND_IN = """\
import os, pathlib, sys, time
pathlib.Path("at-work").write_text(str(os.getpid()))
while pathlib.Path("wait").exists():
    time.sleep(0.05)
for flag, value in zip(sys.argv, sys.argv[1:]):
    if flag == "--output":
        pathlib.Path(value).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(value).write_text("{}")
        pathlib.Path(value).with_suffix(".json").write_text("{}")
"""
TARGET = "results/data/playroom/shard-0000.json"
RUN = ("snakemake", TARGET, "--profile", "local", "-j1", "--configfile", "config/tiny.yaml")
Starter = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder(clone, tmp_path: Path) -> Path:
    """A copy of the workflow; a run in it waits in its first job until the file `wait` is gone."""
    made = Path(shutil.copytree(clone("runs"), tmp_path / "a 'copy'", symlinks=True))
    program = tmp_path / "bin/sensorium"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable} -SE\n{STAND_IN}")
    program.chmod(0o755)
    (made / "wait").touch()
    return made


@pytest.fixture
def start(folder: Path, tmp_path: Path) -> Iterator[Starter]:
    """Start a command in the folder, as the head of a process group."""
    started: list[subprocess.Popen[str]] = []
    path = os.pathsep.join([str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*words: str) -> subprocess.Popen[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.Popen(words or RUN, cwd=folder, env=environment, start_new_session=True, **streams)
        started.append(process)
        return process

    yield run
    for pid in [process.pid for process in started if process.poll() is None] + list(find_orphans(folder)):
        os.kill(pid, signal.SIGKILL)


def until_at_work(folder: Path) -> int:
    """Number of the program that a run has started."""
    deadline = time.monotonic() + 120
    while not (folder / "at-work").exists() or not (folder / "at-work").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return int((folder / "at-work").read_text())


def went_on(folder: Path, start: Starter) -> str:
    """What the same command prints, after a check that it comes to its end and leaves no lock."""
    (folder / "at-work").unlink()
    again = start()
    until_at_work(folder)
    (folder / "wait").unlink()
    printed, _ = again.communicate(timeout=120)
    assert again.returncode == 0, printed
    assert (folder / TARGET).exists()
    assert not (folder / ".snakemake/locks").exists()
    assert (folder / ".snakemake/run.lock").read_text() == ""
    return printed


def state(folder: Path) -> dict[str, int]:
    """Time of the last change of each file, but for Snakemake's own log, which it opens before anything else."""
    return {
        str(path): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and ".snakemake/log/" not in str(path) and "__pycache__" not in str(path)
    }


def test_one_that_lives_is_respected_and_after_everything_was_killed_the_same_command_goes_on(
    folder: Path, start: Starter
) -> None:
    first = start()
    program = until_at_work(folder)
    before, named = state(folder), f"process {first.pid} on {socket.gethostname()}, since 20"
    second = start()
    printed, _ = second.communicate(timeout=120)
    assert second.returncode == 1
    assert f"Another run is in {folder}: {named}" in printed
    assert f"(snakemake {TARGET} --profile local" in printed
    assert "--unlock" not in printed
    assert state(folder) == before
    dry = start(*RUN, "--dry-run", "--quiet")
    assert re.search(rf"{named}.* runs here\.", dry.communicate(timeout=120)[0])
    assert dry.returncode == 0
    os.kill(program, 0)  # still at work
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert list((folder / ".snakemake/locks").iterdir())  # what Snakemake would stop at
    printed = went_on(folder, start)
    assert f"Going on after {named}" in printed
    assert "which is gone" in printed


def test_what_outlives_its_snakemake_is_stopped_by_the_next_run(folder: Path, start: Starter) -> None:
    first = start()
    program = until_at_work(folder)
    first.kill()
    first.wait()
    os.kill(program, 0)  # an orphan, at work
    printed = went_on(folder, start)
    assert f"Stopping process {program}, which an earlier run has left: " in printed
    assert not find_orphans(folder)


def test_a_killed_program_ends_its_run_and_the_next_goes_on(folder: Path, start: Starter) -> None:
    first = start()
    os.kill(until_at_work(folder), signal.SIGKILL)
    assert first.wait(120) == 1
    assert "gone" not in went_on(folder, start)  # nobody was: the run has given its lock up


def test_only_a_run_takes_over_and_what_is_not_ours_is_respected(folder: Path, start: Starter) -> None:
    """Other commands change no lock; Snakemake's lock without a record of ours may be of a run that lives."""
    locks = folder / ".snakemake/locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text(f"{TARGET}\n")
    for words in (("--dry-run",), ("--summary",), ("--list-rules",)):
        command = start("snakemake", TARGET, *words)
        assert command.wait(120) == 0, words
    assert [path.name for path in locks.iterdir()] == ["0.output.lock"]
    assert not (folder / ".snakemake/run.lock").exists()
    run = start()
    printed, _ = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "LockException" in printed
    assert [path.name for path in locks.iterdir()] == ["0.output.lock"]
