"""The submitit executor without SLURM: processes of this machine, and calls in the main process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from snakemake_executor_plugin_submitit.settings import ExecutorSettings

TOY = Path(__file__).parents[1] / "cluster/toy"


@pytest.fixture
def toy(tmp_path):
    folder = shutil.copytree(TOY, tmp_path / "toy")
    (folder / "begin.txt").touch()
    return folder


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Snakemake on the toy workflow, with the submitit executor."""
    program = Path(sys.executable).with_name("snakemake")
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    words = (program, "--executor", "submitit", *words, "--jobs", "2", "--seconds-between-status-checks", "1")
    with (folder / "main.log").open("ab") as log:
        return subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log)


def test_debug_runs_everything_in_sight(toy):
    assert start(toy, "--submitit-cluster", "debug", "end.txt").wait(180) == 0
    assert (toy / "end.txt").read_text().startswith("3 ")
    assert start(toy, "--submitit-cluster", "debug", "never.txt").wait(180) == 1
    assert "the reason" in (toy / "main.log").read_text()


def test_a_local_job_is_requeued_before_its_limit(toy):
    """The signal reaches the program itself, it saves, and the same job goes on."""
    words = "--submitit-cluster local work.txt --config steps=400".split()
    process = start(toy, *words)
    journal = toy / "journal"
    while not journal.exists() or len(journal.read_text().splitlines()) < 5:
        assert process.poll() is None, (toy / "main.log").read_text()
        time.sleep(0.1)
    (folder,) = (path.parent for path in toy.glob(".snakemake/submitit/runs/*/*_submitted.pkl"))
    tasks = [path for path in Path("/proc").glob("[0-9]*/cmdline") if is_task(path, folder.parent)]
    assert len(tasks) == 1
    os.kill(int(tasks[0].parent.name), signal.SIGUSR2)
    while journal.read_text().count("start") < 2:
        assert process.poll() is None, (toy / "main.log").read_text()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)  # and Ctrl-C ends the job
    assert process.wait(180) == 1
    steps = [line for line in journal.read_text().splitlines() if line.startswith("step")]
    assert len(set(steps)) == len(steps)  # none was made twice
    assert "SIGUSR2" in (folder / "requeues").read_text()
    time.sleep(3)
    before = journal.read_text()
    time.sleep(1)
    assert journal.read_text() == before


def is_task(path: Path, folder: Path) -> bool:
    """Whether a process is the one that submitit started for a job of this folder."""
    try:
        words = path.read_bytes().split(b"\0")
    except OSError:
        return False
    return b"submitit.core._submit" in words and any(word.startswith(bytes(folder)) for word in words)


def test_a_folder_that_cannot_be_written_is_named(toy):
    words = "--submitit-cluster debug --submitit-folder /proc/nowhere work.txt".split()
    assert start(toy, *words).wait(60) == 1
    said = (toy / "main.log").read_text()
    assert "--submitit-folder /proc/nowhere" in said
    assert "cannot be written there" in said
    assert "Traceback" not in said


def test_the_settings_show_their_defaults():
    program = Path(sys.executable).with_name("snakemake")
    said = " ".join(subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout.split())
    for name, value in ExecutorSettings().values().items():
        assert f"--submitit-{name.replace('_', '-')}" in said
        assert f"(default: {value if value != '' else chr(39) * 2})" in said, name


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("--submitit-cluster", "slrum", "slrum: choose one of slurm, local, debug"),
        ("--submitit-patience", "-1", "-1.0: minutes, at least 0"),
    ],
)
def test_a_setting_that_cannot_be_is_named(toy, setting, value, said):
    assert start(toy, f"{setting}={value}", "work.txt").wait(180) == 1
    assert f"{setting} {said}" in (toy / "main.log").read_text()
