"""SLURM's clients, one call each: with a time-out, in a clean environment, and with errors that say what they mean."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from snakemake_executor_plugin_submitit.environment import without_filters

SECONDS = {"sbatch": 60.0, "squeue": 60.0, "sacct": 60.0, "scancel": 30.0, "scontrol": 30.0, "sinfo": 30.0}

# A limit on the number of submitted jobs: there will be room when others have ended.
BUSY = re.compile(
    r"MaxSubmit|job submit limit(?!, user's size)|submit(ted)? jobs? limit|MaxJobCount|too many (submitted )?jobs", re.I
)
# The scheduler cannot be reached, or did not answer in time: the same call may work later.
PASSING = re.compile(
    r"unable to contact slurm controller|unable to connect|connection (refused|timed out|reset|failure)|timed out"
    r"|temporarily (unavailable|unable)|zero bytes were transmitted|problem talking to the database|communication"
    r"|unexpected message received|resource temporarily|try again|in (standby|backup) mode|slurmdbd.*(down|responding)"
    r"|slurm backup controller|network is unreachable|no route to host|name or service not known|broken pipe"
    r"|transport endpoint|incomplete response|still starting|rate limit|munge.*(decode|encode|socket|credential)"
    r"|protocol authentication error|invalid authentication credential|end of file|too many open files"
    r"|cannot allocate memory|stale file handle|pending rpc",
    re.I,
)


class Kind(Enum):
    """What an error of a client means."""

    PASSING = auto()  # the scheduler is out of reach; nothing is known, the call may or may not have had its effect
    BUSY = auto()  # a limit on submitted jobs is reached
    FINAL = auto()  # the same call would fail again


class SlurmError(Exception):
    """A client failed; this implies nothing about the jobs.

    Attributes:
        kind: what may help.
    """

    def __init__(self, message: str, kind: Kind) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Entry:
    """A line of the queue.

    Attributes:
        job_id: SLURM's number.
        state: in SLURM's long form, such as PENDING.
        reason: why it waits or ended, such as PartitionTimeLimit.
        comment: of the submission; ours names the work and the run.
    """

    job_id: str
    state: str
    reason: str
    comment: str


@dataclass(frozen=True)
class Account:
    """What the accounts say of a job.

    Attributes:
        state: in SLURM's long form.
        source: the command by which it was submitted, or its name where the accounts are too old to know.
    """

    state: str
    source: str


Run = Callable[[Sequence[str], float, Collection[str]], str]


class Slurm:
    """The clients of one user on one cluster.

    Args:
        user: whose jobs are looked for.
        also_passing: a regular expression for messages of this site that mean "try again later".
        run: runs a command with a time-out, and without some variables, and returns its output; replaced in tests.
    """

    def __init__(self, user: str, also_passing: str = "", run: Run | None = None) -> None:
        self.user = user
        self._also = re.compile(also_passing, re.I) if also_passing else None
        self._runner = run or run_client
        self._accounting = True
        self._fields = "JobIDRaw,State,SubmitLine"

    def submit(self, script: Path, without: Collection[str] = ()) -> str:
        """Submit a script; return the job's number.

        Args:
            script: with its options in it.
            without: variables of the environment that would win over them.

        Raises:
            SlurmError: PASSING says nothing about whether there is a job now.
        """
        text = self._run("sbatch", "--parsable", str(script), without=without)
        number = re.match(r"\s*(\d+)(?:;|\s*$)", text.strip().splitlines()[-1] if text.strip() else "")
        if not number:  # accepted or not, nobody knows
            raise SlurmError(f"sbatch answered {text.strip()[:200]!r} instead of a number", Kind.PASSING)
        return number.group(1)

    def queue(self) -> list[Entry]:
        """All jobs of the user in the queue, also those that ended a short while ago.

        Raises:
            SlurmError: if the queue cannot be read.
        """
        text = self._run("squeue", f"--user={self.user}", "--states=all", "--noheader", "--format=%i|%T|%r|%k")
        entries = []
        for line in text.splitlines():
            fields = line.strip().split("|", 3)
            if len(fields) != 4:
                raise SlurmError(f"squeue: a line without four fields: {line[:200]!r}", Kind.PASSING)
            entries.append(Entry(*fields))
        return entries

    def accounts(self, ids: Collection[str]) -> dict[str, Account]:
        """What the accounts say of jobs, by number; nothing on a cluster without accounts.

        Raises:
            SlurmError: if they cannot be read.
        """
        if not ids or not self._accounting:
            return {}
        command = ["sacct", "-X", "--noheader", "--parsable2", f"--jobs={','.join(sorted(ids))}"]
        try:
            text = self._run(*command, f"--format={self._fields}")
        except SlurmError as error:
            if "invalid field" in str(error).lower() and "SubmitLine" in self._fields:
                self._fields = "JobIDRaw,State,JobName"
                return self.accounts(ids)
            if "accounting storage is disabled" in str(error).lower() or "sacct: no such" in str(error).lower():
                self._accounting = False
                return {}
            raise
        found = {}
        for line in text.splitlines():
            job, state, source = [*line.strip().split("|", 2), "", ""][:3]
            if state:
                found[job] = Account(state.split()[0], source)  # "CANCELLED by 1000"
        return found

    def cancel(self, ids: Collection[str]) -> None:
        """Cancel jobs of this user; to cancel one that has ended is no error.

        Raises:
            SlurmError: if it may not have worked.
        """
        if ids:
            self._run("scancel", "--quiet", f"--user={self.user}", *sorted(ids))

    def cluster(self) -> str:
        """Name of the cluster.

        Raises:
            SlurmError: if the controller does not answer.
        """
        found = re.search(r"^ClusterName\s*=\s*(\S+)", self._run("scontrol", "show", "config"), re.M)
        if not found:
            raise SlurmError("scontrol show config: no ClusterName", Kind.PASSING)
        return found.group(1)

    def partitions(self) -> str:
        """One line for each partition and kind of node; see `limits`.

        Raises:
            SlurmError: if sinfo does not answer.
        """
        return self._run("sinfo", "--noheader", "--exact", "--format=%P|%l|%c|%m|%G|%a")

    def _run(self, *command: str, without: Collection[str] = ()) -> str:
        try:
            return self._runner(command, SECONDS[command[0]], without)
        except subprocess.TimeoutExpired as error:
            raise SlurmError(f"{command[0]}: no answer in {error.timeout:.0f} s", Kind.PASSING) from error
        except FileNotFoundError as error:
            raise SlurmError(
                f"{command[0]}: No such file or directory; is this a login node of a SLURM cluster?", Kind.FINAL
            ) from error
        except OSError as error:
            raise SlurmError(f"{command[0]}: {error.strerror}", Kind.PASSING) from error
        except subprocess.CalledProcessError as error:
            message = (error.stderr or error.output or "").strip() or f"exit code {error.returncode}"
            raise SlurmError(f"{command[0]}: {message}", self._kind(message, error.returncode)) from error

    def _kind(self, message: str, code: int) -> Kind:
        if BUSY.search(message):
            return Kind.BUSY
        silent = code < 0 or message == f"exit code {code}"  # killed, or failed without a word
        if silent or PASSING.search(message) or (self._also and self._also.search(message)):
            return Kind.PASSING
        return Kind.FINAL


def run_client(command: Sequence[str], seconds: float, without: Collection[str] = ()) -> str:
    """Output of a command, in a session of its own: Ctrl-C is for the main process, and a time-out ends all of it.

    Raises:
        subprocess.TimeoutExpired: if it took longer.
        subprocess.CalledProcessError: if it failed.
        OSError: if it cannot be started.
    """
    kept = {name: value for name, value in without_filters(os.environ).items() if name not in without}
    process = subprocess.Popen(
        list(command),
        env=kept,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=seconds)
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command), output, errors)
    return output
