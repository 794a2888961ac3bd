"""What SLURM's states and reasons mean for a user, and what to do about them."""

from __future__ import annotations

import re

# Why a job ended without recording an outcome.
ENDS = {
    "TIMEOUT": "its time limit was reached and nothing in it saved its state on SIGUSR2: raise its runtime",
    "OUT_OF_MEMORY": "it used more memory than it had requested: raise its mem_mb (130 MB are for Snakemake)",
    "CANCELLED": "it was cancelled",
    "PREEMPTED": "it was preempted, and this cluster does not requeue",
    "NODE_FAIL": "its node failed, and this cluster does not requeue",
    "BOOT_FAIL": "its node did not boot",
    "DEADLINE": "its deadline could not be met",
    "COMPLETED": "it ended without leaving a result: is the folder of --submitit-folder visible on every node?",
    "FAILED": "it failed before it could record why",
    "LOST": "SLURM does not know it any more, and it gives no sign of life",
    "REFUSED": "SLURM refused it",
}
# Reasons of the queue that do not pass by waiting, or not soon; the others are only named.
ADVICE = {
    r"PartitionTimeLimit": "its runtime is beyond the partition's limit (`sinfo -s`): lower runtime, or choose another "
    "slurm_partition",
    r"PartitionNodeLimit|PartitionConfig": "it asks for more nodes than the partition gives: lower nodes, or choose "
    "another slurm_partition",
    r"PartitionDown|PartitionInactive": "the partition is closed: wait, or choose another slurm_partition",
    r"BadConstraints|ReqNodeNotAvail|NodeDown": "the nodes that it asks for are not there now: wait, or change "
    "constraint, gres or slurm_partition",
    r"MaxWallDurationPerJob": "its runtime is beyond a limit of your account or QOS (`sacctmgr show assoc`): "
    "lower runtime",
    r"MaxGRES|MinGRES|GRES.*PerJob": "the GPUs that it asks for are not what your account or QOS allows: change gpu, "
    "qos or slurm_partition",
    r"MaxCpu|MaxMem|MaxNode|MinCpu|MinMemory": "its CPUs, memory or nodes are not what your account or QOS allows: "
    "change threads, mem_mb or nodes",
    r"MaxSubmit|MaxJobs|Grp": "the jobs of your account use what it may have: it starts when they end",
    r"InvalidAccount|InvalidQOS|AssociationJobLimit": "your account or QOS is not valid here: change slurm_account or "
    "qos",
    r"launch.*failed|JobLaunchFailure|RaisedSignal": "SLURM could not start it on its node (prolog?): ask the site, "
    "then `scontrol release {job}` or `scancel {job}`",
    r"JobHeldAdmin": "an administrator holds it: ask them",
    r"JobHeldUser|held": "it is held: `scontrol release {job}`",
    r"Dependency": "it waits for another job; a dependency that can't be met waits for ever: `scancel {job}`",
    r"Licenses": "it waits for licences",
    r"Reservation": "its reservation is not open: change reservation",
}
STATES = {
    "REQUEUE_HOLD": "it was requeued and is held: `scontrol release {job}`",
    "SPECIAL_EXIT": "it was requeued in a special state and is held: `scontrol release {job}`",
    "SUSPENDED": "it is suspended: SLURM lets it go on later",
    "STOPPED": "it is stopped: `scancel --signal=CONT {job}`",
    "WAITS FOR A SLOT": "a limit on submitted jobs is reached; it is submitted when others have ended (`--jobs N` "
    "submits fewer at a time)",
}
QUIET = {"None", "", "Priority", "Resources", "BeginTime", "Prolog", "Cleaning", "NonZeroExitCode"}


def end(state: str) -> str:
    """Why a job that recorded no outcome is over."""
    return ENDS.get(state, f"its state is {state}")


def on(state: str, reason: str, job: str | None) -> str:
    """What to do about a job in this state; empty if it is as it should be."""
    text = STATES.get(state, "")
    if state == "PENDING" and reason not in QUIET:
        text = next((advice for pattern, advice in ADVICE.items() if re.search(pattern, reason, re.I)), "")
    return text.format(job=job or "JOB")


def line(state: str, reason: str) -> str:
    """State and reason in one word or two."""
    return f"{state} ({reason})" if reason not in ("None", "") else state
