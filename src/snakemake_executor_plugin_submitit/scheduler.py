"""SLURM's tools: the state of all jobs by one query; finding and cancelling jobs; patience while SLURM is down."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Callable, Collection
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_exponential

T = TypeVar("T")
log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0  # seconds between two attempts
# A job in one of these states runs, or will run.
ALIVE = frozenset(
    "PENDING CONFIGURING RUNNING COMPLETING REQUEUED REQUEUE_FED REQUEUE_HOLD RESIZING RESV_DEL_HOLD SIGNALING "
    "SPECIAL_EXIT STAGE_OUT STOPPED SUSPENDED".split()
)
# Messages of the tools when the scheduler is busy or down: the same call may work later.
PASSING = (
    "unable to contact slurm controller",
    "unable to connect",
    "connection refused",
    "connection timed out",
    "socket timed out",
    "temporarily unavailable",
    "temporarily unable",
    "zero bytes were transmitted",
    "problem talking to the database",
    "communication",
)


class SchedulerError(Exception):
    """One of SLURM's tools failed; this implies nothing about the jobs."""

    @property
    def passing(self) -> bool:
        """Whether the same call may work later."""
        return is_passing(str(self))


def is_passing(message: str) -> bool:
    """Whether a tool's message means that the scheduler cannot be reached at the moment."""
    return any(text in message.lower() for text in PASSING)


def patiently(call: Callable[[], T], seconds: float, what: str) -> T:
    """Repeat a call while the scheduler cannot be reached, after pauses that double from one second on.

    Args:
        call: may be repeated without harm.
        seconds: until no further attempt is made.
        what: the call does, for the log.

    Raises:
        SchedulerError: if the scheduler still cannot be reached after `seconds`; at once if the call failed otherwise.
    """

    def warn(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("%s: %s; trying again in %.0f s", what, error, state.upcoming_sleep)

    attempts = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, SchedulerError) and error.passing),
        wait=wait_exponential(max=LONGEST_PAUSE),
        stop=stop_before_delay(seconds),
        before_sleep=warn,
        reraise=True,
    )
    return attempts(call)


class Scheduler:
    """SLURM's tools: the accounts (sacct) where the cluster has them, else the queue (squeue) alone."""

    def __init__(self) -> None:
        self._accounting = shutil.which("sacct") is not None

    def states(self, ids: Collection[str]) -> dict[str, str]:
        """The state of each job that SLURM knows, by id.

        The accounts end a job that was preempted, or whose node died, shortly before the queue has it again. So jobs
        that look ended in the accounts are looked up in the queue as well; the queue is right about what runs.

        Raises:
            SchedulerError: if SLURM does not answer.
        """
        known = self._accounts(ids) if self._accounting and ids else {}
        ended = [job for job in ids if known.get(job) not in ALIVE]
        return known | self._queue(ended) if ended else known

    def find(self, comment: str) -> str | None:
        """Id of the user's queued or running job with this comment; None if there is none.

        Raises:
            SchedulerError: if SLURM does not answer.
        """
        for line in _run("squeue", "--me", "--noheader", "--format=%i|%k").splitlines():
            job, _, found = line.strip().partition("|")
            if found == comment:
                return job
        return None

    def cancel(self, ids: Collection[str]) -> None:
        """Cancel jobs; to cancel one that has ended is no error.

        Raises:
            SchedulerError: if SLURM does not answer.
        """
        if ids:
            _run("scancel", "--quiet", *ids)

    def _accounts(self, ids: Collection[str]) -> dict[str, str]:
        try:
            text = _run(
                "sacct", "-X", "--noheader", "--parsable2", "--format=JobIDRaw,State", f"--jobs={','.join(ids)}"
            )
        except SchedulerError as error:
            if "accounting storage is disabled" not in str(error):
                raise
            self._accounting = False
            return {}
        return _parse(text)

    def _queue(self, ids: Collection[str]) -> dict[str, str]:
        try:
            return _parse(_run("squeue", "--noheader", "--states=all", "--format=%A|%T", f"--jobs={','.join(ids)}"))
        except SchedulerError as error:
            if "invalid job id" in str(error).lower():  # ended too long ago for the queue to remember
                return {}
            raise


def _parse(text: str) -> dict[str, str]:
    states = {}
    for line in text.splitlines():
        job, _, state = line.strip().partition("|")
        if state:
            states[job] = state.split()[0]  # "CANCELLED by 1000"
    return states


def _run(*command: str) -> str:
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired as error:
        raise SchedulerError(f"{command[0]}: socket timed out after {error.timeout:.0f} s") from error
    except OSError as error:
        raise SchedulerError(f"{command[0]}: {error.strerror}; is this a login node of a SLURM cluster?") from error
    if result.returncode:
        raise SchedulerError(f"{command[0]}: {(result.stderr or result.stdout).strip()}")
    return result.stdout
