"""A run's folder: who may work, signs of life, ends; and records that cannot be read."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_submitit import processes, task
from snakemake_executor_plugin_submitit.keeper import Keeper
from snakemake_executor_plugin_submitit.registry import DamagedRecord, Record, Registry, title_of
from snakemake_executor_plugin_submitit.runs import RunFolder, sweep
from snakemake_executor_plugin_submitit.task import JobFailed, SnakemakeTask, _Heart
from snakemake_executor_plugin_submitit.works import Work


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run that may be claimed."""
    folder = RunFolder(tmp_path / "rule.k.r")
    folder.path.mkdir()
    folder.open()
    return folder


def test_one_job_claims_a_run_and_a_second_one_does_nothing(run: RunFolder) -> None:
    assert run.claim("7") == (1, False)
    assert run.claim("8") is None
    assert run.holds("7", 1)
    assert run.begun() == "7"


def test_a_requeued_job_takes_the_claim_of_its_earlier_start(run: RunFolder) -> None:
    """One that did not leave in good order may work on, where SLURM has lost its node: it sees that it may not."""
    run.claim("7")
    assert run.claim("7") == (2, True)
    assert not run.holds("7", 1)
    run.leave()
    assert run.claim("7") == (3, False)


def test_a_job_that_comes_after_the_end_of_its_right_does_nothing(run: RunFolder) -> None:
    assert run.revoke() is None
    assert run.claim("7") is None
    assert run.begun() is None


def test_a_run_whose_files_are_gone_can_be_ended(run: RunFolder) -> None:
    """Someone has removed the folder: the main process must not wait for it for ever."""
    shutil.rmtree(run.path.parent)
    assert run.revoke() is None
    assert run.revoked
    assert run.claim("7") is None


def test_another_main_process_still_learns_how_a_run_has_ended(run: RunFolder) -> None:
    """Two of them follow the same job, where the first one takes its time to die; the first tidies up."""
    run.claim("7")
    (run.path / "7_0_result.pkl").write_bytes(pickle.dumps(("success", None)))
    (run.path / "7_0_log.out").touch()
    run.tidy()
    assert sorted(path.name for path in run.path.iterdir()) == ["7_0_log.out", "7_0_result.pkl"]
    outcome = run.outcome()
    assert outcome
    assert outcome.success


def test_a_job_that_works_sees_that_its_right_is_over(run: RunFolder) -> None:
    run.claim("7")
    heart = _Heart(run, "7", 1, 60.0)
    assert heart.may_work()
    assert run.revoke() == "7"
    assert not heart.may_work()
    assert run.claim("7") is None
    heart.stop()


def test_a_folder_that_takes_nothing_more_ends_no_program(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    run.claim("7")
    (run.path / "beat").unlink()
    (run.path / "beat").mkdir()  # as a full disk, root too is refused
    heart = _Heart(run, "7", 1, 60.0)
    assert heart.may_work()
    assert "no sign of life could be left: [Errno 21]" in capsys.readouterr().out
    heart.stop()


@pytest.fixture
def requeued(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Jobs of SLURM that are put back into the queue; signals are handled as before afterwards."""
    jobs: list[str] = []
    monkeypatch.setattr(task, "_requeue", lambda job: not jobs.append(job))
    monkeypatch.setattr(processes, "adopt_orphans", lambda: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR2, signal.SIGTERM)}
    yield jobs
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("code", [75, 1])
def test_a_program_that_stops_at_a_deadline_of_its_own_goes_on(
    run: RunFolder, requeued: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A long step and a large state need more time than the signal leaves, so a training stops before it comes."""
    run.claim("7")
    work = SnakemakeTask(f"echo 'Command x returned non-zero exit status {code}.'; exit 1", max_requeues=1)
    job = SimpleNamespace(cluster="slurm", job_id="7")
    if code != 75:
        with pytest.raises(JobFailed, match="exit code 1"):
            work._work(job, run, 1)  # type: ignore[arg-type]
        assert not requeued
        return
    with pytest.raises(SystemExit):
        work._work(job, run, 1)  # type: ignore[arg-type]
    assert requeued == ["7"]
    assert "requeue 1" in capsys.readouterr().out
    with pytest.raises(JobFailed, match="requeued 1 times"):
        work._work(job, run, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "success"), [(pickle.dumps(("success", 1)), True), (b"\x80\x05", None), (b"", None)]
)
def test_an_end_that_is_half_written_is_none(run: RunFolder, content: bytes, success: bool | None) -> None:
    (run.path / "7_0_result.pkl").write_bytes(content)
    outcome = run.outcome()
    assert (outcome and outcome.success) == success


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "rule"}', '{"strange": 1}'])
def test_a_damaged_record_is_named_and_nothing_is_submitted(tmp_path: Path, content: str) -> None:
    registry = Registry(tmp_path / "jobs")
    (tmp_path / "jobs/k.json").write_text(content)
    with pytest.raises(DamagedRecord, match=r"jobs/k.json: the record of a job cannot be read.*squeue --me"):
        registry.read("k")
    keeper = Keeper(tmp_path, slurm=None)  # type: ignore[arg-type]
    with pytest.raises(DamagedRecord):
        keeper.take(Work("k", "rule", "digest", lambda *about: []))
    assert keeper.lives == {}
    assert registry.runs() == []


def test_what_stays_on_disk_is_bounded(tmp_path: Path) -> None:
    """Old runs go, and the oldest beyond a number; one that a record needs stays."""
    now = time.time()
    for age in range(6):
        (tmp_path / f"r{age}").mkdir()
        os.utime(tmp_path / f"r{age}", (now - 86400 * age, now - 86400 * age))
    assert sweep(tmp_path, ["r5"], now, days=3.5, most=2) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r0", "r1", "r5"]
    registry = Registry(tmp_path / "jobs")
    registry.write("k", Record("rule", "digest", "r5"))
    assert registry.runs() == ["r5"]


@pytest.mark.parametrize(
    ("wildcards", "title"),
    [
        ([], "train"),
        (["vision", "0001"], "train.vision.0001"),
        (["a b/$(rm)", "ü\n"], "train.a_b___rm_.__"),
        (["x" * 200], "train." + "x" * 40),
    ],
)
def test_a_job_is_called_by_its_rule_and_wildcards(wildcards: list[str], title: str) -> None:
    job = SimpleNamespace(is_group=lambda: False, rule=SimpleNamespace(name="train"), wildcards=wildcards)
    assert title_of(job) == title
    assert title_of(SimpleNamespace(is_group=lambda: True, name="my group_a_b")) == "my_group_a_b"
