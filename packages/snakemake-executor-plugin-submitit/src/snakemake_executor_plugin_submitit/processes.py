"""The processes of a job: those below this one, their ends, and what SLURM says of the job (Linux: /proc, prctl)."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of processes whose parent dies: SIGTERM kills a shell before its program has saved."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for_stragglers(seconds: float) -> list[int]:
    """Wait until the programs that are still saving have ended; return their exit codes."""
    end, codes = time.monotonic() + seconds, []
    try:
        while time.monotonic() < end:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid:
                codes.append(os.waitstatus_to_exitcode(status))
            else:
                time.sleep(0.1)
    except ChildProcessError:
        pass
    return codes


def descendants() -> list[int]:
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


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    mask = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(mask, 16) >> (number - 1) & 1)


def send(number: signal.Signals, pids: Collection[int]) -> None:
    """Signal processes; those that have ended do not matter."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def state_of(job: str) -> str:
    """SLURM's state of a job, by squeue or else by scontrol; empty if neither says."""
    asked = ["squeue", "--noheader", f"--jobs={job}", "--format=%T"], ["scontrol", "--oneliner", "show", "job", job]
    for command, pattern in zip(asked, (r"^(\S+)", r"\bJobState=(\S+)"), strict=True):
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            continue
        if found := re.search(pattern, answer):
            return found[1]
    return ""


def runs_on(job: str, seconds: float) -> bool:
    """Whether SLURM lets a job run to which it sent SIGTERM; while it does not say, wait for it to end this process.

    A job that was cancelled or is requeued must not be put into the queue a second time.
    """
    end = time.monotonic() + seconds
    while not (state := state_of(job)) and time.monotonic() < end:
        time.sleep(2.0)
    return state in ("RUNNING", "")
