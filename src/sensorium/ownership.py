"""Who works in a folder: a lock that the system frees with its process, and a record that names the process.

The record is empty while nobody holds the lock. If the lock is free and the record is not empty, its process ended
without giving the lock up: it was killed, or its machine stopped. This module never imports torch.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sensorium.artifacts import sync

log = logging.getLogger(__name__)
COMMAND_LENGTH = 100  # characters of a command that are recorded
RECORD_BYTES = 1024  # of every record, blanks included
RELEASE_SECONDS = 15.0  # in which children of a killed process notice that and end, or a new owner writes its name


@dataclass(frozen=True)
class Owner:
    """A process that holds a lock, or held it.

    Attributes:
        pid: its number.
        host: name of its machine.
        since: when it took the lock, in that machine's local time.
        command: its arguments, shortened.
        started: boot and time of its start, so that a later process with its number is not taken for it.
    """

    pid: int
    host: str
    since: str
    command: str
    started: str

    @classmethod
    def here(cls) -> Owner:
        """This process."""
        pid, since = os.getpid(), time.strftime("%Y-%m-%d %H:%M:%S")
        return cls(pid, socket.gethostname(), since, _command(), _start_of(pid))

    def is_gone(self) -> bool | None:
        """Whether the process has ended; None if that cannot be seen from this machine."""
        if self.host != socket.gethostname():
            return None
        return _start_of(self.pid) != self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since} ({self.command})"


class HeldError(Exception):
    """A lock is held by a process that is alive, or may be; the message names it."""


@contextmanager
def hold(path: Path, *, assume_gone: bool = False) -> Iterator[Owner | None]:
    """Hold a lock; yield its former owner, if that one ended without giving it up.

    Args:
        path: the lock and its record; created with its folder.
        assume_gone: on a file system without locks, whether an owner on another machine is taken to be gone.

    Raises:
        HeldError: if another process holds it.
        OSError: if the record cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        _lock(handle, path, assume_gone)
        former = read_owner(path)
        record = json.dumps(asdict(Owner.here())).ljust(RECORD_BYTES)
        os.pwrite(handle, record.encode(), 0)  # at once over a former one: there is no moment without a name
        os.fsync(handle)  # before anything that only its owner may do, also if the power fails
        sync(path.parent)
        try:
            yield former
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def read_owner(path: Path) -> Owner | None:
    """The process that a lock's record names, alive or gone; None if it was given up, or never held."""
    try:
        return Owner(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):  # empty, or being written
        return None


def _lock(handle: int, path: Path, assume_gone: bool) -> None:
    """Take the system's lock of an open file, or else judge by the record.

    Raises:
        HeldError: see `hold`.
    """
    deadline = time.monotonic() + RELEASE_SECONDS
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = read_owner(path)
            if time.monotonic() > deadline or (owner and not owner.is_gone()):
                raise HeldError(owner or f"a process that has not written its name into {path} yet") from None
            time.sleep(0.1)
        except OSError as error:  # some network file systems have no locks
            owner = read_owner(path)
            gone = owner.is_gone() if owner else True
            if gone is False:
                raise HeldError(owner) from None
            if gone is None and not assume_gone:
                raise HeldError(f"{owner}, unless it is gone: then delete {path}") from None
            log.warning("%s: cannot be locked (%s); take care that no second process works here", path, error)
            return None


def _command() -> str:
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    command = shlex.join([name, *sys.argv[1:]])
    return command if len(command) <= COMMAND_LENGTH else f"{command[:COMMAND_LENGTH]}..."


def _start_of(pid: int) -> str:
    """Boot of this machine and start of a process in ticks since then; empty if there is no such process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else f"{boot} {fields[19]}"
