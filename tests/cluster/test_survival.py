"""Trainings outlive what a cluster does to them, and what users do to Snakemake. A counting program stands for them."""

from __future__ import annotations

import signal
import subprocess

import pytest
from conftest import SUBMITIT, Run
from private_slurm import NODES, PrivateSlurm

STEPS = 40


def config(**values: object) -> tuple[str, ...]:
    """Command-line words that set values of the toy workflow."""
    return ("--config", *(f"{name}={value}" for name, value in values.items()))


def starts(toy: Run) -> list[tuple[str, int]]:
    """SLURM job and first state of each start of the counting program."""
    words = [line.split() for line in toy.lines("journal") if line.startswith("start")]
    return [(job, int(state)) for _, job, state in words]


def counted(toy: Run) -> list[int]:
    """The steps that were made, in order."""
    return [int(line.split()[1]) for line in toy.lines("journal") if line.startswith("step")]


def job_of(toy: Run) -> str:
    """The SLURM job of the counting program."""
    return starts(toy)[-1][0]


def until_counting(toy: Run, start: int = 1, steps: int = 3) -> None:
    """Wait until the program has started so often and then made some steps."""
    toy.until(lambda: len(starts(toy)) >= start, f"start {start}")
    before = len(counted(toy))
    toy.until(lambda: len(counted(toy)) >= before + steps, f"steps after start {start}")


def assert_one_job_did_it_all(toy: Run, slurm: PrivateSlurm, restarts: int, repeated: int = 0) -> None:
    """One submission, reported once as a success; each step made once but for those since the last save."""
    assert toy.log.count("(work) is SLURM job") == 1, toy.log
    assert toy.log.count("Error in rule") == 0, toy.log
    assert len({job for job, _ in starts(toy)}) == 1
    assert len(starts(toy)) == 1 + restarts
    made = counted(toy)
    assert sorted(set(made)) == list(range(1, STEPS + 1))
    assert len(made) <= STEPS + repeated
    assert toy.lines("work.txt")[0].startswith(f"{STEPS} ")
    assert not [row for row in slurm.queue() if row[1] == "work" and row[2] != "COMPLETING"]


def test_time_limit(toy, slurm):
    """SLURM's own signal before a limit of one minute, again and again."""
    steps = 100  # 50 s: more than fits between the start and the second signal
    toy.run(*SUBMITIT, *config(steps=steps, runtime=1), seconds=240)
    assert counted(toy) == list(range(1, steps + 1))  # nothing twice, nothing left out
    assert len(starts(toy)) >= 3
    assert len({job for job, _ in starts(toy)}) == 1
    assert toy.log.count("(work) is SLURM job") == 1
    assert "SIGUSR2" in (toy.folder / f".snakemake/submitit/{job_of(toy)}/requeues").read_text()
    ((state, restarts),) = slurm.jobs("State,Restarts", jobs=job_of(toy))
    assert (state, int(restarts)) == ("COMPLETED", len(starts(toy)) - 1)


@pytest.mark.parametrize("signals", ["USR2 TERM", "TERM"])
def test_preemption(toy, slurm, signals):
    toy.start(*SUBMITIT, *config(steps=STEPS, signals=f"'{signals}'"))
    until_counting(toy)
    command = "sbatch --partition=high --nodes=3 --exclusive --time=1 --output=/dev/null --wrap".split()
    assert slurm.says(*command, "sleep 3")
    assert toy.wait() == 0, toy.log
    assert_one_job_did_it_all(toy, slurm, restarts=1)


def test_requeue_by_hand(toy, slurm):
    toy.start(*SUBMITIT, *config(steps=STEPS))
    until_counting(toy)
    slurm.control("requeue", job_of(toy))
    assert toy.wait() == 0, toy.log
    assert_one_job_did_it_all(toy, slurm, restarts=1)


def test_node_down(toy, slurm):
    toy.start(*SUBMITIT, *config(steps=STEPS))
    until_counting(toy, steps=6)
    (node,) = slurm.says("squeue", "--noheader", f"--jobs={job_of(toy)}", "--format=%N").split()
    assert node in NODES
    slurm.crash_node(node)
    try:
        assert toy.wait() == 0, toy.log
    finally:
        slurm.resume_node(node)
    assert_one_job_did_it_all(toy, slurm, restarts=1, repeated=4)


def test_controller_restarted(toy, slurm):
    toy.start(*SUBMITIT, *config(steps=STEPS))
    until_counting(toy)
    slurm.stop_controller()
    until_counting(toy)
    slurm.start_controller()
    assert toy.wait() == 0, toy.log
    assert_one_job_did_it_all(toy, slurm, restarts=0)


def kill_main(toy: Run) -> None:
    """kill -9 of the main process, and then what its lock asks for."""
    toy.signal(signal.SIGKILL)
    assert toy.wait() == -signal.SIGKILL
    toy.run("snakemake", "--unlock")


def test_main_process_killed_and_started_again(toy, slurm):
    toy.start(*SUBMITIT, *config(steps=STEPS))
    until_counting(toy)
    kill_main(toy)
    toy.run(*SUBMITIT, *config(steps=STEPS))
    assert f"Re-attached to SLURM job {job_of(toy)}" in toy.log
    assert_one_job_did_it_all(toy, slurm, restarts=0)


def test_killed_during_a_requeue(toy, slurm):
    toy.start(*SUBMITIT, *config(steps=STEPS))
    until_counting(toy)
    slurm.control("requeue", job_of(toy))
    kill_main(toy)
    toy.run(*SUBMITIT, *config(steps=STEPS))
    assert_one_job_did_it_all(toy, slurm, restarts=1)


def test_a_job_whose_command_changed_is_not_taken(toy, slurm):
    toy.start(*SUBMITIT, *config(steps=1000))
    until_counting(toy)
    old = job_of(toy)
    kill_main(toy)
    toy.run(*SUBMITIT, *config(steps=STEPS))
    assert "runs another command: cancelled" in toy.log
    assert slurm.jobs("State", jobs=old)[0][0].startswith("CANCELLED")
    assert job_of(toy) != old
    assert counted(toy) == list(range(1, STEPS + 1))  # the new job went on from what the old one saved
    assert toy.lines("work.txt")[0].startswith(f"{STEPS} ")


def test_jobs_that_ended_while_snakemake_was_away(toy, slurm):
    words = (*SUBMITIT, "--keep-going", "work.txt", "silent", *config(steps=10, seconds=6))
    toy.start(*words)
    until_counting(toy)
    toy.until(lambda: toy.lines("silent.txt"), "the silent rule runs")
    kill_main(toy)
    toy.until(lambda: not slurm.queue(), "the jobs end")
    toy.run(*words)
    assert toy.lines("silent.txt") == ["once"]  # Snakemake cannot see that it was done; the record can
    assert "has ended well meanwhile" in toy.log
    assert len(starts(toy)) == 1
    assert counted(toy) == list(range(1, 11))


def test_a_failure_while_snakemake_was_away_is_told_and_tried_again(toy, slurm):
    toy.start(*SUBMITIT, *config(steps=STEPS))
    until_counting(toy)
    old = job_of(toy)
    kill_main(toy)
    assert slurm.says("scancel", old) == ""
    toy.until(lambda: not slurm.queue(), "the job ends")
    toy.run(*SUBMITIT, *config(steps=STEPS))
    assert f"SLURM job {old}" in toy.log
    assert "ended while Snakemake was away: it was cancelled" in toy.log
    assert job_of(toy) != old
    assert counted(toy) == list(range(1, STEPS + 1))


def test_ctrl_c_leaves_nothing_behind(toy, slurm):
    toy.start(*SUBMITIT, "work.txt", "silent", *config(steps=STEPS, seconds=300))
    until_counting(toy)
    toy.signal(signal.SIGINT)
    assert toy.wait() == 1, toy.log
    toy.until(lambda: not slurm.queue(), "every job is gone")
    assert len(starts(toy)) == 1
    toy.run(*SUBMITIT, *config(steps=STEPS))  # and it can go on
    assert counted(toy) == list(range(1, STEPS + 1))
    assert len({job for job, _ in starts(toy)}) == 2


def test_scheduler_out_of_reach_for_a_while(toy, slurm):
    outage = slurm.folder / "outage"
    toy.start(*SUBMITIT, *config(steps=10))
    until_counting(toy)
    outage.touch()
    try:
        toy.until(lambda: "The scheduler does not answer" in toy.log, "the outage is noticed")
        toy.until(lambda: "trying again" in toy.log, "a submission is tried again")  # of the rule after
    finally:
        outage.unlink()
    assert toy.wait() == 0, toy.log
    assert toy.log.count("(end) is SLURM job") == 1


def test_scheduler_out_of_reach_for_too_long(toy, slurm):
    outage = slurm.folder / "outage"
    toy.start(*SUBMITIT, "--submitit-patience", "0", *config(steps=STEPS))
    until_counting(toy)
    outage.touch()
    try:
        assert toy.wait() == 1
    finally:
        outage.unlink()
    assert "could not be reached for 0 minutes" in toy.log
    assert toy.log.count("Error in rule") == 0
    toy.run(*SUBMITIT, *config(steps=STEPS))
    assert_one_job_did_it_all(toy, slurm, restarts=0)


def test_a_program_that_knows_no_signal_is_not_run_twice(toy, slurm):
    toy.start(*SUBMITIT, "silent", *config(seconds=15))
    toy.until(lambda: toy.lines("silent.txt"), "the rule runs")
    ((job, *_),) = slurm.queue()
    subprocess.run([slurm.bin / "scancel", "--signal=USR2", job], check=True)
    assert toy.wait() == 0, toy.log
    assert toy.lines("silent.txt") == ["once"]
    log = next((toy.folder / f".snakemake/submitit/{job}").glob("*_log.out")).read_text()
    assert "no program here saves its state" in log
