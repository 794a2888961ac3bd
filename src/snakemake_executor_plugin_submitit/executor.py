"""The executor: submits Snakemake's jobs, follows them, and re-attaches to those of a main process that was killed."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import submitit
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from snakemake_executor_plugin_submitit.backend import Backend, DebugBackend, LocalBackend, Request, SlurmBackend
from snakemake_executor_plugin_submitit.quoting import quoted_by_shlex, wait_for_files
from snakemake_executor_plugin_submitit.registry import Record, Registry, command_digest, job_key
from snakemake_executor_plugin_submitit.resources import ResourceError, is_line
from snakemake_executor_plugin_submitit.scheduler import ALIVE, SchedulerError, patiently

BACKENDS: dict[str, type[SlurmBackend] | type[LocalBackend] | type[DebugBackend]] = {
    "slurm": SlurmBackend,
    "local": LocalBackend,
    "debug": DebugBackend,
}
FORGOTTEN_SECONDS = 300  # the accounts may list a job late
CANCEL_SECONDS = 180  # until a cancelled job has ended, SLURM's KillWait included
LONGEST_SILENCE = 300.0  # seconds between two queries while the scheduler does not answer
TAIL_LINES = 40
WHY = {
    "TIMEOUT": "its time limit was reached and nothing in it saved its state on SIGUSR2: raise its runtime",
    "OUT_OF_MEMORY": "it used more memory than it had requested: raise its mem_mb",
    "CANCELLED": "it was cancelled",
    "PREEMPTED": "it was preempted, and this cluster does not requeue",
    "NODE_FAIL": "its node failed, and this cluster does not requeue",
    "COMPLETED": "it ended without leaving a result",
    "UNKNOWN": "SLURM does not know it any more",
}


class Executor(RemoteExecutor):
    """Runs the jobs of one Snakemake process; see the package's docstring."""

    def __post_init__(self) -> None:
        self._started = time.time()
        self._settings = self.workflow.executor_settings
        if self._settings.cluster not in BACKENDS:
            raise WorkflowError(f"--submitit-cluster {self._settings.cluster}: choose one of {', '.join(BACKENDS)}")
        self._folder = Path(self._settings.folder).absolute()
        if not is_line(str(self._folder)):
            raise WorkflowError(
                f"--submitit-folder {str(self._folder)!r}: a path in a job's script is one line of text"
            )
        self._backend: Backend = BACKENDS[self._settings.cluster](self._folder, self._settings)
        self._registry = Registry(self._folder / "jobs")
        self._live: dict[str, submitit.Job[None] | None] = {}  # None while it is being submitted
        self._overdue: dict[str, float] = {}  # since when a job without a result has not been running
        self._unreachable_since: float | None = None
        self._next_query = 0.0
        if "SLURM_JOB_ID" in os.environ:  # inside a job, whose limits must not become those of new jobs
            for name in [name for name in os.environ if name.startswith("SLURM_") and name != "SLURM_CONF"]:
                del os.environ[name]

    def get_job_args(self, job: Any, **kwargs: Any) -> str:
        """Arguments of the nested Snakemake; unlike the base class's, they name no file that ends with this process."""
        list_file = self._folder / "jobs" / f"{job_key(job, Path.cwd())}.files"
        files = wait_for_files([str(path) for path in job.get_wait_for_files()], list_file)
        return f"{RealExecutor.get_job_args(self, job, **kwargs)} {files}"

    def get_python_executable(self) -> str:
        """Python, as a word of the command; the folder of an environment may have any name."""
        return shlex.quote(super().get_python_executable())

    def run_job(self, job: Any) -> None:
        """Submit a job, or re-attach to the one that an earlier process submitted for the same work."""
        key, digest = job_key(job, Path.cwd()), command_digest(job)
        info = SubmittedJobInfo(job, aux={"key": key})
        try:
            handle = self._reattach(job, key, digest) or self._submit(job, key, digest)
        except (SchedulerError, ResourceError) as error:
            self._forget(key)
            self.logger.error(f"{_title(job)} was not submitted: {error}")
            self.report_job_error(info, msg=f"not submitted: {error} ")
            return
        self._live[key] = handle
        info.external_jobid, info.aux["handle"] = handle.job_id, handle
        self.report_job_submission(info)

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report the jobs that have ended and yield the others."""
        outcomes = {info.external_jobid: self._backend.outcome(info.aux["handle"]) for info in active_jobs}
        pending = [info.aux["handle"] for info in active_jobs if outcomes[info.external_jobid] is None]
        states: dict[str, str] | None = {}
        if pending:
            async with self.status_rate_limiter:
                states = self._states(pending)
        for info in active_jobs:
            outcome = outcomes[info.external_jobid]
            why = None if outcome or states is None else self._why_ended(info.external_jobid, states)
            if outcome is None and why is None:
                yield info
                continue
            self._forget(info.aux["key"])
            if outcome and outcome.success:
                self.report_job_success(info)
            else:
                self._report_failure(info, why or "it failed")

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel every job that has not ended, also those that are being submitted or queried at the moment."""
        try:
            handles = [handle or self._half_submitted(key) for key, handle in self._live.items()]
        except SchedulerError as error:
            self.logger.error(f"A job may be left in the queue ({error}). Look: squeue --me")
            handles = list(self._live.values())
        for key in self._live:
            if record := self._registry.read(key):
                self._registry.write(key, replace(record, cancelled=True))
        submitted = [handle for handle in handles if handle]
        try:
            patiently(lambda: self._backend.cancel(submitted), 60, "cancelling")
        except SchedulerError as error:
            ids = " ".join(handle.job_id for handle in submitted)
            self.logger.error(f"Jobs could not be cancelled ({error}). Later: scancel {ids}")

    def _half_submitted(self, key: str) -> submitit.Job[None] | None:
        backend = self._backend
        if not isinstance(backend, SlurmBackend):
            return None
        found = patiently(partial(backend.scheduler.find, _comment(key)), 60, "cancelling")
        return backend.handle(found) if found else None

    def _submit(self, job: Any, key: str, digest: str) -> submitit.Job[None]:
        with quoted_by_shlex():
            command = self.format_job_exec(job)
        request = Request(
            name=job.name,
            command=command,
            resources=job.resources,
            threads=job.threads,
            comment=_comment(key),
        )
        self._live[key] = None
        self._registry.write(key, Record(request.name, digest))
        handle = patiently(lambda: self._backend.submit(request), self._patience, f"submitting {_title(job)}")
        self._registry.write(key, Record(request.name, digest, handle.job_id))
        self.logger.info(f"{_title(job)} is {self._backend.what} {handle.job_id}, log: {_shown(handle.paths.stdout)}")
        return handle

    def _reattach(self, job: Any, key: str, digest: str) -> submitit.Job[None] | None:
        """The job of an earlier process for the same work, if it runs or has ended well since this process began."""
        record, backend = self._registry.read(key), self._backend
        if record is None or not isinstance(backend, SlurmBackend):
            return None
        what = f"looking for an earlier job of {_title(job)}"
        job_id = record.job_id or patiently(lambda: backend.scheduler.find(_comment(key)), self._patience, what)
        if job_id is None:  # that process was killed before it had submitted the job
            return None
        handle = backend.handle(job_id)
        state = patiently(lambda: backend.states([handle]), self._patience, what).get(job_id, "UNKNOWN")
        outcome = backend.outcome(handle)
        title = f"SLURM job {job_id}, which was submitted for {_title(job)}"
        if outcome is None and state in ALIVE:
            if record.command == digest and not record.cancelled:
                self._registry.write(key, replace(record, job_id=job_id))
                self.logger.info(f"Re-attached to {title} ({state}), log: {_shown(handle.paths.stdout)}")
                return handle
            if not record.cancelled:
                self.logger.info(f"{title}, runs another command: cancelled.")
            self._cancel_and_wait(backend, handle, title)
        elif outcome and outcome.success and record.command == digest:
            if not job.output or outcome.when >= self._started:
                self.logger.info(f"{title}, has ended well meanwhile.")
                return handle
        elif not record.cancelled:
            why = "it failed" if outcome else WHY.get(state, f"its state is {state}")
            self.logger.info(f"{title}, ended while Snakemake was away: {why}. Its log, {self._log_tail(handle)}")
        self._registry.forget(key)
        return None

    def _cancel_and_wait(self, backend: SlurmBackend, handle: submitit.Job[None], title: str) -> None:
        """Cancel a job and wait for its end, so that no two jobs write the same files.

        Raises:
            SchedulerError: if it still runs after CANCEL_SECONDS.
        """
        patiently(lambda: backend.cancel([handle]), self._patience, f"cancelling {title}")
        attempts = Retrying(
            retry=retry_if_result(lambda states: states.get(handle.job_id) in ALIVE),
            wait=wait_fixed(1),
            stop=stop_after_delay(CANCEL_SECONDS),
        )
        try:
            attempts(lambda: patiently(lambda: backend.states([handle]), self._patience, title))
        except RetryError as error:
            message = f"{title}, was cancelled but still runs; try again when it has ended"
            raise SchedulerError(message) from error

    @property
    def _patience(self) -> float:
        return 60.0 * self._settings.patience

    def _states(self, handles: list[submitit.Job[None]]) -> dict[str, str] | None:
        """States by id; None while the scheduler cannot be reached.

        It returns instead of waiting between queries, because jobs that have recorded their end need no scheduler.

        Raises:
            WorkflowError: if it could not be reached for too long.
        """
        now = time.monotonic()
        if now < self._next_query:
            return None
        try:
            states = self._backend.states(handles)
        except SchedulerError as error:
            self._unreachable_since = self._unreachable_since or now
            unreachable = now - self._unreachable_since
            if unreachable > self._patience:
                raise WorkflowError(
                    f"The scheduler could not be reached for {self._settings.patience} minutes ({error}). Submitted "
                    "jobs go on without Snakemake; start it again and it finds them."
                ) from error
            pause = min(LONGEST_SILENCE, max(1.0, unreachable))  # so the pauses double
            self._next_query = now + pause
            self.logger.warning(f"The scheduler does not answer; asking again in {pause:.0f} s ({error})")
            return None
        self._unreachable_since = None
        return states

    def _why_ended(self, job_id: str, states: dict[str, str]) -> str | None:
        """Why a job without a result does not run; None while it runs or may still run."""
        state = states.get(job_id, "UNKNOWN")
        if state in ALIVE:
            self._overdue.pop(job_id, None)
            return None
        # Files of other nodes become visible late, and so do accounts.
        latency = self.workflow.execution_settings.latency_wait
        wait = {"UNKNOWN": FORGOTTEN_SECONDS, "COMPLETED": latency, "FAILED": latency}.get(state, 0)
        if time.monotonic() - self._overdue.setdefault(job_id, time.monotonic()) < wait:
            return None
        return WHY.get(state, f"its state is {state}")

    def _report_failure(self, info: SubmittedJobInfo, why: str) -> None:
        handle = info.aux["handle"]
        log = f" The end of its log, {self._log_tail(handle)}"
        self.logger.error(f"{_title(info.job)}, {self._backend.what} {handle.job_id}: {why}.{log}")
        self.report_job_error(info, msg=f"{why}. ")

    def _log_tail(self, handle: submitit.Job[None]) -> str:
        path = handle.paths.stdout
        try:
            lines = path.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        except OSError as error:
            return f"{_shown(path)}: {error.strerror}"
        return "\n    ".join([f"{_shown(path)}:", *lines])

    def _forget(self, key: str) -> None:
        self._live.pop(key, None)
        self._registry.forget(key)


def _title(job: Any) -> str:
    return f"group {job.groupid}" if job.is_group() else f"job {job.jobid} ({job.name})"


def _comment(key: str) -> str:
    return f"snakemake {key}"


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
