"""What of all jobs to come no partition can run, said at once instead of job after job."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_submitit import limits
from snakemake_executor_plugin_submitit.clients import Slurm, SlurmError
from snakemake_executor_plugin_submitit.resources import sbatch_options


def foresee(jobs: Iterable[Any], nodes: list[limits.Nodes] | None = None) -> str:
    """What sinfo says of Snakemake's jobs, with what to change; empty if all can run, or nobody knows.

    Args:
        jobs: that are to be submitted. Members of groups are left out, because their group asks for other resources.
        nodes: of the partitions; None asks sinfo.
    """
    if nodes is None:
        try:
            nodes = limits.parse(Slurm(getpass.getuser()).partitions())
        except SlurmError:
            return ""
    asked = []
    for job in jobs:
        if job.group:
            continue
        try:
            asked.append((job.rule.name, sbatch_options(job.rule.name, job.resources, job.threads)))
        except WorkflowError:  # a value that is not known yet, or is impossible: said when its turn comes
            continue
    return limits.plan(asked, nodes)
