"""What SLURM's tools say, told by stand-ins: with and without accounts, about jobs that come back, out of reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from snakemake_executor_plugin_submitit.backend import Request, SlurmBackend
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


def test_patience_is_for_what_may_pass(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
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


def test_a_machine_without_slurm_is_told(tool, tmp_path):
    backend = SlurmBackend(tmp_path, ExecutorSettings())
    with pytest.raises(SchedulerError, match="is this a login node of a SLURM cluster"):
        backend.submit(Request("rule", "true", {}, 1, "snakemake abc"))
