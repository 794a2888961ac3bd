"""Another rank is lost, at any point of a step: rank 0 saves what is whole, and a resumed run has the same bits."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import pytest
import torch
from toys import run_folder, run_toy

from sensorium.training import pulse
from sensorium.training.distributed import RankLostError, Ranks, _peers, notice_lost_nodes
from sensorium.training.gradients import Gradients
from sensorium.training.interrupt import Interrupt, StoppedEarly
from sensorium.training.trainer import Trainer


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy stage with all its ranks."""
    torch.set_num_threads(1)
    output = tmp_path_factory.mktemp("straight") / "toy"
    run_toy(output)
    return output


def lose(monkeypatch: pytest.MonkeyPatch, kind: type, method: str, call: int) -> None:
    """Let a call of a method notice that another rank is gone."""
    true, left = getattr(kind, method), [call]

    def losing(*given: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            raise RankLostError("another rank is gone")
        return true(*given)

    monkeypatch.setattr(kind, method, losing)


def saved(output: Path) -> list[int]:
    """Steps of the checkpoints."""
    return sorted(int(path.name[5:]) for path in (run_folder(output) / "checkpoints").glob("step-*"))


@pytest.mark.parametrize(
    ("kind", "method", "step"),
    [(Trainer, "_stop_if_interrupted", 7), (Gradients, "compute", 8), (Ranks, "agree_on", None)],
)
def test_what_is_whole_is_saved_and_the_resumed_run_has_the_same_bits(
    tmp_path: Path, straight: Path, monkeypatch: pytest.MonkeyPatch, kind: type, method: str, step: int | None
) -> None:
    """Noticed when flags are exchanged after step 7, or in the gradients of step 8; or before there is anything."""
    with monkeypatch.context() as patch:
        lose(patch, kind, method, step or 1)
        with pytest.raises(RankLostError, match="gone; state saved after step 7 in" if step else "gone$"):
            run_toy(tmp_path / "toy")
    assert saved(tmp_path / "toy") == ([7] if step else [])
    run_toy(tmp_path / "toy")
    assert (tmp_path / "toy/model.safetensors").read_bytes() == (straight / "model.safetensors").read_bytes()
    lines = [(run_folder(output) / "metrics.jsonl").read_text().count("\n") for output in (tmp_path / "toy", straight)]
    assert lines[0] == lines[1]


def test_half_a_step_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights of step 8 are there, what is observed of it is not: then the last save counts."""
    lose(monkeypatch, Trainer, "_report_observed", 8)
    with pytest.raises(RankLostError, match=r"gone$"):
        run_toy(tmp_path / "toy")
    assert saved(tmp_path / "toy") == []


def test_only_rank_0_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(monkeypatch, Trainer, "_stop_if_interrupted", 7)
    monkeypatch.setattr(Ranks, "is_main", property(lambda ranks: False))
    with pytest.raises(RankLostError, match=r"gone$"):
        run_toy(tmp_path / "toy")
    assert not list(tmp_path.rglob("step-*"))


def test_a_job_that_ends_anyway_goes_on_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM's signal came while the other rank hung."""
    lose(monkeypatch, Trainer, "_stop_if_interrupted", 7)
    monkeypatch.setattr(Interrupt, "scheduled", True)
    monkeypatch.setenv(pulse.VARIABLE, str(tmp_path))
    with pytest.raises(StoppedEarly, match="another rank is gone, state saved after step 7") as caught:
        run_toy(tmp_path / "toy")
    assert caught.value.exit_code == 75
    assert pulse.Watch(tmp_path).noted_exit() == 75  # torchrun's agent passes on the code of the first that failed


def test_once_the_state_is_saved_it_does_not_matter_how_the_ranks_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library may abort while the ranks leave each other: the job has saved, and goes on all the same."""
    monkeypatch.setenv(pulse.VARIABLE, str(tmp_path))
    monkeypatch.setattr(Interrupt, "reason", lambda interrupt, reserve: "SIGUSR2")
    lose(monkeypatch, Ranks, "barrier", 1)
    monkeypatch.setattr(Trainer, "_rescue", lambda trainer, error, interrupt: sys.exit(-signal.SIGABRT))
    with pytest.raises(SystemExit):
        run_toy(tmp_path / "toy")
    assert pulse.Watch(tmp_path).noted_exit() == 75


@pytest.mark.parametrize(
    ("signals", "scheduled"), [(["USR2", "TERM"], True), (["TERM", "USR1"], True), (["TERM"], False), ([], False)]
)
def test_a_schedulers_signal_is_remembered(signals: list[str], scheduled: bool) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    try:
        with Interrupt() as interrupt:
            for name in signals:
                signal.raise_signal(signal.Signals[f"SIG{name}"])
            assert interrupt.scheduled == scheduled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_errors_of_the_communication_mean_a_lost_rank_and_others_do_not() -> None:
    for error in (RuntimeError("Connection closed by peer"), torch.distributed.DistNetworkError("no route")):
        with pytest.raises(RankLostError, match="another rank is gone"), _peers():
            raise error
    with pytest.raises(torch.OutOfMemoryError), _peers():
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_connections_notice_within_half_a_minute_that_a_node_has_vanished() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        notice_lost_nodes()
        get = ours.getsockopt
        assert get(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle, pause, count = (
            get(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert idle + pause * count <= 30
        assert get(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 30000
