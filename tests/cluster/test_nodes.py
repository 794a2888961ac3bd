"""A training of four ranks on two nodes while parts of it are lost: one blame, an end within a minute, a saved state.

Each case trains for half a minute on a busy machine: `pytest --slow tests/cluster/test_nodes.py`, as root.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from private_slurm import PrivateSlurm
from test_sensorium import progress

from sensorium.config import canonical_json
from sensorium.settings import validate

pytestmark = pytest.mark.slow
SECONDS = 60  # from a fault to the end of the job


@pytest.fixture(scope="module")
def recordings(clone, command) -> Path:
    """A copy of the repository with the tiny recordings."""
    folder = clone("nodes")
    words = "snakemake results/data/playroom/manifest.json --profile local -j1 --configfile config/tiny.yaml"
    done = command(folder, *words.split())
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


class Training:
    """A job of two nodes with two ranks each."""

    def __init__(
        self, slurm: PrivateSlurm, folder: Path, name: str, steps: int, prelude: str = "", twice: bool = False
    ):
        self.slurm, self.folder, self.name = slurm, folder, name
        part = validate(yaml.safe_load(Path("config/tiny.yaml").read_text())).encoders.vision
        training = part.training.model_copy(update={"steps": steps, "warmup": 2, "batch": 18})
        section = canonical_json(part.model_copy(update={"training": training}))
        words = "train-encoder vision --data results/data/playroom/manifest.json --threads 1 --checkpoint-minutes 60"
        trains = [
            shlex.join([*f"sensorium --ranks 4 {words} --output {name}{number} --config".split(), section])
            for number in range(1 + twice)
        ]
        both = " & ".join([*trains[1:], f"{trains[0]}; code=$?; wait; exit $code"])
        options = "--parsable --nodes=2 --ntasks-per-node=1 --cpus-per-task=2 --mem=4000 --time=30 --requeue"
        path = os.pathsep.join([str(slurm.bin), str(Path(sys.executable).parent), os.environ["PATH"]])
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
        sources = os.pathsep.join(str(folder / part) for part in ("src", "packages"))
        words = [*options.split(), f"--output={name}.out", "--open-mode=append", "--wrap", prelude + both]
        self.job = subprocess.run(
            [slurm.bin / "sbatch", *words],
            cwd=folder, env={**kept, "PATH": path, "PYTHONPATH": sources}, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip

    def rank(self, number: int | None, output: str = "0") -> int:
        """Process id of a rank; None means the launcher of the second node."""
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                variables = entry.read_bytes().split(b"\0")
                words = (entry.parent / "cmdline").read_bytes()
            except OSError:
                continue
            if f"SLURM_JOB_ID={self.job}".encode() not in variables or f"{self.name}{output}".encode() not in words:
                continue
            if number is None and b"srun" not in words.split(b"\0")[0]:
                if b"SLURM_NODEID=1" in variables and not any(v.startswith(b"RANK=") for v in variables):
                    return int(entry.parent.name)
            elif number is not None and f"RANK={number}".encode() in variables:
                return int(entry.parent.name)
        raise AssertionError(f"no rank {number}: {self.log}")

    def until_training(self, steps: int = 4) -> int:
        """The last recorded step, once there are some."""
        end = time.monotonic() + 240
        while progress(self.folder / f"{self.name}0") < steps:
            assert time.monotonic() < end, self.log
            assert self.state in ("PENDING", "RUNNING", "CONFIGURING", "COMPLETING"), self.log
            time.sleep(0.2)
        return progress(self.folder / f"{self.name}0")

    def until_ended(self, seconds: float) -> str:
        """State of the job at its end, which must come within some seconds."""
        began = time.monotonic()
        while self.state in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING"):
            assert time.monotonic() < began + seconds, f"{self.state} after {seconds} s: {self.log}"
            time.sleep(0.2)
        print(f"\n{self.name}: {self.state} {time.monotonic() - began:.0f} s after the fault, saved {self.saved()}")
        print("\n".join(self.blames()))
        return self.state

    @property
    def state(self) -> str:
        return self.slurm.says("squeue", "--noheader", "--states=all", f"--jobs={self.job}", "--format=%T").strip()

    @property
    def log(self) -> str:
        path = self.folder / f"{self.name}.out"
        return path.read_text() if path.exists() else ""

    def saved(self) -> list[int]:
        """Steps of the checkpoints."""
        return [int(path.name[5:]) for path in (self.folder / f"{self.name}0").glob("runs/*/checkpoints/step-*")]

    def exit_code(self) -> str:
        return re.search(r"ExitCode=(\d+)", self.slurm.control("show", "job", self.job))[1]

    def blames(self) -> list[str]:
        """Lines that name what went wrong, but for SLURM's own."""
        words = r"rank \d|another rank|sensorium: |sensorium train-encoder: |Traceback|Error"
        return [line for line in self.log.splitlines() if re.search(words, line) and not line.startswith("srun:")]


@pytest.fixture
def train(slurm: PrivateSlurm, recordings: Path) -> Iterator:
    """Start a training; what is left of it in the end is cancelled."""
    yield lambda name, steps=4000, **more: Training(slurm, recordings, name, steps, **more)
    slurm.says("scancel", "--me")


def test_a_rank_that_dies_is_named_and_the_state_saved(train) -> None:
    training = train("dies")
    step = training.until_training()
    os.kill(training.rank(3), signal.SIGKILL)
    assert training.until_ended(SECONDS) == "FAILED"
    assert "rank 3 of 4 ended by SIGKILL (out of memory?)" in training.log
    assert max(training.saved()) >= step
    assert "Traceback" not in training.log
    assert sum("ended by" in line or "gave no sign" in line for line in training.blames()) == 1


def test_a_rank_that_hangs_is_named_and_the_state_saved(train) -> None:
    training = train("hangs")
    step = training.until_training()
    os.kill(training.rank(3), signal.SIGSTOP)
    assert training.until_ended(SECONDS) == "FAILED"
    assert "rank 3 on " in training.log
    assert "gave no sign of life for 25 s" in training.log
    assert max(training.saved()) >= step
    assert "Traceback" not in training.log
    assert sum("ended by" in line or "gave no sign" in line for line in training.blames()) == 1


def test_a_rank_hangs_and_then_the_time_limit_comes(train, slurm) -> None:
    """The others save, and the exit code says that the same command goes on."""
    training = train("limit")
    step = training.until_training()
    os.kill(training.rank(3), signal.SIGSTOP)
    slurm.says("scancel", "--signal=USR2", training.job)
    training.until_ended(SECONDS)
    assert training.exit_code() == "75"
    assert max(training.saved()) >= step
    assert "run the same command again to go on" in training.log


def test_rank_0_dies(train) -> None:
    """Nobody else writes: the last periodic save counts. It is named, and the job ends."""
    training = train("first")
    training.until_training()
    os.kill(training.rank(0), signal.SIGKILL)
    assert training.until_ended(SECONDS) == "FAILED"
    assert "rank 0 of 4 ended by SIGKILL" in training.log
    assert training.saved() == []


def test_the_launcher_of_the_second_node_dies(train) -> None:
    training = train("agent")
    step = training.until_training()
    os.kill(training.rank(None), signal.SIGKILL)
    assert training.until_ended(SECONDS) == "FAILED"
    assert max(training.saved()) >= step


def test_the_second_node_dies(train, slurm) -> None:
    """SLURM puts the job back into the queue; it goes on from the save."""
    training = train("node")
    step = training.until_training()
    nodes = slurm.says("scontrol", "show", "hostnames", slurm.says(
        "squeue", "--noheader", f"--jobs={training.job}", "--format=%N").strip()).split()  # fmt: skip
    slurm.crash_node(nodes[1])
    try:
        training.until_training(step + 40)
    finally:
        slurm.resume_node(nodes[1])
    (began,) = set(re.findall(r"steps (\d+) to 4000", training.log)) - {"0"}
    print(f"\nnode: went on from {began}, killed after {step}")
    assert int(began) >= step


def test_two_trainings_of_one_job_share_nothing_and_need_no_environment(train) -> None:
    """SLURM_EXPORT_ENV=NONE, as some sites set it, and two meetings at once."""
    training = train("twins", steps=6, prelude="export SLURM_EXPORT_ENV=NONE; ", twice=True)
    training.until_ended(300)
    assert training.exit_code() in ("0", "70")  # after so few steps a gate may refuse the export
    assert progress(training.folder / "twins0") == progress(training.folder / "twins1") == 6
