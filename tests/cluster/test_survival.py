"""Trainings outlive what a cluster does to them, and what users do to Snakemake. A counting program stands for them."""

from __future__ import annotations

import signal
import subprocess

import pytest
from private_slurm import NODES, PrivateSlurm
from snakemake_run import SUBMITIT, Run

STEPS = 28
# The rules around the counting one have tests of their own.
WORK = (*SUBMITIT, "work.txt")


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


def test_time_limit(begun, slurm):
    """SLURM's own signal before a limit of one minute, again and again."""
    steps = 200  # 50 s: more than fits between the start and the second signal
    begun.run(*WORK, *config(steps=steps, runtime=1), seconds=240)
    assert counted(begun) == list(range(1, steps + 1))  # nothing twice, nothing left out
    assert len(starts(begun)) >= 3
    assert len({job for job, _ in starts(begun)}) == 1
    assert begun.log.count("(work) is SLURM job") == 1
    assert "SIGUSR2" in (begun.folder / f".snakemake/submitit/{job_of(begun)}/requeues").read_text()
    assert f"Restarts={len(starts(begun)) - 1} " in slurm.control("show", "job", job_of(begun))
    assert slurm.jobs("State", jobs=job_of(begun)) == [["COMPLETED"]]


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


def kill_main(toy: Run) -> None:
    """kill -9 of the main process, and then what its lock asks for."""
    toy.signal(signal.SIGKILL)
    assert toy.wait() == -signal.SIGKILL
    toy.run("snakemake", "--unlock")


def test_main_process_killed_and_started_again(begun, slurm):
    begun.start(*WORK, *config(steps=STEPS))
    until_counting(begun)
    hold = begun.folder / "hold"
    hold.touch()
    kill_main(begun)
    begun.start(*WORK, *config(steps=STEPS))
    begun.until(lambda: f"Re-attached to SLURM job {job_of(begun)}" in begun.log, "the job is found")
    hold.unlink()
    assert begun.wait() == 0, begun.log
    assert_one_job_did_it_all(begun, slurm, restarts=0)


def test_killed_during_a_requeue(begun, slurm):
    begun.start(*WORK, *config(steps=STEPS))
    until_counting(begun)
    slurm.control("requeue", job_of(begun))
    kill_main(begun)
    begun.run(*WORK, *config(steps=STEPS))
    assert_one_job_did_it_all(begun, slurm, restarts=1)


def test_a_job_whose_command_changed_is_not_taken(begun, slurm):
    begun.start(*WORK, *config(steps=1000))
    until_counting(begun)
    old = job_of(begun)
    kill_main(begun)
    begun.run(*WORK, *config(steps=STEPS))
    assert "runs another command: cancelled" in begun.log
    assert slurm.jobs("State", jobs=old)[0][0].startswith("CANCELLED")
    assert job_of(begun) != old
    assert counted(begun) == list(range(1, STEPS + 1))  # the new job went on from what the old one saved
    assert begun.lines("work.txt")[0].startswith(f"{STEPS} ")


def test_jobs_that_ended_while_snakemake_was_away(begun, slurm):
    words = (*WORK, "silent", "--keep-going", *config(steps=10, seconds=6))
    begun.start(*words)
    until_counting(begun)
    begun.until(lambda: begun.lines("silent.txt"), "the silent rule runs")
    kill_main(begun)
    begun.until(lambda: not slurm.queue(), "the jobs end")
    begun.run(*words)
    assert begun.lines("silent.txt") == ["once"]  # Snakemake cannot see that it was done; the record can
    assert "has ended well meanwhile" in begun.log
    assert len(starts(begun)) == 1
    assert counted(begun) == list(range(1, 11))


def test_a_failure_while_snakemake_was_away_is_told_and_tried_again(begun, slurm):
    begun.start(*WORK, *config(steps=STEPS))
    until_counting(begun)
    old = job_of(begun)
    kill_main(begun)
    assert slurm.says("scancel", old) == ""
    begun.until(lambda: not slurm.queue(), "the job ends")
    begun.run(*WORK, *config(steps=STEPS))
    assert f"SLURM job {old}" in begun.log
    assert "ended while Snakemake was away: it was cancelled" in begun.log
    assert job_of(begun) != old
    assert counted(begun) == list(range(1, STEPS + 1))


def test_ctrl_c_leaves_nothing_behind(begun, slurm):
    begun.start(*WORK, "silent", *config(steps=STEPS, seconds=300))
    until_counting(begun)
    begun.signal(signal.SIGINT)
    assert begun.wait() == 1, begun.log
    begun.until(lambda: not slurm.queue(), "every job is gone")
    assert len(starts(begun)) == 1
    begun.run(*WORK, *config(steps=STEPS))  # and it can go on
    assert counted(begun) == list(range(1, STEPS + 1))
    assert len({job for job, _ in starts(begun)}) == 2


def test_scheduler_out_of_reach_for_a_while(begun, slurm):
    outage = slurm.folder / "outage"
    begun.start(*SUBMITIT, *config(steps=STEPS))
    until_counting(begun)
    outage.touch()
    try:
        begun.until(lambda: "The scheduler does not answer" in begun.log, "the outage is noticed")
        begun.until(lambda: "trying again" in begun.log, "a submission is tried again")  # of the rule after
    finally:
        outage.unlink()
    assert begun.wait() == 0, begun.log
    assert begun.log.count("(end) is SLURM job") == 1


def test_scheduler_out_of_reach_for_too_long(begun, slurm):
    outage = slurm.folder / "outage"
    begun.start(*WORK, "--submitit-patience", "0", *config(steps=STEPS))
    until_counting(begun)
    outage.touch()
    try:
        assert begun.wait() == 1
    finally:
        outage.unlink()
    assert "could not be reached for 0 minutes" in begun.log
    assert begun.log.count("Error in rule") == 0
    begun.run(*WORK, *config(steps=STEPS))
    assert_one_job_did_it_all(begun, slurm, restarts=0)


def test_a_program_that_knows_no_signal_is_not_run_twice(begun, slurm):
    begun.start(*SUBMITIT, "silent", *config(seconds=15))
    begun.until(lambda: begun.lines("silent.txt"), "the rule runs")
    ((job, *_),) = slurm.queue()
    subprocess.run([slurm.bin / "scancel", "--signal=USR2", job], check=True)
    assert begun.wait() == 0, begun.log
    assert begun.lines("silent.txt") == ["once"]
