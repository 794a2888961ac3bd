"""Snakemake jobs as SLURM jobs: what is asked for, what is reported, what happens to jobs that fail."""

from __future__ import annotations

import re
import time

from snakemake_run import SUBMITIT


def resources(text: str) -> dict[str, str]:
    """The fields of a list of resources, such as cpu=1,mem=2M."""
    return dict(part.split("=") for part in text.split(","))


def test_one_job_for_each_rule_with_what_it_asks_for(toy, slurm):
    said = toy.run(*SUBMITIT)
    assert toy.lines("end.txt") == ["3 gpus=0"]
    ids = dict(
        re.findall(
            r"job \d+ \((\w+)\) is SLURM job (\d+), log: \.snakemake/submitit/runs/\1\.\w+\.\w+/\2_0_log.out", said
        )
    )
    fields = "JobName,State,Partition,Account,Timelimit,ReqTRES"
    jobs = {row[0]: row for row in slurm.booked(fields, *ids.values())}
    assert set(jobs) == {"begin", "work", "end"} == set(ids)
    for name, memory in {"begin": "200M", "work": "300M", "end": "100M"}.items():
        _, state, partition, account, limit, asked = jobs[name]
        assert (state, partition, account, limit) == ("COMPLETED", "main", "science", "00:05:00")
        assert resources(asked)["mem"] == memory
        assert resources(asked)["cpu"] == ("2" if name == "work" else "1")
        assert resources(asked).get("gres/gpu") == ("1" if name == "work" else None)
    assert "Nice=7" in slurm.control("show", "job", ids["work"])


def test_one_question_about_all_jobs(begun, slurm):
    """The queue is asked once a round about everything; the accounts not at all while the queue lists the jobs."""
    before, began = len(slurm.calls()), time.monotonic()
    begun.run(*SUBMITIT, "work.txt", "silent", "--config", "seconds=6")
    seconds, calls = time.monotonic() - began, slurm.calls()[before:]
    assert [call for call in calls if call.startswith("squeue --user=")]
    assert not [call for call in calls if call.startswith("sacct") or "--jobs=" in call], calls
    rounds = [call for call in calls if call.startswith("squeue")]
    assert len(rounds) <= 5 + seconds, rounds  # a round a second, and a few questions before the first


def test_a_group_is_one_job(toy, slurm):
    said = toy.run(*SUBMITIT, "second.txt")
    assert toy.lines("second.txt") == ["first"]
    (job,) = re.findall(r"is SLURM job (\d+)", said)
    ((state, memory),) = slurm.booked("State,ReqMem", job)
    assert state == "COMPLETED"
    assert memory == "150M"  # one after the other: the greater of the two


def test_a_failure_shows_the_end_of_its_log_and_is_told_once(toy, slurm):
    assert toy.start(*SUBMITIT, "never.txt").wait() == 1
    assert "the reason" in toy.log
    assert "SLURM job" in toy.log
    assert toy.log.count("\nError in rule fail") == 1  # the nested one's words are indented


def test_a_cancelled_job_is_a_failure(begun, slurm):
    begun.start(*SUBMITIT, "silent", "--config", "seconds=300")
    begun.until(lambda: begun.lines("silent.txt"), "the job runs")
    ((job, *_),) = slurm.queue()
    assert slurm.says("scancel", job) == ""
    assert begun.wait() == 1
    assert f"SLURM job {job}: it was cancelled" in begun.log


def test_a_cancelled_job_gets_its_second_chance(begun, slurm):
    begun.start(*SUBMITIT, "silent", "--retries", "1", "--config", "seconds=5")
    begun.until(lambda: begun.lines("silent.txt"), "the job runs")
    ((job, *_),) = slurm.queue()
    assert slurm.says("scancel", job) == ""
    assert begun.wait() == 0, begun.log
    assert begun.log.count("(silent) is SLURM job") == 2


def test_a_refused_submission_says_why(toy, slurm):
    assert toy.start(*SUBMITIT, "begin.txt", "--default-resources", "slurm_partition=nowhere").wait() == 1
    assert "was not submitted" in toy.log
    assert "invalid partition specified: nowhere" in toy.log
    assert "Traceback" not in toy.log


def test_requeued_too_often(begun, slurm):
    begun.start(*SUBMITIT, "work.txt", "--submitit-max-requeues", "0", "--config", "steps=1000")
    begun.until(lambda: begun.lines("journal")[3:], "the job runs")
    ((job, *_),) = slurm.queue()
    assert slurm.says("scancel", "--signal=USR2", job) == ""
    assert begun.wait() == 1
    assert "requeued 0 times without coming to an end" in begun.log
    assert "--submitit-max-requeues" in begun.log


def test_the_official_executor_runs_the_same_workflow(begun, slurm):
    """The same Snakefile, word for word; it asks SLURM for the same."""
    words = ["slurm" if word == "submitit" else word for word in SUBMITIT]
    said = begun.run(*words, "work.txt", "--slurm-init-seconds-before-status-checks", "2", seconds=200)
    (job,) = set(re.findall(r"SLURM jobid (\d+)", said))
    ((asked,),) = slurm.booked("ReqTRES", job)
    assert (resources(asked)["cpu"], resources(asked)["mem"], resources(asked)["gres/gpu"]) == ("2", "300M", "1")
    assert begun.lines("work.txt") == ["3 gpus=0"]
