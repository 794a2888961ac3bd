"""The user's environment: what of it may reach SLURM's clients and jobs, and what would win over a job's resources."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

# Filters and formats of the clients: they would hide jobs, or change what is read.
FILTERS = ("SQUEUE_", "SACCT_", "SCANCEL_", "SINFO_", "SCONTROL_")
# Variables that would send a client, or a step of a job, somewhere else.
ELSEWHERE = {
    "SLURM_CLUSTERS",
    "SLURM_EXPORT_ENV",
    "SRUN_EXPORT_ENV",
    "SLURM_TIME_FORMAT",
    "SLURM_JOB_ID",
    "SLURM_JOBID",
}
# variable of sbatch -> its option, where the name is not the option's own
OPTIONS = {
    "SBATCH_TIMELIMIT": "time",
    "SBATCH_MEM_PER_NODE": "mem",
    "SBATCH_MEM_PER_CPU": "mem",
    "SBATCH_MEM_PER_GPU": "mem",
    "SBATCH_NO_REQUEUE": "requeue",
    "SBATCH_ARRAY_INX": "array",
    "SBATCH_GPUS": "gpus-per-node",
    "SBATCH_GPUS_PER_TASK": "gpus-per-node",
    "SBATCH_GRES": "gres",
    "SBATCH_CPUS_PER_TASK": "cpus-per-task",
    "SBATCH_CPUS_PER_GPU": "cpus-per-task",
    "SBATCH_TASKS_PER_NODE": "ntasks-per-node",
    "SBATCH_NTASKS_PER_NODE": "ntasks-per-node",
}
# Options that decide whether the executor finds its job again.
NEVER = {"array", "clusters", "export", "export-file", "ignore-pbs", "open-mode", "output", "error", "signal"}
NEVER |= {"requeue", "test-only", "wait", "get-user-env", "begin", "dependency", "hold", "comment", "parsable", "wrap"}
# Not options of a job.
HARMLESS = {"SBATCH_DEBUG", "SBATCH_EXCLUSIVE_USER", "SBATCH_SLURM_CONF"}


def without_filters(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which SLURM's clients answer for this cluster, in full and in the format asked for."""
    return {
        name: value for name, value in environment.items() if not name.startswith(FILTERS) and name not in ELSEWHERE
    }


def option_of(variable: str) -> str:
    """The option of sbatch that a variable SBATCH_... sets."""
    return OPTIONS.get(variable, variable.removeprefix("SBATCH_").lower().replace("_", "-"))


def conflicts(environment: Mapping[str, str], options: Collection[str]) -> tuple[list[str], list[str]]:
    """Variables of sbatch that must not reach a submission, and those that will be in force.

    Args:
        environment: the user's.
        options: what the executor sets itself for this job.

    Returns:
        Names of the variables left out, because a resource or the executor decides; names of those that hold, because
        nothing else sets their option.
    """
    asked = {name for name in environment if name.startswith("SBATCH_") and name not in HARMLESS}
    mem = {"mem", "mem-per-cpu", "mem-per-gpu"}
    cpus = {"cpus-per-task", "cpus-per-gpu"}
    decided = set(options) | NEVER
    for together in (mem, cpus):
        if decided & together:
            decided |= together
    out = sorted(name for name in asked if option_of(name) in decided)
    return out, sorted(asked - set(out))


def drop(names: Collection[str]) -> None:
    """Take variables out of the environment of this process, and so of all that it starts."""
    for name in names:
        os.environ.pop(name, None)


def leave_the_job() -> list[str]:
    """Inside a job, forget its variables: its limits must not become those of new jobs. Returns what was dropped."""
    if "SLURM_JOB_ID" not in os.environ:
        return []
    names = [name for name in os.environ if name.startswith("SLURM_") and name != "SLURM_CONF"]
    drop(names)
    return names
