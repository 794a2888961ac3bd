"""Nobody waits in the dark: every program prints what it does, how far it is and what came out, line by line."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from sensorium import cli, progress
from sensorium.data import index
from sensorium.evaluation import statistics
from sensorium.evaluation.harness import Bench
from sensorium.programs import PROGRAMS
from sensorium.progress import LINE_SECONDS, clock, say, track
from sensorium.training import metrics
from sensorium.training.execution import Execution

SOURCE = Path(__file__).parents[2] / "src"
SMALL = json.dumps(
    {
        "source": "playroom",
        "recordings": 12,
        "frames": 16,
        "size": 16,
        "shards": 1,
        "validation_fraction": 0.3,
        "test_fraction": 0.3,
    }
)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the lines of progress, at 0."""
    ticking = Clock()
    monkeypatch.setattr(progress, "time", ticking)
    monkeypatch.setattr(progress, "_printed_at", 0.0)
    return ticking


@pytest.fixture
def every_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each item."""
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was printed since the last call; a line that is not whole or overwrites another one is none."""
    out, err = capsys.readouterr()
    assert "\r" not in out + err
    assert out == "" or out.endswith("\n")
    return out.splitlines()


def test_a_loop_is_quiet_while_it_is_short(ticking, capsys):
    for _ in track(range(100), "windows"):
        ticking.now += 0.9 * LINE_SECONDS / 100
    assert lines(capsys) == []


def test_a_long_loop_says_how_far_how_fast_and_how_long(ticking, capsys):
    for _ in track(range(200), "windows"):
        ticking.now += 0.5
    assert lines(capsys)[:2] == [
        "windows 20/200 (2/s, 0:01:30 left)",
        "windows 40/200 (2/s, 0:01:20 left)",
    ]


def test_many_short_loops_are_one_long_wait(ticking, capsys):
    for network in track("abcd", "networks"):
        for _ in track(range(10), f"windows of {network}"):
            ticking.now += 0.4
    assert lines(capsys) == ["networks 2/4 (0.25/s, 0:00:06 left), windows of c 5/10 (2.5/s, 0:00:02 left)"]


def test_a_line_of_its_own_puts_the_next_one_off(ticking, capsys):
    for number in track(range(16), "windows"):
        ticking.now += 1
        if number == 7:
            say("quarantine: a: b")
    assert lines(capsys) == ["quarantine: a: b"]


def test_the_first_item_that_takes_long_leaves_nothing_to_divide_by(ticking, capsys):
    for _ in track("ab", "networks"):
        for _ in track(range(1), "windows"):
            ticking.now += 60
    assert lines(capsys)[0] == "networks 0/2, windows 1/1 (0.0167/s, 0:00:00 left)"


def test_a_loop_that_ends_early_is_forgotten(every_item, capsys):
    def early() -> Iterator[int]:
        yield from track(range(9), "abandoned")

    next(early())
    with pytest.raises(ZeroDivisionError):
        [1 // number for number in track(range(9), "failed")]
    for _ in track(range(9), "broken off"):
        break
    assert [line for _ in track("a", "last") for line in lines(capsys)] == []
    assert lines(capsys)[0].startswith("last 1/1 (")


def test_what_has_no_length_needs_a_total(every_item, capsys):
    with pytest.raises(TypeError, match="frames: generator has no length; give a total"):
        next(track((frame for frame in "ab"), "frames"))
    assert list(track(iter("ab"), "frames", total=2)) == ["a", "b"]
    assert lines(capsys)[-1].startswith("frames 2/2 (")
    assert list(track([], "nothing")) == []


@pytest.mark.parametrize(("rank", "printed"), [(None, True), ("0", True), ("1", False), ("7", False)])
def test_one_of_several_ranks_prints(monkeypatch, every_item, capsys, rank, printed):
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    assert list(track("ab", "windows")) == ["a", "b"]
    say("done")
    assert bool(lines(capsys)) is printed


def test_a_line_is_there_at_once(monkeypatch):
    """Through a pipe, too, where Python would keep it back."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw), write_through=False))
    say("windows 1/2")
    assert raw.getvalue() == b"windows 1/2\n"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00:00"), (59.6, "0:01:00"), (3661, "1:01:01"), (1e6, "277:46:40")]
)
def test_a_duration_is_readable(seconds, shown):
    assert clock(seconds) == shown


def test_a_training_with_slow_steps_says_so_between_its_measurements(monkeypatch, caplog):
    """Of twenty steps one is measured; if a step lasts a minute, that is too seldom."""
    ticking = Clock()
    monkeypatch.setattr(metrics, "time", ticking)
    caplog.set_level("INFO", "sensorium")
    pace = metrics.Pace(0, 400, 4)
    for done in (1, 2, 3):
        ticking.now += 60
        values = pace.measure(done) | {"train/loss": 0.5} if done == 2 else {}
        pace.log_line(done, values)
    ticking.now += 1.5 * LINE_SECONDS
    pace.log_line(4, {})
    assert caplog.messages == [
        "step 1/400  0.0667 samples/s  6:39:00 left",
        "step 2/400  loss 0.5000  0.0667 samples/s  6:38:00 left",
        "step 3/400  0.0667 samples/s  6:37:00 left",
    ]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_prints_something(name):
    """Its module prints, or hands on to what prints for all trainings or all evaluations."""
    source = (SOURCE / f"{PROGRAMS[name].replace('.', '/')}.py").read_text()
    assert any(call in source for call in ("say(", "print(", "train_stage(", "EVALUATION.main"))


def test_passes_of_networks_and_resamplings_show(every_item, capsys):
    bench = Bench(torch.device("cpu"), Execution(micro_batch=4))
    bench.map(lambda rows: rows, np.zeros((10, 2), np.float32))
    assert [line.split(" (")[0] for line in lines(capsys)] == [f"rows {n}/10" for n in range(1, 10)]
    bench.untrained(lambda seed: seed)
    assert lines(capsys)[0].startswith("untrained networks 1/3 (")
    statistics.measure(
        "score", np.ones(4), list("aabb"), fitted_on=(), baselines={"none": np.zeros(4)}, ceilings={"all": 1.0}
    )
    shown = lines(capsys)
    assert shown[0].startswith("score, the model: resamplings 1/1000 (")
    assert shown[-1].startswith("score, baseline 'none': resamplings 1000/1000 (")


def test_a_collection_and_its_index(every_item, capsys, tmp_path):
    shard, log = tmp_path / "shard-0000.safetensors", tmp_path / "logs/collect.log"
    with pytest.raises(SystemExit) as ended:
        cli.main(["--log", str(log), "collect", "--config", SMALL, "--shard", "0", "--output", str(shard)])
    assert ended.value.code == 0
    shown = lines(capsys)
    assert [line.split(" (")[0] for line in shown[:-1]] == [f"shard 0: recordings {n}/12" for n in range(1, 13)]
    assert shown[-1] == f"{shard}: 12 of 12 recordings, 0 in quarantine"
    assert log.read_text().splitlines() == shown
    index.main(
        ["--config", SMALL, "--shards", str(shard.with_suffix(".json")), "--output", f"{tmp_path}/manifest.json"]
    )
    assert [line.split(" (")[0] for line in lines(capsys)] == ["shards 1/1", f"{tmp_path}/manifest.json: 12 recordings"]
