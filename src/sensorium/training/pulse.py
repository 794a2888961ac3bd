"""Signs of life of the ranks on one node: a rank that hangs is ended, so that its job ends instead of waiting for it.

Each rank touches a file every few seconds, from a thread, whatever it computes. The launcher of its node ends a rank
whose file stands still: it is stopped, or stuck where not even Python's threads run. What ends a rank that died then
ends the others too; one of them that has saved leaves its exit code, which torchrun's agent does not pass on.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

VARIABLE = "SENSORIUM_PULSE"  # names the folder of the files
SECONDS = 2.0  # between two signs of life
SILENT_SECONDS = 25.0  # until a rank is ended
EXIT = "exit"
_over = threading.Event()
log = logging.getLogger(__name__)


def beat(rank: int, seconds: float = SECONDS) -> None:
    """Leave signs of life from now on, if this node's launcher looks at them."""
    folder = os.environ.get(VARIABLE)
    if folder:
        path = Path(folder) / f"{rank}.{os.getpid()}"
        path.touch()
        _over.clear()
        threading.Thread(target=_beat, args=(path, seconds), daemon=True).start()


def rest() -> None:
    """Leave no further sign of life: this rank ends, which may take longer than a silence that means something."""
    _over.set()


def _beat(path: Path, seconds: float) -> None:
    number = 0
    while True:
        if _over.wait(seconds):
            with suppress(OSError):
                path.unlink()
            return
        number += 1
        try:
            path.write_text(str(number))
        except OSError:  # the launcher is gone, or the disk is full: the launcher then sees no change, and no file
            with suppress(OSError):
                path.unlink()
            return


def note_exit(code: int) -> None:
    """Leave the exit code that the launcher of this node is to end with, whichever rank failed first."""
    folder = os.environ.get(VARIABLE)
    if folder:
        with suppress(OSError):
            Path(folder, EXIT).write_text(str(code))


class Watch:
    """Looks at the ranks of this node.

    Args:
        folder: of their files.
        silent: seconds until a rank without a sign of life is ended.
        clock: monotonic seconds.
    """

    def __init__(
        self, folder: Path, silent: float = SILENT_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._silent, self._clock = folder, silent, clock
        self._seen: dict[Path, tuple[str, float]] = {}
        self.ended: dict[int, int] = {}

    def look(self) -> None:
        """End the ranks that have been silent for too long; `ended` holds rank and process id of each."""
        now = self._clock()
        for path in self._folder.glob("*.*"):
            text = path.read_text()
            before, since = self._seen.get(path, ("", now))
            if path not in self._seen or text != before:
                self._seen[path] = (text, now)
                continue
            rank, pid = map(int, path.name.split("."))
            if now - since > self._silent and rank not in self.ended and _is_alive(pid):
                self.ended[rank] = pid
                log.error(
                    "rank %d on %s gave no sign of life for %.0f s and is ended; the same command goes on from the "
                    "last checkpoint",
                    rank,
                    os.uname().nodename,
                    self._silent,
                )
                os.kill(pid, signal.SIGKILL)

    def noted_exit(self) -> int | None:
        """The exit code that a rank left, if one did."""
        try:
            return int((self._folder / EXIT).read_text())
        except (OSError, ValueError):
            return None

    def start(self) -> None:
        """Look every few seconds, from a thread."""
        threading.Thread(target=self._look_on, daemon=True).start()

    def _look_on(self) -> None:
        while True:
            time.sleep(SECONDS)
            with suppress(OSError, ValueError):  # the folder goes when the ranks have ended
                self.look()


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended is not silent, and its number may be another's."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
