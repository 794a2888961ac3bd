"""What SLURM says about jobs: one query for all of them; finding and cancelling them."""

from __future__ import annotations

import logging
import shutil
import subprocess
import time
from collections.abc import Callable, Collection
from typing import TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

# A job in one of these states goes on, or will.
ALIVE = frozenset(
    "PENDING CONFIGURING RUNNING COMPLETING REQUEUED REQUEUE_FED REQUEUE_HOLD RESIZING RESV_DEL_HOLD SIGNALING "
    "SPECIAL_EXIT STAGE_OUT STOPPED SUSPENDED".split()
)
# What the tools say when the scheduler is busy or down: the same call may work later.
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
    """One of SLURM's tools failed; this tells nothing about the jobs."""

    @property
    def passing(self) -> bool:
        """Whether the same call may work later."""
        return is_passing(str(self))


def is_passing(message: str) -> bool:
    """Whether a tool's message speaks of a scheduler that cannot be reached now."""
    return any(text in message.lower() for text in PASSING)


def patiently(call: Callable[[], T], seconds: float, what: str) -> T:
    """Repeat a call, waiting twice as long each time, while the scheduler cannot be reached.

    Raises:
        SchedulerError: if it still cannot be reached after `seconds`, or for another reason at once.
    """
    end, pause = time.monotonic() + seconds, 1.0
    while True:
        try:
            return call()
        except SchedulerError as error:
            if not error.passing or time.monotonic() + pause > end:
                raise
            log.warning("%s: %s; trying again in %.0f s", what, error, pause)
        time.sleep(pause)
        pause = min(2 * pause, 60.0)


class Scheduler:
    """SLURM's tools. Uses the accounts (sacct) where there are some, else only the queue (squeue)."""

    def __init__(self) -> None:
        self._accounting = shutil.which("sacct") is not None

    def states(self, ids: Collection[str]) -> dict[str, str]:
        """The state of each job that SLURM knows, by id.

        A job that was preempted, or whose node died, ends in the accounts shortly before it is in the queue again;
        so what looks ended there is looked up in the queue as well, which is right about what goes on.

        Raises:
            SchedulerError: if SLURM does not answer.
        """
        known = self._accounts(ids) if self._accounting and ids else {}
        ended = [job for job in ids if known.get(job) not in ALIVE]
        return known | self._queue(ended) if ended else known

    def find(self, comment: str) -> str | None:
        """Id of one's own queued or running job with this comment.

        Raises:
            SchedulerError: if SLURM does not answer.
        """
        for line in _run("squeue", "--me", "--noheader", "--format=%i|%k").splitlines():
            job, _, found = line.strip().partition("|")
            if found == comment:
                return job
        return None

    def cancel(self, ids: Collection[str]) -> None:
        """Cancel jobs; those that have ended already do no harm.

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
