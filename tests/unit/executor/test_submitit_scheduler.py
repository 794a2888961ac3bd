"""SLURM's tools, replaced by stand-ins: with and without accounts, for jobs that come back, out of reach."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_submitit import task
from snakemake_executor_plugin_submitit.backend import Request, SlurmBackend
from snakemake_executor_plugin_submitit.executor import CANCEL_SECONDS, Executor
from snakemake_executor_plugin_submitit.scheduler import Scheduler, SchedulerError, patiently
from snakemake_executor_plugin_submitit.settings import ExecutorSettings

UNREACHABLE = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Make a stand-in that says something and notes its calls; nothing else is on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name: str, says: str, fails: bool = False) -> Path:
        calls = tmp_path / f"{name}.calls"
        stream = ">&2" if fails else ""
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho \"$*\" >> {calls}\n/bin/echo '{says}' {stream}\nexit {int(fails)}\n")
        program.chmod(0o755)
        return calls

    return make


def test_one_call_for_all_jobs_while_they_run(tool):
    calls = tool("sacct", "1|RUNNING\n2|PENDING")
    assert Scheduler().states(["1", "2"]) == {"1": "RUNNING", "2": "PENDING"}
    assert len(calls.read_text().splitlines()) == 1
    assert "--jobs=1,2" in calls.read_text()


def test_what_looks_ended_is_looked_up_in_the_queue(tool):
    """The accounts end a job whose node died before the queue has it again."""
    tool("sacct", "1|RUNNING\n2|NODE_FAIL\n3|CANCELLED by 1000")
    calls = tool("squeue", "2|PENDING\n3|CANCELLED")
    assert Scheduler().states(["1", "2", "3"]) == {"1": "RUNNING", "2": "PENDING", "3": "CANCELLED"}
    assert "--jobs=2,3" in calls.read_text()


@pytest.mark.parametrize("has_sacct", [False, True])
def test_without_accounts_the_queue_is_asked(tool, has_sacct):
    if has_sacct:
        calls = tool("sacct", "Slurm accounting storage is disabled", fails=True)
    tool("squeue", "1|RUNNING")
    scheduler = Scheduler()
    for _ in range(2):
        assert scheduler.states(["1"]) == {"1": "RUNNING"}
    assert not has_sacct or len(calls.read_text().splitlines()) == 1  # and not asked again


def test_a_job_that_the_queue_forgot_keeps_its_last_state(tool):
    tool("sacct", "1|COMPLETED")
    tool("squeue", "slurm_load_jobs error: Invalid job id specified", fails=True)
    assert Scheduler().states(["1", "2"]) == {"1": "COMPLETED"}


def test_an_error_says_whether_it_may_pass(tool):
    tool("sacct", "1|FAILED")
    tool("squeue", UNREACHABLE, fails=True)
    with pytest.raises(SchedulerError, match=r"squeue: .*Unable to contact") as error:
        Scheduler().states(["1"])
    assert error.value.passing
    tool("scancel", "Access/permission denied", fails=True)
    with pytest.raises(SchedulerError) as error:
        Scheduler().cancel(["1"])
    assert not error.value.passing


def test_a_half_submitted_job_is_found_by_its_comment(tool):
    tool("squeue", "7|snakemake abc\n8|(null)")
    assert Scheduler().find("snakemake abc") == "7"
    assert Scheduler().find("snakemake xyz") is None


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """A clock that jumps instead of waiting; the pauses are collected."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setattr("time.monotonic", lambda: 1000 + sum(waited))
    return waited


def test_patience_is_for_what_may_pass(pauses):
    answers = [SchedulerError(UNREACHABLE), SchedulerError("Socket timed out"), "well"]

    def call() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(call, 60, "asking") == "well"
    answers[:] = [SchedulerError("invalid partition specified: nowhere"), "well"]
    with pytest.raises(SchedulerError, match="nowhere"):
        patiently(call, 60, "asking")
    answers[:] = [SchedulerError(UNREACHABLE), "well"]
    with pytest.raises(SchedulerError, match="Unable"):
        patiently(call, 0, "asking")


@pytest.mark.parametrize("seconds", [20, 300])
def test_pauses_double_up_to_a_minute_and_end_in_time(pauses, caplog, seconds):
    def call() -> str:
        raise SchedulerError(UNREACHABLE)

    with pytest.raises(SchedulerError, match="Unable"):
        patiently(call, seconds, "asking")
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60][: len(pauses)]
    assert seconds / 2 < sum(pauses) < seconds
    assert "asking: slurm_load_jobs error: Unable to contact" in caplog.messages[0]
    assert [message.rpartition("; ")[2] for message in caplog.messages][:3] == [
        f"trying again in {pause} s" for pause in (1, 2, 4)
    ]


def test_a_requeue_is_repeated_until_slurm_accepts_it(pauses, monkeypatch, tmp_path):
    codes, calls = [1] * 7 + [0], []

    def run(command: list[str], check: bool) -> SimpleNamespace:
        calls.append(command)
        return SimpleNamespace(returncode=codes.pop(0))

    monkeypatch.setattr(subprocess, "run", run)
    environment = SimpleNamespace(cluster="slurm", job_id="7", paths=SimpleNamespace(folder=tmp_path))
    with pytest.raises(SystemExit) as leaving:
        task.SnakemakeTask("true", 3)._requeue(environment, task.LIMIT)
    assert leaving.value.code == 1
    assert calls == [["scontrol", "requeue", "7"]] * 8
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert len((tmp_path / "requeues").read_text().splitlines()) == 1


@pytest.mark.parametrize("ends", [True, False])
def test_a_cancelled_job_is_waited_for(pauses, ends):
    states = [{"7": "RUNNING"}, {"7": "COMPLETING"}, {}]
    backend = SimpleNamespace(
        cancel=lambda handles: None, states=lambda handles: states.pop(0) if ends else {"7": "RUNNING"}
    )
    executor, handle = SimpleNamespace(_patience=60.0), SimpleNamespace(job_id="7")
    if ends:
        Executor._cancel_and_wait(executor, backend, handle, "a job")
        assert pauses == [1, 1]
    else:
        with pytest.raises(SchedulerError, match="a job, was cancelled but still runs"):
            Executor._cancel_and_wait(executor, backend, handle, "a job")
        assert sum(pauses) == CANCEL_SECONDS


def test_a_machine_without_slurm_is_named(tool, tmp_path):
    backend = SlurmBackend(tmp_path, ExecutorSettings())
    with pytest.raises(SchedulerError, match="is this a login node of a SLURM cluster"):
        backend.submit(Request("rule", "true", {}, 1, "snakemake abc"))
