"""Stopping early: a signal or the deadline sets a flag; the loop finishes its step, saves and exits with 75."""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
OF_SCHEDULERS = (signal.SIGUSR1, signal.SIGUSR2)  # which are sent until the process listens, so more than once


class StoppedEarly(Exception):
    """The stage stopped early and saved its state (exit 75); the same command goes on from there."""

    exit_code = 75


class Interrupt:
    """Notes signals and the deadline while it is entered. The signal handler only stores the signal's name.

    Args:
        max_minutes: minutes from now at which the process must be gone; 0 for no deadline.
    """

    def __init__(self, max_minutes: float = 0.0) -> None:
        self._signal: str | None = None
        self._max_minutes = max_minutes
        self._started = time.monotonic()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        for number in SIGNALS:
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            # One that comes now, again or after another rank's, would end the process before it says what it saved.
            stopped = self._signal is not None or isinstance(error, StoppedEarly)
            again = stopped and handler == signal.SIG_DFL and number in OF_SCHEDULERS
            signal.signal(number, signal.SIG_IGN if again else handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.scheduled:  # a later one says less
            self._signal = signal.Signals(number).name

    @property
    def scheduled(self) -> bool:
        """Whether a scheduler announced the end of this job. A launcher that lost a rank sends SIGTERM."""
        return self._signal in {number.name for number in OF_SCHEDULERS}

    def reason(self, reserve: float = 0.0) -> str | None:
        """The reason to stop now, or None.

        Args:
            reserve: the most seconds that one more step and its save may take.
        """
        if self._signal:
            return self._signal
        if self._max_minutes:
            limit = 60 * self._max_minutes
            margin = reserve + min(10.0, 0.05 * limit)  # leaving the process takes time too
            if time.monotonic() - self._started > limit - margin:
                return f"--max-minutes {self._max_minutes:g}"
        return None


def ignore_signals(worker: int) -> None:
    """Make a data worker ignore signals to the process group, so that the main process still gets its batches."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
