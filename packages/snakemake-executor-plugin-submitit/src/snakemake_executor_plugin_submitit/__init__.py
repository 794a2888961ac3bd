"""A Snakemake executor that makes each job a submitit job: cluster = slurm, local or debug.

    snakemake --executor submitit --jobs 100 --default-resources slurm_partition=gpu slurm_account=lab

It understands the resources of the official `slurm` executor, but for those that docs/further.md names. A job that
saves its state on SIGUSR2 or SIGTERM outlives time limits and preemption, and a Snakemake that was killed finds its
jobs again. `life` says when a job is submitted, followed, replaced and given up; `keeper` does it.
"""

from snakemake_executor_plugin_submitit.executor import Executor
from snakemake_executor_plugin_submitit.settings import ExecutorSettings, common_settings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]
