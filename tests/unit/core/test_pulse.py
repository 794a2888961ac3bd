"""A rank that hangs is ended and named; one that works, or has ended, is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorium.training import pulse
from sensorium.training.distributed import Ranks

RANK = "import time; from sensorium.training.pulse import beat; beat({rank}, 0.05); time.sleep(60)"


@pytest.fixture
def ranks(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two processes that beat."""
    environment = {**os.environ, pulse.VARIABLE: str(tmp_path)}
    started = [subprocess.Popen([sys.executable, "-c", RANK.format(rank=rank)], env=environment) for rank in (0, 3)]
    while sum(path.stat().st_size > 0 for path in tmp_path.iterdir()) < 2:
        time.sleep(0.05)
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_a_rank_that_hangs_is_ended_and_named(ranks, tmp_path, caplog) -> None:
    watch = pulse.Watch(tmp_path, silent=1.0)
    ranks[1].send_signal(signal.SIGSTOP)
    end = time.monotonic() + 30
    while not watch.ended and time.monotonic() < end:
        watch.look()
        time.sleep(0.1)
    assert watch.ended == {3: ranks[1].pid}
    assert ranks[1].wait(10) == -signal.SIGKILL
    assert ranks[0].poll() is None
    assert "rank 3 on " in caplog.messages[0]
    assert "gave no sign of life for 1 s" in caplog.messages[0]
    watch.look()
    assert len(caplog.messages) == 1


def test_a_rank_that_has_ended_is_not_silent(ranks, tmp_path) -> None:
    times = [0.0, 1.0, 100.0, 200.0]
    watch = pulse.Watch(tmp_path, clock=lambda: times.pop(0))
    for process in ranks:
        process.kill()
        process.wait()
    while times:
        watch.look()
    assert watch.ended == {}


def test_without_a_launcher_nothing_is_left(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv(pulse.VARIABLE, raising=False)
    pulse.beat(0)
    assert not list(tmp_path.iterdir())


def test_a_rank_that_ends_in_order_is_not_silent(tmp_path, monkeypatch) -> None:
    """Its last minute, without threads, may be long on a busy machine."""
    monkeypatch.setenv(pulse.VARIABLE, str(tmp_path))
    with Ranks():
        pulse.beat(2, 0.02)
        (path,) = tmp_path.iterdir()
    end = time.monotonic() + 10
    while path.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not path.exists()
