"""Random sequences of bad days on the simulated cluster: one job at a time for a work, none lost, none left behind.

Each sequence is a function of its seed. Every client may fail, hang, lag, lie or answer for another job; nodes are
lost, numbers begin again, Ctrl-C is pressed, and main processes are killed between any two lines of the executor.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated_slurm import FAULTS, Cluster
from submitit_trial import Trial, broken_promises

from snakemake_executor_plugin_submitit.clients import Account
from snakemake_executor_plugin_submitit.registry import Record
from snakemake_executor_plugin_submitit.runs import RunFolder
from snakemake_executor_plugin_submitit.works import Answers, Life

BLOCK = 400
MEMORY = Path("/dev/shm")  # records are synced to the disk, which would take most of the time


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """An empty folder in memory, where there is one."""
    if not MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.mark.parametrize("block", range(5))
def test_promises_hold_on_bad_days(block: int, place: Path) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        assert broken_promises(seed, place) == [], f"seed {seed}"


@pytest.mark.parametrize("fault", FAULTS)
def test_promises_hold_with_one_fault_nearly_always(fault: str, place: Path) -> None:
    for seed in range(20):
        assert broken_promises(seed, place, faults=[fault], rate=0.9) == [], f"seed {seed}"


def simple(place: Path, faults: list[str], rate: float = 1.0, ends: tuple[str, ...] = ("success",)) -> Trial:
    """One work on a cluster with some faults, without other events."""
    trial = Trial(0, place, faults=faults, rate=rate, kills=False)
    (key, *others) = list(trial.wanted)
    for other in others:
        del trial.wanted[other]
    trial.plans[key] = list(ends)
    return trial


def sbatches(cluster: Cluster) -> int:
    return sum(call.startswith("sbatch") for call in cluster.calls)


@pytest.mark.parametrize("fault", ["sbatch accepts and says it failed", "sbatch accepts and hangs"])
def test_a_job_that_was_accepted_is_found_by_its_comment_and_not_submitted_again(fault: str, place: Path) -> None:
    trial = simple(place, [fault])
    for _ in range(60):
        trial.round(5)
    assert not trial.wanted
    assert sbatches(trial.cluster) == 1
    assert trial.cluster.wrong == []


def test_a_limit_on_submitted_jobs_means_waiting(place: Path) -> None:
    trial = simple(place, ["sbatch has no slot"])
    for _ in range(30):
        trial.round(20)
    assert trial.wanted
    assert trial.cluster.jobs == []
    assert sbatches(trial.cluster) > 5
    trial.cluster.heal()
    for _ in range(30):
        trial.round(20)
    assert not trial.wanted
    assert [end.success for ends in trial.ends.values() for end in ends] == [True]


def test_while_nobody_answers_nothing_is_submitted_and_no_record_is_dropped(place: Path) -> None:
    trial = simple(place, ["sbatch accepts later and says it failed", "squeue fails", "sacct fails"])
    trial.cluster.draw.seed(3)
    for _ in range(40):
        trial.round(20)
    assert sbatches(trial.cluster) == 1
    assert len(list((place / "jobs").glob("*.json"))) <= 1
    trial.cluster.heal()
    for _ in range(40):
        trial.round(20)
    assert sbatches(trial.cluster) == 1
    assert not trial.wanted


def test_one_oracle_is_enough(place: Path) -> None:
    for fault in ("sacct fails", "squeue fails"):
        trial = simple(place / fault.replace(" ", "_"), [fault])
        for _ in range(30):
            trial.round(10)
        assert not trial.wanted, fault
        assert sbatches(trial.cluster) == 1


def test_a_number_that_belongs_to_another_job_is_not_cancelled(place: Path) -> None:
    trial = simple(place, [])
    trial.round(5)
    trial.cluster.begin_numbers_again()
    for _ in range(4):
        trial.cluster.foreign()
    trial.main.cancel(seconds=20, pause=trial.cluster.advance)
    assert [job.state for job in trial.cluster.jobs if not job.folder].count("CANCELLED") == 0
    assert trial.cluster.wrong == []


@pytest.mark.parametrize(("source", "counts"), [("sbatch /runs/rule.k.r/submission.sh", True), ("sbatch x.sh", False)])
def test_what_the_accounts_say_of_another_job_does_not_count(place: Path, source: str, counts: bool) -> None:
    trial = simple(place, [])
    observer = trial.main.observer
    life = Life(trial.work("k"), Record("rule", "digest", "rule.k.r", job_id="7"))
    answers = Answers(0.0, [], {"7": Account("CANCELLED", source)})
    seen = observer.evidence(life, RunFolder(place / "rule.k.r"), answers)
    assert (seen.account is not None) == counts


def test_the_queue_is_asked_and_the_accounts_only_about_what_it_does_not_list(place: Path) -> None:
    trial = simple(place, [])
    trial.round(0)
    trial.round(0)
    (life,) = trial.main.lives.values()
    answers = trial.main.observer.ask([life])
    assert [str(entry.job_id) for entry in answers.queue or ()] == ["1"]
    assert answers.accounts is None
    trial.cluster.jobs[0].visible = 1e9
    answers = trial.main.observer.ask([life])
    assert answers.queue == []
    assert answers.accounts == {}


def test_a_site_that_does_not_requeue_gets_a_new_job_and_no_failure(place: Path) -> None:
    trial = simple(place, [], ends=("again", "again", "success"))
    for _ in range(80):
        trial.round(10)
    assert sbatches(trial.cluster) == 3
    assert [end.success for ends in trial.ends.values() for end in ends] == [True]


def test_a_refusal_is_reported_at_once_and_leaves_nothing(place: Path) -> None:
    trial = simple(place, ["sbatch accepts and refuses"])
    for _ in range(4):
        trial.round(5)
    (end, *_) = next(iter(trial.ends.values()))
    assert not end.success
    assert "Invalid account" in end.message


def test_the_check_can_fail(place: Path) -> None:
    """Two jobs that work for one thing are seen."""
    trial = simple(place, [])
    trial.round(5)
    (job,) = trial.cluster.jobs
    job.working = True
    job.loose = [(1, 1e9)]
    trial.cluster._assert_one_at_a_time()
    assert "2 jobs work for" in trial.cluster.wrong[0]
