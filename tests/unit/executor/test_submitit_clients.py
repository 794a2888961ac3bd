"""SLURM's clients, replaced by stand-ins: time-outs, what errors mean, whose job an answer is about."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_submitit import processes, task
from snakemake_executor_plugin_submitit.clients import Account, Entry, Kind, Slurm, SlurmError, run_client
from snakemake_executor_plugin_submitit.environment import conflicts, leave_the_job, without_filters


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Make a stand-in that says something and notes its calls; nothing else is on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name: str, says: str, fails: bool = False, before: str = "") -> Path:
        calls = tmp_path / f"{name}.calls"
        stream = ">&2" if fails else ""
        program = tmp_path / name
        lines = f"#!/bin/sh\necho \"$*\" >> {calls}\n{before}\n/bin/echo '{says}' {stream}\nexit {int(fails)}\n"
        program.write_text(lines)
        program.chmod(0o755)
        return calls

    return make


def test_a_client_that_hangs_is_ended_with_all_that_it_started(tool, tmp_path):
    tool("squeue", "late", before=f"(/bin/sleep 60; echo late > {tmp_path}/late) &\n/bin/sleep 60")
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run_client(["squeue"], 0.3)
    assert time.monotonic() - began < 10
    assert not (tmp_path / "late").exists()


def test_a_time_out_says_nothing_about_the_job():
    def hang(command, seconds, without):
        raise subprocess.TimeoutExpired(command, seconds)

    with pytest.raises(SlurmError, match="no answer in 60 s") as error:
        Slurm("me", run=hang).submit(Path("script"))
    assert error.value.kind is Kind.PASSING


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", Kind.PASSING),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", Kind.PASSING),
        ("sbatch: error: Batch job submission failed: Unexpected message received", Kind.PASSING),
        ("sacct: error: slurm_persist_conn_open: Connection refused", Kind.PASSING),
        ("sbatch: error: Munge encode failed: Failed to access socket", Kind.PASSING),
        ("sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates "
         "accounting/QOS policy (job submit limit, user's size and/or time limits)", Kind.BUSY),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit", Kind.BUSY),
        ("sbatch: error: QOSMinGRES\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
         "(job submit limit, user's size and/or time limits)", Kind.FINAL),
        ("sbatch: error: invalid partition specified: nowhere", Kind.FINAL),
        ("scancel: error: Access/permission denied", Kind.FINAL),
        ("", Kind.PASSING),
    ],
)  # fmt: skip
def test_what_an_error_means(message, kind):
    def fail(command, seconds, without):
        raise subprocess.CalledProcessError(1, command, "", message)

    with pytest.raises(SlurmError) as error:
        Slurm("me", run=fail).queue()
    assert error.value.kind is kind


def test_a_site_adds_its_own_messages():
    def fail(command, seconds, without):
        raise subprocess.CalledProcessError(1, command, "", "plugin xyz: come back tomorrow")

    for also, kind in (("", Kind.FINAL), ("come back|other", Kind.PASSING)):
        with pytest.raises(SlurmError) as error:
            Slurm("me", also, fail).queue()
        assert error.value.kind is kind


def test_a_line_of_the_queue_and_of_the_accounts(tool):
    tool("squeue", "7|PENDING|PartitionTimeLimit|snakemake abc 01")
    assert Slurm("me").queue() == [Entry("7", "PENDING", "PartitionTimeLimit", "snakemake abc 01")]
    tool("squeue", "7|PEND")
    with pytest.raises(SlurmError, match="without four fields"):
        Slurm("me").queue()
    calls = tool("sacct", "7|CANCELLED by 1000|sbatch --parsable /runs/r.1.2/submission.sh")
    answer = Slurm("me").accounts(["7", "8"])
    assert answer == {"7": Account("CANCELLED", "sbatch --parsable /runs/r.1.2/submission.sh")}
    assert "--jobs=7,8" in calls.read_text()


def test_accounts_that_are_too_old_or_missing(tool, tmp_path):
    program = tmp_path / "sacct"
    program.write_text(
        '#!/bin/sh\ncase "$*" in *SubmitLine*) echo "sacct: error: Invalid field requested: SubmitLine" >&2; exit 1;; '
        "*) echo '7|RUNNING|train';; esac\n"
    )
    program.chmod(0o755)
    assert Slurm("me").accounts(["7"]) == {"7": Account("RUNNING", "train")}
    calls = tool("sacct", "Slurm accounting storage is disabled", fails=True)
    slurm = Slurm("me")
    assert [slurm.accounts(["7"]), slurm.accounts(["7"])] == [{}, {}]
    assert len(calls.read_text().splitlines()) == 1  # and not asked again


@pytest.mark.parametrize("text", ["nonsense", "", "Submitted batch job 12"])
def test_only_a_number_is_a_number(text):
    with pytest.raises(SlurmError, match="instead of a number"):
        Slurm("me", run=lambda command, seconds, without: text).submit(Path("script"))
    assert Slurm("me", run=lambda *call: "a banner of the site\n12;north\n").submit(Path("script")) == "12"


def test_a_machine_without_slurm_is_named(tool):
    with pytest.raises(SlurmError, match="is this a login node of a SLURM cluster"):
        Slurm("me").queue()


def test_the_users_filters_do_not_reach_the_clients():
    kept = without_filters(
        {"SQUEUE_PARTITION": "x", "SACCT_FORMAT": "y", "SLURM_CLUSTERS": "z", "SLURM_CONF": "c", "A": "b"}
    )
    assert kept == {"SLURM_CONF": "c", "A": "b"}


def test_what_of_the_users_sbatch_variables_may_win():
    mine = {
        "SBATCH_PARTITION": "short", "SBATCH_TIMELIMIT": "1", "SBATCH_MEM_PER_NODE": "300", "SBATCH_NO_REQUEUE": "1",
        "SBATCH_EXPORT": "NONE", "SBATCH_ACCOUNT": "lab", "SBATCH_QOS": "long", "HOME": "/", "SBATCH_CLUSTERS": "south",
        "SBATCH_MEM_PER_CPU": "4",
    }  # fmt: skip
    left_out, in_force = conflicts(mine, {"partition", "time", "mem", "requeue"})
    assert in_force == ["SBATCH_ACCOUNT", "SBATCH_QOS"]  # no resource sets them
    assert set(left_out) == set(mine) - {"HOME", *in_force}


def test_inside_a_job_its_variables_are_forgotten(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "100")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    assert set(leave_the_job()) >= {"SLURM_JOB_ID", "SLURM_MEM_PER_NODE"}
    assert leave_the_job() == []


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """A clock that jumps instead of waiting; the pauses are collected."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    return waited


@pytest.mark.parametrize(
    ("answers", "requeued", "calls"),
    [
        ([(1, "Unable to contact slurm controller")] * 7 + [(0, "")], True, 8),
        ([(1, "Requested operation is presently disabled for job 7")], False, 1),
        ([(1, "Access/permission denied")], False, 1),
    ],
)
def test_a_requeue_is_asked_for_until_slurm_accepts_or_refuses_it(pauses, monkeypatch, answers, requeued, calls):
    asked = []

    def run(command, **how):
        asked.append(command)
        code, message = answers[len(asked) - 1]
        return SimpleNamespace(returncode=code, stderr=message, stdout="")

    monkeypatch.setattr(subprocess, "run", run)
    assert task._requeue("7") is requeued
    assert asked == [["scontrol", "requeue", "7"]] * calls
    assert pauses == [1, 2, 4, 8, 16, 30, 30][: calls - 1]


@pytest.mark.parametrize(
    ("queue", "control", "goes_on", "waits"),
    [
        (["RUNNING"], [], True, 0),  # preempted, in its grace time
        (["COMPLETING"], [], False, 0),  # cancelled, or requeued by SLURM
        ([""], ["JobId=7 JobState=CANCELLED Reason=None"], False, 0),
        (["", "", "COMPLETING"], ["", ""], False, 2),
        ([""] * 61, [""] * 61, True, 60),  # nobody says, and SLURM would have ended it
    ],
)
def test_a_job_that_got_sigterm_is_not_requeued_before_slurm_says_that_it_runs(
    pauses, monkeypatch, queue, control, goes_on, waits
):
    answers = {"squeue": iter(queue), "scontrol": iter(control)}
    monkeypatch.setattr(
        subprocess, "run", lambda command, **how: SimpleNamespace(stdout=next(answers[command[0]]) + "\n")
    )
    monkeypatch.setattr(time, "monotonic", lambda: sum(pauses))
    assert processes.runs_on("7", 120.0) is goes_on
    assert len(pauses) == waits
    assert [*answers["squeue"], *answers["scontrol"]] == []
