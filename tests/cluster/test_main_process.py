"""Jobs outlive Snakemake: killed, interrupted, cut off from the scheduler; none is lost and none submitted twice."""

from __future__ import annotations

import re
import signal

from counting import STEPS, WORK, assert_one_job_did_it_all, config, counted, job_of, starts, until_counting
from snakemake_run import SUBMITIT, Run


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
    hold = begun.folder / "hold"
    hold.touch()
    old = job_of(begun)
    kill_main(begun)
    begun.start(*WORK, *config(steps=STEPS))
    begun.until(lambda: len(starts(begun)) == 2, "the new job starts")
    hold.unlink()
    assert begun.wait() == 0, begun.log
    assert "runs another command: it is replaced" in begun.log
    assert slurm.booked("State", old)[0][0].startswith("CANCELLED")
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
    (begun.folder / "hold").touch()
    kill_main(begun)
    assert slurm.says("scancel", old) == ""
    begun.until(lambda: not slurm.queue(), "the job ends")
    (begun.folder / "hold").unlink()
    begun.run(*WORK, *config(steps=STEPS))
    assert f"SLURM job {old}" in begun.log
    assert "ended while Snakemake was away: CANCELLED" in begun.log
    assert job_of(begun) != old
    assert counted(begun) == list(range(1, STEPS + 1))


def test_ctrl_c_leaves_nothing_behind(begun, slurm):
    begun.start(*WORK, "silent", *config(steps=STEPS, seconds=300))
    until_counting(begun)
    begun.signal(signal.SIGINT)
    assert begun.wait() == 1, begun.log
    slurm.until_idle()
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
        begun.until(lambda: "asking again" in begun.log, "the outage is noticed")
        begun.until(
            lambda: "looked up before trying again" in begun.log, "a submission is tried again"
        )  # of the rule after
    finally:
        outage.unlink()
    assert begun.wait() == 0, begun.log
    assert begun.log.count("(end) is SLURM job") == 1


def test_scheduler_out_of_reach_for_too_long(begun, slurm):
    outage = slurm.folder / "outage"
    begun.start(*WORK, "--submitit-patience", "0.2", *config(steps=STEPS))
    until_counting(begun)
    assert begun.running
    (begun.folder / "hold").touch()  # it is not to end meanwhile
    outage.touch()
    try:
        assert begun.wait() == 1
    finally:
        outage.unlink()
        (begun.folder / "hold").unlink()
    assert re.search(r"could not be reached for [\d.]+ minutes \(--submitit-patience 0\.2\)", begun.log)
    assert begun.log.count("Error in rule") == 0
    begun.run(*WORK, *config(steps=STEPS))
    assert_one_job_did_it_all(begun, slurm, restarts=0)
