"""What the counting program of the toy workflow did; it stands for a training."""

from __future__ import annotations

import subprocess
from pathlib import Path

from private_slurm import PrivateSlurm
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


def run_folder(toy: Run, job: str) -> Path:
    """Where the executor keeps what belongs to a SLURM job."""
    (log,) = toy.folder.glob(f".snakemake/submitit/runs/*/{job}_0_log.out")
    return log.parent


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
    # its result is there a moment before SLURM sees the job end
    toy.until(lambda: not [row for row in slurm.queue() if row[1] == "work"], "no other job of the rule is left", 60)


def usr2(slurm: PrivateSlurm, job: str) -> None:
    """Send a job the signal of its time limit."""
    subprocess.run([slurm.bin / "scancel", "--signal=USR2", job], check=True)
