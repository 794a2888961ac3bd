"""Which of several failed ranks speaks for all."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

import pytest
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from sensorium.training import launch, pulse
from sensorium.training.launch import _exit_code, _free_port, first_failure


@pytest.mark.parametrize(
    ("ended", "rank"),
    [
        ({0: (1, 5), 1: (74, 6)}, 1),  # rank 0 noticed that rank 1 was gone
        ({0: (74, 6), 1: (65, 5)}, 1),
        ({0: (1, 6), 1: (-9, 5)}, 1),
        ({0: (76, 5), 1: (-9, 6)}, 1),  # rank 0 only noticed
        ({0: (-15, 4), 1: (76, 5)}, 1),  # both only noticed, and the agent ended rank 0, which had saved
        ({0: (-15, 4), 1: (-9, 5)}, 1),
    ],
)
def test_the_first_rank_that_knows_why_counts(ended: dict[int, tuple[int, int]], rank: int) -> None:
    failures = {}
    for number, (code, at) in ended.items():
        failures[number] = ProcessFailure(local_rank=number, pid=1, exitcode=code, error_file="")
        failures[number].timestamp = at
    assert first_failure(failures)[0] == rank


@pytest.mark.parametrize(("code", "hung"), [(76, {}), (-9, {3: 1}), (1, {3: 1})])
def test_one_cause_gets_one_blame(code: int, hung: dict[int, int]) -> None:
    """What the other node, or the watch, has named already is not named again."""
    failure = ProcessFailure(local_rank=0, pid=1, exitcode=code, error_file="")
    assert _exit_code(0, failure, 4, hung) == 1


def test_a_rank_that_has_saved_speaks_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM's signal came while rank 1 hung: rank 0 saved after the watch had ended it. It may come once more."""
    handlers: dict[signal.Signals, object] = {}

    def start(config: object, program: str) -> Callable[..., None]:
        def run(*argv: str) -> None:
            pulse.note_exit(75)
            dead = ProcessFailure(local_rank=1, pid=1, exitcode=-9, error_file="")
            raise ChildFailedError("sensorium", {1: dead})

        return run

    monkeypatch.setattr(launch, "elastic_launch", start)
    monkeypatch.setattr(launch.signal, "signal", handlers.__setitem__)
    monkeypatch.setenv(pulse.VARIABLE, "")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("SLURM_JOB_NUM_NODES", raising=False)
    assert launch.launch(2, ["train-encoder"]) == 75
    assert handlers[signal.SIGUSR1] == handlers[signal.SIGUSR2] == signal.SIG_IGN


def test_the_meeting_port_is_free() -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        port = _free_port()
        assert port != taken.getsockname()[1]
        with socket.socket() as ours:
            ours.bind(("", port))
