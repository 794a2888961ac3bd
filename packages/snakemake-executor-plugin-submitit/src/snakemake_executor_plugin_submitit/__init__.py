"""A Snakemake executor that makes each job a submitit job: cluster = slurm, local or debug.

    snakemake --executor submitit --jobs 100 --default-resources slurm_partition=gpu slurm_account=lab

Any workflow that runs with the official `slurm` executor runs with this one. This one adds two things: a job that
saves its state on SIGUSR2 or SIGTERM outlives time limits and preemption, and a Snakemake that was killed finds its
jobs again.
"""

from snakemake_executor_plugin_submitit.executor import Executor
from snakemake_executor_plugin_submitit.settings import ExecutorSettings, common_settings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]
