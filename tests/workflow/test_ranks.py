"""One training by 1, 2 and 4 processes: the same curve; moved to another number of them; one of them dead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from sensorium.config import canonical_json
from sensorium.settings import validate

STEPS = 16
DONE = (0, 70)  # after so few steps a gate may refuse the export; the training is there all the same


def section() -> str:
    """The tiny preset's vision encoder, whose loss couples all rows of a batch, a few steps long."""
    part = validate(yaml.safe_load(Path("config/tiny.yaml").read_text())).encoders.vision
    training = part.training.model_copy(update={"steps": STEPS, "warmup": 2, "batch": 18})
    return canonical_json(part.model_copy(update={"training": training}))


def start(folder: Path, output: str, ranks: int, *flags: str) -> subprocess.Popen[bytes]:
    """A training by so many processes."""
    words = ["--log", f"{output}.log", "--ranks", str(ranks), "train-encoder", "vision", "--config", section()]
    words += ["--data", "results/data/playroom/manifest.json", "--output", output, "--threads", "1", *flags]
    program = Path(sys.executable).with_name("sensorium")
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    with (folder / f"{output}.out").open("ab") as log:
        return subprocess.Popen([program, *words], cwd=folder, env=environment, stdout=log, stderr=log)


def curve(folder: Path, output: str) -> list[tuple[int, float]]:
    """Step and training loss of each record; a second writer would leave a step twice."""
    (path,) = (folder / output).glob("runs/*/metrics.jsonl")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [(record["step"], record["train/loss"]) for record in records if "train/loss" in record]


def newest(folder: Path, output: str) -> int:
    """The last step that was saved."""
    return max((int(path.name[5:]) for path in (folder / output).glob("runs/*/checkpoints/step-*")), default=0)


def until_saved(process: subprocess.Popen[bytes], folder: Path, output: str, step: int) -> None:
    """Wait for a checkpoint of a training that saves after every step."""
    while newest(folder, output) < step:
        assert process.poll() is None, (folder / f"{output}.out").read_text()[-3000:]
        time.sleep(0.02)


def workers(process: subprocess.Popen[bytes]) -> list[int]:
    """Processes that a launcher started."""
    paths = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(pid) for path in paths for pid in path.read_text().split()]


@pytest.fixture(scope="module")
def alone(tiny: Path) -> list[tuple[int, float]]:
    """The curve of one process."""
    assert start(tiny, "ranks1", 1).wait(300) in DONE
    found = curve(tiny, "ranks1")
    assert [step for step, _ in found] == list(range(1, STEPS + 1))
    return found


def assert_same(found: list[tuple[int, float]], expected: list[tuple[int, float]]) -> None:
    assert [step for step, _ in found] == [step for step, _ in expected]
    assert [loss for _, loss in found] == pytest.approx([loss for _, loss in expected], rel=2e-3)


@pytest.mark.parametrize("ranks", [2, 4])
def test_several_ranks_learn_the_same(tiny: Path, alone: list[tuple[int, float]], ranks: int) -> None:
    """18 rows over 4 ranks: unequal shares, and a contrast over all of them."""
    assert start(tiny, f"ranks{ranks}", ranks).wait(300) in DONE
    assert_same(curve(tiny, f"ranks{ranks}"), alone)
    log = (tiny / f"ranks{ranks}.log").read_text()
    assert f"{ranks} rank(s)" in log
    assert log.count("training VisionContrast") == 1  # one process speaks


def test_stopped_on_two_ranks_and_gone_on_with_on_one(tiny: Path, alone: list[tuple[int, float]]) -> None:
    process = start(tiny, "moved", 2, "--checkpoint-minutes", "0")
    until_saved(process, tiny, "moved", 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 75
    assert "run the same command again" in (tiny / "moved.log").read_text()
    assert newest(tiny, "moved") < STEPS
    assert start(tiny, "moved", 1).wait(300) in DONE
    assert_same(curve(tiny, "moved"), alone)


def test_a_dead_rank_ends_all_and_is_named(tiny: Path, alone: list[tuple[int, float]]) -> None:
    process = start(tiny, "bereft", 2, "--checkpoint-minutes", "0")
    until_saved(process, tiny, "bereft", 2)
    pids = workers(process)
    assert len(pids) == 2
    os.kill(pids[-1], signal.SIGKILL)
    assert process.wait(120) == 1
    log = (tiny / "bereft.log").read_text()
    assert "of 2 ended by SIGKILL (out of memory?)" in log
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert start(tiny, "bereft", 2).wait(300) in DONE  # and it goes on from its last checkpoint
    assert_same(curve(tiny, "bereft"), alone)


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        ("--ranks 2 collect", 2, "only trainings"),
        ("--ranks 3 train-encoder vision", 78, "2 nodes cannot have equal numbers"),
    ],
)
def test_ranks_that_cannot_be(words: str, code: int, named: str) -> None:
    program = Path(sys.executable).with_name("sensorium")
    environment = {**os.environ, "SLURM_JOB_NUM_NODES": "2"}
    result = subprocess.run([program, *words.split()], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert named in result.stderr
