"""One training at a time in a run folder, because two would overwrite each other's checkpoints."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sensorium.exits import StorageError, writing
from sensorium.ownership import HeldError, hold

log = logging.getLogger(__name__)


@contextmanager
def sole_owner(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder. The system releases it when the process ends, even if it is killed.

    Where a file system has no locks, a training that a failed node has left must go on elsewhere, so an owner on
    another machine is taken to be gone.

    Raises:
        StorageError: if another process holds it, naming process, host, time and command.
    """
    with ExitStack() as held:
        try:
            with writing(folder / "lock"):
                former = held.enter_context(hold(folder / "lock", assume_gone=True))
        except HeldError as error:
            raise StorageError(
                f"{folder}: another process trains here: {error}. Wait for it, or stop it, and run the same command "
                "again"
            ) from error
        if former:
            log.info("%s: going on after %s, which is gone", folder, former)
        yield
