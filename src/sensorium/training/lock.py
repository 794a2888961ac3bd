"""One training at a time in a run folder, because two would overwrite each other's checkpoints."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sensorium.exits import StorageError, writing

log = logging.getLogger(__name__)


@contextmanager
def sole_owner(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder. The system releases it when the process ends, even if it is killed.

    Raises:
        StorageError: if another process holds it, naming host and process.
    """
    path = folder / "lock"
    with writing(path):
        path.touch()
    with path.open("r+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                f"{folder}: another process trains here ({handle.read().strip() or 'it has not said which'}): "
                "wait for it, or stop it and run the same command again"
            ) from error
        except OSError as error:  # some network file systems have no locks
            log.warning("%s: cannot be locked (%s); take care that no second training runs here", folder, error)
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        handle.flush()
        yield
