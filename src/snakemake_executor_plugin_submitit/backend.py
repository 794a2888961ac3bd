"""Submitting, following and cancelling jobs: jobs of SLURM, processes of this machine, or calls in this process."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError, pickle_load
from submitit.slurm.slurm import SlurmJob

from snakemake_executor_plugin_submitit.resources import cpus_per_task, sbatch_options
from snakemake_executor_plugin_submitit.scheduler import Scheduler, SchedulerError
from snakemake_executor_plugin_submitit.settings import ExecutorSettings
from snakemake_executor_plugin_submitit.task import SnakemakeTask

LOCAL_MINUTES = 365 * 24 * 60


@dataclass(frozen=True)
class Request:
    """A job to submit.

    Attributes:
        name: of the rule or group.
        command: the shell command by which Snakemake runs one of its jobs.
        resources: of the Snakemake job.
        threads: of the Snakemake job.
        comment: identifies the job in the queue.
    """

    name: str
    command: str
    resources: Mapping[str, Any]
    threads: int
    comment: str


@dataclass(frozen=True)
class Outcome:
    """How a job ended, as the job itself recorded it.

    Attributes:
        success: whether its command succeeded.
        when: seconds since the epoch.
    """

    success: bool
    when: float


def read_outcome(handle: submitit.Job[None]) -> Outcome | None:
    """The outcome that a job recorded at its end; None if it has not ended, or was killed."""
    path = handle.paths.result_pickle
    try:
        return Outcome(pickle_load(path)[0] == "success", path.stat().st_mtime)
    except FileNotFoundError:
        return None


class Backend(Protocol):
    """Where jobs run."""

    what: str

    def submit(self, request: Request) -> submitit.Job[None]:
        """Submit a job.

        Raises:
            ResourceError: if a resource has an impossible value.
            SchedulerError: if the job was refused, or the scheduler cannot be reached.
        """

    def outcome(self, handle: submitit.Job[None]) -> Outcome | None:
        """The outcome that a job has recorded; None if there is none (yet)."""

    def states(self, handles: Collection[submitit.Job[None]]) -> dict[str, str]:
        """State of each known job in SLURM's terms, by id.

        Raises:
            SchedulerError: if the scheduler does not answer.
        """

    def cancel(self, handles: Collection[submitit.Job[None]]) -> None:
        """Cancel jobs.

        Raises:
            SchedulerError: if the scheduler does not answer.
        """


class SlurmBackend:
    """Jobs of SLURM.

    Args:
        folder: of logs and job files; every node must see it.
        settings: of the executor.
    """

    what = "SLURM job"

    def __init__(self, folder: Path, settings: ExecutorSettings) -> None:
        self._folder, self._settings = folder / "%j", settings
        self.scheduler = Scheduler()

    def submit(self, request: Request) -> submitit.Job[None]:
        """Submit a job by sbatch."""
        options = sbatch_options(request.name, request.resources, request.threads)
        delay = self._settings.signal_delay
        if "time" in options:
            delay = min(delay, 60 * int(options["time"]) // 3)
        try:
            executor = submitit.SlurmExecutor(self._folder)
        except RuntimeError as error:
            raise SchedulerError(f"srun: not found; is this a login node of a SLURM cluster? ({error})") from error
        executor.update_parameters(
            job_name=request.name,
            comment=request.comment,
            time=None,
            wckey=None,
            stderr_to_stdout=True,
            signal_delay_s=delay,
            srun_args=["--nodes=1", "--ntasks=1", *cpus_per_task(options)],
            additional_parameters=options,
        )
        try:
            job = executor.submit(SnakemakeTask(request.command, self._settings.max_requeues))
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            raise SchedulerError(str(error).strip()) from error
        return self.handle(job.job_id)

    def handle(self, job_id: str) -> submitit.Job[None]:
        """A job that was submitted before; only its first task runs Snakemake, however many tasks it has."""
        return SlurmJob(self._folder, job_id, tasks=(0,))

    def outcome(self, handle: submitit.Job[None]) -> Outcome | None:
        """The outcome that the job has recorded."""
        return read_outcome(handle)

    def states(self, handles: Collection[submitit.Job[None]]) -> dict[str, str]:
        """State of each job that SLURM knows, by id."""
        return self.scheduler.states([handle.job_id for handle in handles])

    def cancel(self, handles: Collection[submitit.Job[None]]) -> None:
        """Cancel jobs."""
        self.scheduler.cancel([handle.job_id for handle in handles])


class LocalBackend:
    """Processes of this machine, started by submitit's own controller. They end with the main process.

    Args:
        folder: of logs and job files.
        settings: of the executor.
    """

    what = "process"

    def __init__(self, folder: Path, settings: ExecutorSettings) -> None:
        self._folder, self._settings = folder / "%j", settings

    def submit(self, request: Request) -> submitit.Job[None]:
        """Start a job."""
        resources = request.resources
        executor = submitit.LocalExecutor(self._folder)
        minutes = resources.get("runtime") or LOCAL_MINUTES
        executor.update_parameters(
            timeout_min=minutes,
            signal_delay_s=min(self._settings.signal_delay, 60 * minutes // 3),
            gpus_per_node=resources.get("gpu", 0),
            stderr_to_stdout=True,
        )
        return executor.submit(SnakemakeTask(request.command, self._settings.max_requeues))

    def outcome(self, handle: submitit.Job[None]) -> Outcome | None:
        """The outcome that the job has recorded."""
        return read_outcome(handle)

    def states(self, handles: Collection[submitit.Job[None]]) -> dict[str, str]:
        """RUNNING or FAILED, by id."""
        return {handle.job_id: "FAILED" if handle.done() else "RUNNING" for handle in handles}

    def cancel(self, handles: Collection[submitit.Job[None]]) -> None:
        """Interrupt jobs; a training saves its state and ends."""
        for handle in handles:
            handle.cancel(check=False)


class DebugBackend:
    """No jobs at all: each is run at once in this process, with its output on the terminal.

    Args:
        folder: of job files.
        settings: of the executor.
    """

    what = "call"

    def __init__(self, folder: Path, settings: ExecutorSettings) -> None:
        self._folder, self._settings = folder / "%j", settings

    def submit(self, request: Request) -> submitit.Job[None]:
        """Run a job to its end."""
        job = submitit.DebugExecutor(self._folder).submit(SnakemakeTask(request.command, self._settings.max_requeues))
        job.exception()
        return job

    def outcome(self, handle: submitit.Job[None]) -> Outcome | None:
        """How the call ended."""
        return Outcome(handle.exception() is None, time.time())

    def states(self, handles: Collection[submitit.Job[None]]) -> dict[str, str]:
        """Nothing is running."""
        return {}

    def cancel(self, handles: Collection[submitit.Job[None]]) -> None:
        """Nothing is running."""
