"""One run at a time in a folder: a killed one is taken over by name, a live one respected."""

import shutil
from contextlib import ExitStack
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from sensorium.orphans import find_orphans, mark, stop_orphans
from sensorium.ownership import HeldError, hold, read_owner


def alone(execute):
    """`execute` of the workflow for the only run in this folder: a killed one is taken over, a live one respected."""

    def execute_alone(executor_plugin, **arguments):
        folder, lock = Path.cwd(), Path(".snakemake/run.lock")
        if executor_plugin.common_settings.dryrun_exec and (owner := read_owner(lock)):
            logger.info(f"{owner} {'is gone; the next run goes on' if owner.is_gone() else 'runs here'}.")
        if executor_plugin.common_settings.dryrun_exec or not workflow.execution_settings.lock:  # a job of a run
            return execute(executor_plugin=executor_plugin, **arguments)
        with ExitStack() as held:
            try:
                former = held.enter_context(hold(lock))
            except HeldError as error:
                raise WorkflowError(f"Another run is in {folder}: {error}. Wait for it, or stop it and start again.")
            except OSError as error:
                raise WorkflowError(f"{lock}: cannot write ({error.strerror}); mend that and start again.")
            if former:
                logger.warning(f"Going on after {former}, which is gone.")
                shutil.rmtree(".snakemake/locks", ignore_errors=True)
            for pid, command in find_orphans(folder).items():
                logger.warning(f"Stopping process {pid}, which an earlier run has left: {command}")
            stop_orphans(folder)
            mark(folder)
            return execute(executor_plugin=executor_plugin, **arguments)

    return execute_alone


# Snakemake looks at its own lock, which names no process, after this file and has no hook in between.
workflow.execute = alone(workflow.execute)
