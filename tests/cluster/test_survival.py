"""Trainings outlive what a cluster does to them."""

from __future__ import annotations

import subprocess

import pytest
from counting import STEPS, WORK, assert_one_job_did_it_all, config, counted, job_of, run_folder, starts, until_counting
from private_slurm import NODES
from snakemake_run import SUBMITIT


def test_time_limit(begun, slurm):
    """SLURM's own signal before a limit of one minute, again and again."""
    steps = 200  # 50 s: more than fits between the start and the second signal
    begun.run(*WORK, *config(steps=steps, runtime=1), seconds=480)
    assert counted(begun) == list(range(1, steps + 1))  # nothing twice, nothing left out
    assert len(starts(begun)) >= 3
    assert len({job for job, _ in starts(begun)}) == 1
    assert begun.log.count("(work) is SLURM job") == 1
    assert "SIGUSR2" in (run_folder(begun, job_of(begun)) / "requeues").read_text()
    assert f"Restarts={len(starts(begun)) - 1} " in slurm.control("show", "job", job_of(begun))
    assert slurm.booked("State", job_of(begun)) == [["COMPLETED"]]


@pytest.mark.parametrize("signals", ["USR2 TERM", "TERM"])
def test_preemption(begun, slurm, signals):
    begun.start(*WORK, *config(steps=STEPS, signals=f"'{signals}'"))
    until_counting(begun)
    command = "sbatch --partition=high --nodes=3 --exclusive --time=1 --output=/dev/null --wrap".split()
    assert slurm.says(*command, "sleep 3")
    assert begun.wait() == 0, begun.log
    assert_one_job_did_it_all(begun, slurm, restarts=1)


def test_requeue_by_hand(begun, slurm):
    begun.start(*WORK, *config(steps=STEPS))
    until_counting(begun)
    slurm.control("requeue", job_of(begun))
    assert begun.wait() == 0, begun.log
    assert_one_job_did_it_all(begun, slurm, restarts=1)


def test_node_down(begun, slurm):
    begun.start(*WORK, *config(steps=STEPS))
    until_counting(begun, steps=6)
    (node,) = slurm.says("squeue", "--noheader", f"--jobs={job_of(begun)}", "--format=%N").split()
    assert node in NODES
    slurm.crash_node(node)
    try:
        assert begun.wait() == 0, begun.log
    finally:
        slurm.resume_node(node)
    assert_one_job_did_it_all(begun, slurm, restarts=1, repeated=4)


def test_controller_restarted(begun, slurm):
    begun.start(*WORK, *config(steps=STEPS))
    until_counting(begun)
    slurm.stop_controller()
    until_counting(begun)
    slurm.start_controller()
    assert begun.wait() == 0, begun.log
    assert_one_job_did_it_all(begun, slurm, restarts=0)


def test_a_signal_that_comes_too_early_is_told_later(begun, slurm):
    """A training takes a while until it listens; it must not miss what SLURM says only once."""
    (begun.folder / "asleep").touch()
    begun.start(*WORK, *config(steps=STEPS))
    begun.until(lambda: (begun.folder / "snores").exists(), "the program starts")
    ((job, *_),) = slurm.queue()
    assert slurm.says("scancel", "--signal=USR2", job) == ""
    log = run_folder(begun, job) / f"{job}_0_log.out"
    begun.until(lambda: "\nSIGUSR2" in log.read_text(), "the signal arrives")
    (begun.folder / "asleep").unlink()
    assert begun.wait() == 0, begun.log
    assert_one_job_did_it_all(begun, slurm, restarts=1)


def test_a_program_that_knows_no_signal_is_not_run_twice(begun, slurm):
    begun.start(*SUBMITIT, "silent", *config(seconds=15))
    begun.until(lambda: begun.lines("silent.txt"), "the rule runs")
    ((job, *_),) = slurm.queue()
    subprocess.run([slurm.bin / "scancel", "--signal=USR2", job], check=True)
    assert begun.wait() == 0, begun.log
    assert begun.lines("silent.txt") == ["once"]
