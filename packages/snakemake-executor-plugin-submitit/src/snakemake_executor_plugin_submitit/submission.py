"""Everything that a job of SLURM needs at its start, written into its run's folder before sbatch is called."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import DelayedSubmission

from snakemake_executor_plugin_submitit.environment import conflicts
from snakemake_executor_plugin_submitit.resources import ResourceError, cpus_per_task, sbatch_options
from snakemake_executor_plugin_submitit.runs import PICKLE, REQUEUES, SCRIPT, RunFolder
from snakemake_executor_plugin_submitit.settings import ExecutorSettings
from snakemake_executor_plugin_submitit.task import BATCH, SnakemakeTask

MODULE = "snakemake_executor_plugin_submitit.start"


@dataclass(frozen=True)
class Request:
    """A job to submit.

    Attributes:
        name: of the rule or group.
        title: of the job in the queue.
        command: the shell command by which Snakemake runs one of its jobs.
        resources: of the Snakemake job.
        threads: of the Snakemake job.
        members: of a group: (target, outputs) of each.
    """

    name: str
    title: str
    command: str
    resources: Mapping[str, Any]
    threads: int
    members: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def task(self, settings: ExecutorSettings) -> SnakemakeTask:
        """What runs in the job."""
        saves = bool(self.resources.get("saves_on_signal"))
        return SnakemakeTask(self.command, settings.max_requeues, settings.heartbeat, saves, self.members)


class _Script(submitit.SlurmExecutor):
    """submitit's script, started through our program, which finds the pickle under a name without a number."""

    def text(self) -> str:
        """The script."""
        program = shlex.join(["-u", "-m", MODULE, str(self.folder)])
        return self._make_submission_file_text(f"{self.python} {program}", "")


def preparer(request: Request, settings: ExecutorSettings, warn: Callable[[str], None]) -> Callable[..., list[str]]:
    """A function that fills a run's folder; see `keeper.Work.prepare`.

    Raises:
        ResourceError: if a resource has an impossible value.
    """
    options = sbatch_options(request.name, request.resources, request.threads)
    left_out, in_force = conflicts(os.environ, {*options, "job-name"})
    for name in left_out:
        warn(f"{name}={os.environ[name]} of your environment is left out: the workflow's resources decide")
    for name in in_force:
        warn(f"{name}={os.environ[name]} of your environment is in force: no resource sets that option")

    def prepare(folder: Path, comment: str, earlier: RunFolder | None) -> list[str]:
        (folder / SCRIPT).write_text(_text(folder, comment, request, settings, options))
        DelayedSubmission(request.task(settings)).dump(folder / PICKLE)
        if earlier and (earlier.path / REQUEUES).exists():  # the count goes on
            shutil.copyfile(earlier.path / REQUEUES, folder / REQUEUES)
        return left_out

    return prepare


def _text(
    folder: Path, comment: str, request: Request, settings: ExecutorSettings, options: dict[str, str | int | bool]
) -> str:
    delay = settings.signal_delay
    if "time" in options:
        delay = min(delay, 60 * int(options["time"]) // 3)
    try:
        script = _Script(folder)
    except RuntimeError as error:
        raise ResourceError(f"srun: not found; is this a login node of a SLURM cluster? ({error})") from error
    script.update_parameters(
        job_name=request.title,
        comment=comment,
        time=None,
        wckey=None,
        stderr_to_stdout=True,
        signal_delay_s=delay,
        # --overlap: a rule's own srun may use all of the job while this step waits for it
        srun_args=["--nodes=1", "--ntasks=1", "--overlap", *cpus_per_task(options)],
        setup=[f"env -0 | grep -z '^SLURM_' > {shlex.quote(str(folder / BATCH))}"],
        additional_parameters={**options, "export": "ALL"},
    )
    return script.text()
