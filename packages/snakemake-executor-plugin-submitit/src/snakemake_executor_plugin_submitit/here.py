"""Jobs without SLURM: processes of this machine, or calls in the main process, one after another."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

import submitit

from snakemake_executor_plugin_submitit.runs import RunFolder
from snakemake_executor_plugin_submitit.settings import ExecutorSettings
from snakemake_executor_plugin_submitit.submission import Request

LOCAL_MINUTES = 365 * 24 * 60


@dataclass(frozen=True)
class Ended:
    """A job that is over."""

    key: str
    success: bool
    log: Path


class Here:
    """Jobs of submitit's own controllers. They end with the main process.

    Args:
        folder: of logs and job files.
        settings: of the executor.

    Attributes:
        what: a job is called.
    """

    def __init__(self, folder: Path, settings: ExecutorSettings) -> None:
        self._folder, self._settings = folder / "runs", settings
        self._jobs: dict[str, submitit.Job[None]] = {}
        self.what = "process" if settings.cluster == "local" else "call"

    def submit(self, key: str, request: Request) -> str:
        """Start a job, or run it to its end; return its number."""
        folder = self._folder / f"{request.title[:40]}.{key[:8]}.{uuid.uuid4().hex[:8]}"
        task = request.task(self._settings)
        if self._settings.cluster == "debug":
            job = submitit.DebugExecutor(folder).submit(task)
            job.exception()
        else:
            executor = submitit.LocalExecutor(folder)
            minutes = request.resources.get("runtime") or LOCAL_MINUTES
            executor.update_parameters(
                timeout_min=minutes,
                signal_delay_s=min(self._settings.signal_delay, 60 * minutes // 3),
                gpus_per_node=request.resources.get("gpu", 0),
                stderr_to_stdout=True,
            )
            job = executor.submit(task)
        self._jobs[key] = job
        return str(job.job_id)

    def log(self, key: str) -> Path:
        """Where a job writes."""
        return Path(self._jobs[key].paths.stdout)

    def step(self) -> list[Ended]:
        """The jobs that have ended since the last call."""
        ended = []
        for key, job in list(self._jobs.items()):
            folder = RunFolder(Path(job.paths.folder))
            if self._settings.cluster == "debug":
                success = job.exception() is None
            elif outcome := folder.outcome():
                success = outcome.success
            elif job.done():
                success = False
            else:
                continue
            ended.append(Ended(key, success, self.log(key)))
            del self._jobs[key]
            folder.tidy()
        return ended

    def cancel(self) -> None:
        """Interrupt all jobs; a training saves its state and ends."""
        for job in self._jobs.values():
            job.cancel(check=False)
