"""What runs inside a job: a nested Snakemake, the signals that reach it, and the requeue.

SLURM sends SIGUSR2 to every process of a job before its time limit, and SIGTERM when it preempts, requeues or cancels.
A program that saves its state on such a signal ends with a failure; then this task puts the job back into the queue
and the same command goes on from the saved state. Programs without a handler for SIGUSR2 never receive it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

import submitit
from submitit.local.local import LOCAL_REQUEUE_RETURN_CODE
from tenacity import Retrying, retry_if_result, wait_exponential

LIMIT = signal.SIGUSR2
STRAGGLERS_SECONDS = 600
LONGEST_PAUSE = 30.0  # seconds between two requests for a requeue
PR_SET_CHILD_SUBREAPER = 36


class JobFailed(Exception):
    """The nested Snakemake failed, or the job was requeued too often."""


class SnakemakeTask:
    """A callable that submitit pickles and sends to the job. It holds only a string and a number.

    Args:
        command: the shell command by which Snakemake runs one of its jobs.
        max_requeues: how often the job may put itself back into the queue.
    """

    def __init__(self, command: str, max_requeues: int) -> None:
        self.command = command
        self.max_requeues = max_requeues

    def __call__(self) -> None:
        """Run the command to its end, or until a signal stops it and the job is in the queue again.

        Raises:
            JobFailed: names the exit code, or the number of requeues.
        """
        if "SUBMITIT_EXECUTOR" not in os.environ:  # cluster=debug runs in the main process and leaves its signals alone
            return self._finish(_start(self.command).wait())
        sys.tracebacklimit = 0  # so that the log ends with the program's own messages
        environment = submitit.JobEnvironment()
        result = environment.paths.result_pickle
        if result.exists():  # the job ended, but its node died before SLURM noted it, so SLURM started it again
            sys.exit(0)
        result.with_name(f"{result.name}.save_tmp").unlink(missing_ok=True)  # of a run that was killed while writing
        _adopt_orphans()
        signals = _Signals()
        nested = _start(self.command)
        try:
            code = signals.watch(nested, relay=environment.cluster == "local")
        except BaseException:  # cancelled
            _send(signal.SIGTERM, _descendants())
            raise
        if not code or not signals.stopping:
            return self._finish(code)
        _wait_for_stragglers()
        self._requeue(environment, signals.stopping)

    def _finish(self, code: int) -> None:
        if code:
            raise JobFailed(f"snakemake ended with exit code {code}")

    def _requeue(self, environment: submitit.JobEnvironment, cause: signal.Signals) -> NoReturn:
        if environment.cluster != "slurm":
            self._count(environment.paths.folder, cause)
            sys.exit(LOCAL_REQUEUE_RETURN_CODE)
        job = environment.job_id
        if cause is not LIMIT and _state(job) != "RUNNING":
            sys.exit(1)  # SLURM has cancelled or requeued the job already
        self._count(environment.paths.folder, cause)
        # Without a limit: SLURM answers at some time, or ends the job.
        attempts = Retrying(retry=retry_if_result(bool), wait=wait_exponential(max=LONGEST_PAUSE))
        attempts(lambda: subprocess.run(["scontrol", "requeue", job], check=False).returncode)
        sys.exit(1)

    def _count(self, folder: Path, cause: signal.Signals) -> None:
        record = folder / "requeues"
        lines = record.read_text().splitlines() if record.exists() else []
        if len(lines) >= self.max_requeues:
            raise JobFailed(
                f"requeued {len(lines)} times without coming to an end; if it does make progress, start again with "
                "a greater --submitit-max-requeues: it goes on from its last save"
            )
        record.write_text("\n".join([*lines, f"{time.strftime('%F %T')} {cause.name}"]) + "\n")
        print(f"stopped by {cause.name} with its state saved: requeue {len(lines) + 1}", flush=True)


class _Signals:
    """Collects the signals that request a stop, while a job is watched.

    Attributes:
        stopping: the last of them; None before the first.
    """

    def __init__(self) -> None:
        self.stopping: signal.Signals | None = None
        self._new: list[signal.Signals] = []
        self._signalled: set[int] = set()
        for number in (LIMIT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._new.append(signal.Signals(number))

    def watch(self, nested: subprocess.Popen[bytes], relay: bool) -> int:
        """Wait for the end of a process; return its exit code.

        Args:
            nested: the process.
            relay: whether to pass signals on, because they reach this process alone.
        """
        while True:
            try:
                code = nested.wait(0.5)
            except subprocess.TimeoutExpired:
                code = None
            while self._new:
                self.stopping = self._new.pop(0)
                print(f"{self.stopping.name}: what saves its state and ends goes on after a requeue", flush=True)
            if code is not None:
                return code
            self._repeat(relay)

    def _repeat(self, relay: bool) -> None:
        """Send the signal to programs that were not ready for it when it came: they had no handler for it then."""
        if self.stopping is LIMIT or (relay and self.stopping):
            late = [pid for pid in _descendants() if pid not in self._signalled and _catches(pid, self.stopping)]
            self._signalled.update(late)
            _send(self.stopping, late)


def _start(command: str) -> subprocess.Popen[bytes]:
    # Programs without a handler inherit that the signal is ignored; otherwise it would kill them.
    return subprocess.Popen(["bash", "-c", command], preexec_fn=lambda: signal.signal(LIMIT, signal.SIG_IGN))


def _adopt_orphans() -> None:
    """Become the parent of processes whose parent dies: SIGTERM kills a shell before its program has saved."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _wait_for_stragglers() -> None:
    """Wait until the programs that are still saving have ended."""
    end = time.monotonic() + STRAGGLERS_SECONDS
    try:
        while time.monotonic() < end:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.1)
    except ChildProcessError:
        return


def _descendants() -> list[int]:
    """Every process that this one started, directly or not."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):  # ended meanwhile
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    mask = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(mask, 16) >> (number - 1) & 1)


def _send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _state(job: str) -> str:
    command = ["squeue", "--noheader", f"--jobs={job}", "--format=%T"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
