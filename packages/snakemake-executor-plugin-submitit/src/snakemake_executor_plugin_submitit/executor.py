"""The executor: gives Snakemake's jobs to the keeper (SLURM) or to this machine, and reports how they end."""

from __future__ import annotations

import asyncio
import getpass
import math
import os
import re
import shlex
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.utils import encode_target_jobs_cli_args

from snakemake_executor_plugin_submitit import advice, environment, limits
from snakemake_executor_plugin_submitit.clients import Slurm, SlurmError
from snakemake_executor_plugin_submitit.foresight import foresee
from snakemake_executor_plugin_submitit.here import Here
from snakemake_executor_plugin_submitit.keeper import Keeper
from snakemake_executor_plugin_submitit.life import Patience
from snakemake_executor_plugin_submitit.quoting import quoted_by_shlex, wait_for_files
from snakemake_executor_plugin_submitit.registry import DamagedRecord, command_digest, job_key, members, title_of
from snakemake_executor_plugin_submitit.report import Reporter, shown, tail
from snakemake_executor_plugin_submitit.resources import ResourceError, is_line, sbatch_options, unknown
from snakemake_executor_plugin_submitit.runs import sweep
from snakemake_executor_plugin_submitit.submission import Request, preparer
from snakemake_executor_plugin_submitit.works import End, Hearing, Unreachable, Work

CLUSTERS = ("slurm", "local", "debug")


class Executor(RemoteExecutor):
    """Runs the jobs of one Snakemake process; see the package's docstring."""

    def __post_init__(self) -> None:
        self._started = time.time()
        self._settings = self.workflow.executor_settings
        self._folder = Path(self._settings.folder).absolute()
        self._check_settings()
        self._reporter = Reporter(self.logger)
        self._infos: dict[str, SubmittedJobInfo] = {}
        self._early: dict[str, Any] = {}  # ends of works that `run_job` has not handed on yet
        self._failed: list[tuple[str, str]] = []  # works that could not be taken, and why
        self._new = threading.Event()
        self._next_look = 0.0
        self._partitions: list[limits.Nodes] | None = None
        self._keeper: Keeper | None = None
        self._here: Here | None = None
        if self._settings.cluster != "slurm":
            self._here = Here(self._folder, self._settings)
            sweep(self._folder / "runs", (), time.time(), self._settings.keep_logs)
            return
        environment.leave_the_job()
        beat = float(self._settings.heartbeat)
        self._slurm = Slurm(getpass.getuser(), self._settings.transient_errors)
        files = float(self.workflow.execution_settings.latency_wait)
        self._keeper = Keeper(
            self._folder,
            self._slurm,
            Patience(late=min(15.0, 3 * beat), silent=3 * beat, files=min(files, 3 * beat)),
            60.0 * self._settings.patience,
            Hearing(self._reporter.warn, self._reporter.noted, self._reporter.changed),
        )
        sweep(self._folder / "runs", self._keeper.registry.runs(), time.time(), self._settings.keep_logs)

    def _check_settings(self) -> None:
        settings = self._settings
        if settings.cluster not in CLUSTERS:
            raise WorkflowError(f"--submitit-cluster {settings.cluster}: choose one of {', '.join(CLUSTERS)}")
        if not is_line(str(self._folder)):
            raise WorkflowError(
                f"--submitit-folder {str(self._folder)!r}: a path in a job's script is one line of text"
            )
        if settings.heartbeat < 1:
            raise WorkflowError(f"--submitit-heartbeat {settings.heartbeat}: at least 1 second")
        if not 0 <= settings.patience < math.inf:
            raise WorkflowError(f"--submitit-patience {settings.patience}: minutes, at least 0")
        try:
            re.compile(settings.transient_errors)
        except re.error as error:
            raise WorkflowError(f"--submitit-transient-errors {settings.transient_errors!r}: {error}") from error
        try:
            for name in ("jobs", "runs"):
                (self._folder / name).mkdir(parents=True, exist_ok=True)
            probe = self._folder / "jobs" / f".writable.{os.getpid()}"
            probe.write_text("x")
            probe.unlink()
        except OSError as error:
            raise WorkflowError(
                f"--submitit-folder {self._folder}: {error.strerror}: logs and records of jobs cannot be written there"
            ) from error

    # -- the command of a job

    def get_job_args(self, job: Any, **kwargs: Any) -> str:
        """Arguments of the nested Snakemake; unlike the base class's, they name no file that ends with this process."""
        list_file = self._folder / "jobs" / f"{job_key(job, Path.cwd())}.files"
        files = wait_for_files([str(path) for path in job.get_wait_for_files()], list_file)
        return f"{RealExecutor.get_job_args(self, job, **kwargs)} {files}"

    def get_python_executable(self) -> str:
        """What stands where Python stands in the command: see `nested`. An environment's folder may have any name."""
        return f"{shlex.quote(super().get_python_executable())} -m snakemake_executor_plugin_submitit.nested"

    def _request(self, job: Any) -> Request:
        with quoted_by_shlex():
            command = self.format_job_exec(job)
        parts = members(job) if job.is_group() else []
        kept = self.workflow.execution_settings.keep_incomplete or any(
            member.is_pipe for member in parts if hasattr(member, "is_pipe")
        )
        named = () if kept else tuple((_target(part), tuple(str(path) for path in part.output)) for part in parts)
        return Request(job.name, title_of(job), command, job.resources, job.threads, named)

    # -- Snakemake's calls

    def run_job(self, job: Any) -> None:
        """Take a job: submit it soon, or find the one that an earlier process submitted for the same work."""
        key = job_key(job, Path.cwd())
        info = SubmittedJobInfo(job, aux={"key": key})
        self._infos[key] = info
        self._reporter.name(key, _title(job))
        try:
            request = self._request(job)
            if self._here:
                info.external_jobid = self._here.submit(key, request)
                self.logger.info(
                    f"{_title(job)} is {self._here.what} {info.external_jobid}, log: {shown(self._here.log(key))}"
                )
            else:
                self._take(job, key, request)
        except (ResourceError, DamagedRecord, SlurmError, OSError) as error:
            self._infos.pop(key)
            self.logger.error(f"{_title(job)} was not submitted: {error}")
            self.report_job_error(info, msg=f"not submitted: {error} ")
            return
        self.report_job_submission(info)
        self._new.set()

    def _take(self, job: Any, key: str, request: Request) -> None:
        assert self._keeper
        self._check_limits(request)
        for text in unknown(job.resources):
            self._reporter.once(f"rule {job.name}: {text}")
        started, outputs = self._started, bool(job.output)
        self._keeper.take(
            Work(
                key,
                request.title,
                command_digest(job),
                preparer(request, self._settings, self._reporter.once),
                lambda when: not outputs or when >= started,
            )
        )

    def _check_limits(self, request: Request) -> None:
        """Refuse a job that no partition can run.

        Raises:
            ResourceError: names the resource, the limit and what to change.
        """
        if self._settings.no_limit_check:
            return
        if self._partitions is None:
            try:
                self._partitions = limits.parse(self._slurm.partitions())
            except SlurmError as error:
                self._partitions = []
                self.logger.debug(f"limits of partitions are not known: {error}")
            remote = [job for job in self.dag.needrun_jobs() if not job.is_local]
            if warning := foresee(remote, self._partitions):
                self.logger.error(warning)  # of all jobs: what is refused late, after hours, could be mended now
        options = sbatch_options(request.name, request.resources, request.threads)
        text = limits.problem(request.name, options, self._partitions)
        if text:
            raise ResourceError(f"{text} (--submitit-no-limit-check submits it all the same)")

    async def sleep(self) -> None:
        """Until the next look at the jobs, or until there are new ones."""
        await asyncio.sleep(0.1)
        while time.monotonic() < self._next_look and not self._new.is_set() and self.wait:
            await asyncio.sleep(0.1)

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report the jobs that have ended and yield the others."""
        look = time.monotonic() >= self._next_look
        if look:
            self._next_look = time.monotonic() + self.next_seconds_between_status_checks
        self._new.clear()
        ended = self._early | {end.key: end for end in await self._step(look)}
        self._early = {}
        if self._keeper:
            self._reporter.count(self._keeper)
        for info in active_jobs:
            end = ended.pop(info.aux["key"], None)
            if end is None:
                yield info
            else:
                self._report(info, end)
        for key in ended:  # taken meanwhile, and not in this round's list yet
            self._late(key, ended[key])

    async def _step(self, look: bool) -> list[Any]:
        if self._here:
            return list(self._here.step())
        assert self._keeper
        try:
            return await asyncio.to_thread(self._keeper.step, look)
        except Unreachable as error:
            raise WorkflowError(
                f"The scheduler could not be reached for {error} (--submitit-patience {self._settings.patience:g}). "
                "Submitted jobs go on without Snakemake; start it again and it finds them."
            ) from error

    def _late(self, key: str, end: Any) -> None:
        with self.lock:
            found = [info for info in self.active_jobs if info.aux["key"] == key]
            for info in found:
                self.active_jobs.remove(info)
        for info in found:
            self._report(info, end)
        if not found:  # `run_job` has not handed it on yet
            self._early[key] = end

    def _report(self, info: SubmittedJobInfo, end: Any) -> None:
        self._infos.pop(info.aux["key"], None)
        (self._folder / "jobs" / f"{info.aux['key']}.files").unlink(missing_ok=True)
        if isinstance(end, End):
            info.external_jobid = end.job_id
        if end.success:
            self.report_job_success(info)
            return
        title, why = _title(info.job), "it failed"
        if isinstance(end, End) and end.state == "REFUSED":
            self.logger.error(f"{title} was not submitted: {end.message}")
            self.report_job_error(info, msg=f"not submitted: {end.message} ")
            return
        what = f"{self._here.what} {info.external_jobid}" if self._here else f"SLURM job {info.external_jobid}"
        if isinstance(end, End) and end.state != "FAILED":
            why = advice.end(end.state)
        self.logger.error(f"{title}, {what}: {why}. The end of its log, {tail(end.log)}")
        self.report_job_error(info, msg=f"{why}. ")

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel every job that has not ended, also those that are being submitted or looked for at the moment."""
        if self._here:
            self._here.cancel()
            return
        assert self._keeper
        ids = sorted(life.record.job_id for life in self._keeper.lives.values() if life.record and life.record.job_id)
        if ids:
            self.logger.info(f"Cancelling SLURM jobs. If that is interrupted, later: scancel {' '.join(ids)}")
        left = self._keeper.cancel()
        if left:
            self.logger.error(
                f"These jobs could not be cancelled: {', '.join(left)}. They do no more work: those that run stop by "
                "themselves, those that wait end when they start. Look: squeue --me --format='%i %j %T %k'"
            )


def _target(job: Any) -> str:
    return str(encode_target_jobs_cli_args(job.get_target_spec())[0])


def _title(job: Any) -> str:
    return f"group {job.groupid}" if job.is_group() else f"job {job.jobid} ({job.name})"
