"""Faults of tests/cluster/test_faults.py's kinds that take longer to bring about: `pytest --slow`, as root."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from counting import STEPS, WORK, assert_one_job_did_it_all, config, counted, job_of, starts, until_counting, usr2
from private_slurm import PrivateSlurm
from snakemake_run import SUBMITIT, Run

pytestmark = pytest.mark.slow


def test_the_main_process_dies_between_sbatch_and_its_answer(begun: Run, slurm: PrivateSlurm, hook) -> None:
    hook("sbatch", '$PROGRAM "$@" > /dev/null; kill -9 $PPID; exit 1')
    hold = begun.folder / "hold"
    hold.touch()
    begun.start(*WORK, *config(steps=STEPS))
    assert begun.wait() == -signal.SIGKILL
    hook("sbatch", "").unlink()
    begun.run("snakemake", "--unlock")
    begun.start(*WORK, *config(steps=STEPS))
    begun.until(lambda: "Re-attached to SLURM job" in begun.log, "the job is found")
    hold.unlink()
    assert begun.wait() == 0, begun.log
    assert len(starts(begun)) == 1
    assert counted(begun) == list(range(1, STEPS + 1))


def test_a_cluster_that_forbids_requeueing(begun: Run, slurm: PrivateSlurm, hook) -> None:
    """In SLURM's own words, which no patience changes: the job leaves its GPU at once."""
    words = "Requested operation is presently disabled for job"
    hook("scontrol", f'if [ "$1" = requeue ]; then echo "scontrol: error: {words} $2" >&2; exit 1; fi')
    begun.start(*WORK, *config(steps=STEPS))
    until_counting(begun)
    usr2(slurm, job_of(begun))
    assert begun.wait() == 0, begun.log
    assert len({job for job, _ in starts(begun)}) == 2
    assert counted(begun) == list(range(1, STEPS + 1))
    assert begun.log.count("Error in rule") == 0


def test_a_job_that_is_requeued_and_held_is_named(begun: Run, slurm: PrivateSlurm) -> None:
    begun.start(*WORK, *config(steps=STEPS))
    until_counting(begun)
    job = job_of(begun)
    slurm.control("requeuehold", job)
    begun.until(lambda: f"`scontrol release {job}`" in begun.log, "it is said that the job is held")
    slurm.control("release", job)
    assert begun.wait() == 0, begun.log
    assert_one_job_did_it_all(begun, slurm, restarts=1)


def test_a_closed_partition_is_named(toy: Run, slurm: PrivateSlurm) -> None:
    slurm.control("update", "partitionname=main", "state=down")
    try:
        toy.start(*SUBMITIT, "begin.txt", "--submitit-no-limit-check")
        toy.until(lambda: "PENDING (PartitionDown): the partition is closed" in toy.log, "the reason is given")
    finally:
        slurm.control("update", "partitionname=main", "state=up")
    assert toy.wait() == 0


def test_ctrl_c_twice_while_scancel_is_slow(begun: Run, slurm: PrivateSlurm, hook) -> None:
    """The job is named before the first call, and does no more work even if nobody cancels it."""
    begun.start(*WORK, *config(steps=1000))
    until_counting(begun)
    hook("scancel", "sleep 600")
    began = time.monotonic()
    begun.signal(signal.SIGINT)
    begun.until(lambda: "Cancelling SLURM jobs" in begun.log, "the first Ctrl-C is heard")
    begun.signal(signal.SIGINT)
    begun.wait(120)
    assert f"later: scancel {job_of(begun)}" in begun.log
    print(f"\nmain ended after {time.monotonic() - began:.0f} s")
    begun.until(lambda: not slurm.queue(), "the job stops by itself", 60)
    before = counted(begun)
    time.sleep(1)
    assert counted(begun) == before


def test_a_program_that_saves_and_ends_with_a_code_of_its_own(begun: Run, slurm: PrivateSlurm) -> None:
    """The resource saves_on_signal=1 of its rule."""
    begun.start(*SUBMITIT, "abrupt.txt", *config(steps=STEPS))
    until_counting(begun)
    usr2(slurm, job_of(begun))
    assert begun.wait() == 0, begun.log
    assert len(starts(begun)) == 2
    assert counted(begun) == list(range(1, STEPS + 1))
    assert begun.log.count("Error in rule") == 0
    assert "Restarts=1 " in slurm.control("show", "job", job_of(begun))


def inside(begun: Run, slurm: PrivateSlurm, command: str, *options: str) -> str:
    """Submit Snakemake itself as a job; return its number."""
    log = begun.folder / "inside.out"
    path = f"{slurm.bin}:{Path(sys.executable).parent}"
    words = [
        "--parsable",
        "--partition=main",
        "--mem=2000",
        "--time=20",
        f"--output={log}",
        "--open-mode=append",
        *options,
    ]
    wrapped = f"cd {begun.folder}; export PATH={path}:$PATH; snakemake --unlock; {command}"
    return subprocess.run(
        [slurm.bin / "sbatch", *words, "--wrap", wrapped], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_main_process_as_a_job_that_reaches_its_limit(begun: Run, slurm: PrivateSlurm) -> None:
    """SLURM ends it like scancel does; its jobs go on, and the same line finds them."""
    command = " ".join([*WORK, *config(steps=STEPS)])
    outer = inside(begun, slurm, command)
    until_counting(begun)
    (begun.folder / "hold").touch()
    assert slurm.says("scancel", outer) == ""
    begun.until(lambda: len(slurm.queue()) == 1, "the main process is gone, the job is not")
    inside(begun, slurm, command)
    log = begun.folder / "inside.out"
    begun.until(lambda: "Re-attached to SLURM job" in log.read_text(), "the job is found")
    (begun.folder / "hold").unlink()
    begun.until(lambda: not slurm.queue(), "both end")
    assert counted(begun) == list(range(1, STEPS + 1))
    assert len(starts(begun)) == 1


def test_the_whole_workflow_in_one_allocation(begun: Run, slurm: PrivateSlurm) -> None:
    """At its end the program saves; the same line goes on."""
    command = f"snakemake --cores 2 --rerun-incomplete end.txt --config steps={STEPS}"
    outer = inside(begun, slurm, command, "--cpus-per-task=2")
    until_counting(begun)
    assert slurm.says("scancel", outer) == ""
    begun.until(lambda: not slurm.queue(), "the allocation is over")
    done = counted(begun)
    assert 0 < done[-1] < STEPS
    inside(begun, slurm, command, "--cpus-per-task=2")
    begun.until((begun.folder / "end.txt").exists, "it goes on to the end")
    assert counted(begun) == list(range(1, STEPS + 1))
    assert {job for job, _ in starts(begun)}.isdisjoint({"None"})


def test_jobs_are_grouped_from_the_command_line(toy: Run, slurm: PrivateSlurm) -> None:
    said = toy.run(*SUBMITIT, "end.txt", "--groups", "begin=all", "work=all", "end=all")
    (job,) = re.findall(r"is SLURM job (\d+)", said)
    assert toy.lines("end.txt")
    (asked,) = slurm.booked("ReqTRES", job)
    assert "gres/gpu=1" in asked[0]


def test_modules_of_a_rule(begun: Run, slurm: PrivateSlurm) -> None:
    """`envmodules:` with --sdm env-modules; `module` is a function of the user's shell, as sites define it."""
    tool = begun.folder / "opt/tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho of a module\n")
    tool.chmod(0o755)
    function = f'() {{  [ "$1" = load ] && export PATH={tool.parent}:$PATH\n return 0\n}}'
    begun.start(*SUBMITIT, "modules.txt", "--sdm", "env-modules", **{"BASH_FUNC_module%%": function})
    assert begun.wait() == 0, begun.log
    assert begun.lines("modules.txt") == ["of a module"]
