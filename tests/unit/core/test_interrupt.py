"""Signals and the deadline set a flag and nothing more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from sensorium.training.interrupt import SIGNALS, Interrupt, ignore_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupt() as interrupt:
        assert interrupt.reason() is None
        os.kill(os.getpid(), number)
        assert interrupt.reason() == number.name
    after = signal.signal(number, before)
    assert after == (signal.SIG_IGN if number in (signal.SIGUSR1, signal.SIGUSR2) else before)


def test_a_signal_that_is_sent_again_does_not_end_what_has_saved() -> None:
    """SLURM's is repeated until a program listens; the second one may come when the state is saved."""
    code = (
        "import os, signal, sys\nfrom sensorium.training.interrupt import Interrupt\n"
        "signal.signal(signal.SIGUSR2, signal.SIG_DFL)\n"  # a test before may have left it ignored, and it is inherited
        "with Interrupt() as interrupt: os.kill(os.getpid(), signal.SIGUSR2)\n"
        "os.kill(os.getpid(), signal.SIGUSR2)\nsys.exit(75)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 75


def test_a_signal_that_comes_after_another_ranks_does_not_end_what_has_saved() -> None:
    """Ranks stop together, and a scheduler reaches one after the other."""
    code = (
        "import os, signal, sys\nfrom sensorium.training.interrupt import Interrupt, StoppedEarly\n"
        "signal.signal(signal.SIGUSR2, signal.SIG_DFL)\n"
        "try:\n    with Interrupt(): raise StoppedEarly\nexcept StoppedEarly: os.kill(os.getpid(), signal.SIGUSR2)\n"
        "sys.exit(75)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 75


def test_the_deadline_leaves_time_for_the_save(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    with Interrupt(max_minutes=10) as interrupt:
        for minute, reserve, expected in [(9, 0, None), (9, 70, "--max-minutes 10"), (9.9, 0, "--max-minutes 10")]:
            monkeypatch.setattr(time, "monotonic", lambda minute=minute: now + 60 * minute)
            assert interrupt.reason(reserve) == expected


def test_workers_ignore_them() -> None:
    if not (child := os.fork()):
        ignore_signals(0)
        for number in SIGNALS:
            os.kill(os.getpid(), number)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
