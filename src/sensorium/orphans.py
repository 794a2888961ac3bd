"""Processes that outlive the run that has started them: they would go on writing where the next run writes.

A run marks its environment with its folder, and its children inherit the mark. Whoever is alone in that folder may
stop what carries the mark. A process that is of no use without the one that has started it ends with that one by
itself. This module never imports torch.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

MARK = "SENSORIUM_RUN_IN"
SAVE_SECONDS = 120.0  # after SIGTERM a training makes its step and saves
POLL_SECONDS = 0.1
PR_SET_PDEATHSIG = 1  # of linux/prctl.h
COMMAND_LENGTH = 100  # characters of a command that are shown


def mark(folder: Path) -> None:
    """Mark what this process starts from now on as belonging to the run in a folder."""
    os.environ[MARK] = identity(folder)


def identity(folder: Path) -> str:
    """Device and number of a folder: it may have several paths, and in a container its path may be another's."""
    found = folder.stat()
    return f"{found.st_dev}:{found.st_ino}"


def end_with_parent() -> None:
    """Have the system send SIGTERM to this process when its parent ends, however that ends (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def find_orphans(folder: Path) -> dict[int, str]:
    """Number and command of each process of this machine that earlier runs in a folder have left.

    Jobs of a scheduler are none: it started them, and the next run may re-attach to them. Other users' processes cannot
    be seen.
    """
    return {pid: " ".join(_entries(Path(f"/proc/{pid}/cmdline")))[:COMMAND_LENGTH] for pid in _marked(folder)}


def stop_orphans(folder: Path) -> None:
    """Stop these processes, and wait until they have ended. A training saves its state first."""
    signalled: set[int] = set()
    deadline = time.monotonic() + SAVE_SECONDS
    while left := _marked(folder):
        _send(signal.SIGTERM, set(left) - signalled)
        signalled.update(left)
        if time.monotonic() > deadline:
            _send(signal.SIGKILL, set(left))
        time.sleep(POLL_SECONDS)


def _marked(folder: Path) -> list[int]:
    marked, job = f"{MARK}={identity(folder)}", f"SLURM_JOB_ID={os.environ.get('SLURM_JOB_ID')}"
    own, found = _ancestors(), []
    for path in Path("/proc").glob("[0-9]*"):
        variables = _entries(path / "environ")
        scheduled = any(entry.startswith("SLURM_JOB_ID=") and entry != job for entry in variables)
        if marked in variables and not scheduled and int(path.name) not in own:
            found.append(int(path.name))
    return found


def _ancestors() -> set[int]:
    """This process and those that have started it."""
    pid, found = os.getpid(), set()
    while pid > 0:
        found.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return found


def _entries(path: Path) -> list[str]:
    """Entries of a list in /proc, which ends each with a null byte; none if the process is gone or another user's."""
    try:
        return path.read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _send(number: signal.Signals, pids: set[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
