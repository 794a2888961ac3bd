"""Lines that say what a program does and how far it is: whole lines, printed at once, few enough for a log."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterable, Sized
from dataclasses import dataclass
from typing import TypeVar

LINE_SECONDS = 10.0  # between two lines of progress
Item = TypeVar("Item")


@dataclass(eq=False)
class _Loop:
    """A loop that runs: what it counts, how many there are, when it began, how many are done, and since when."""

    what: str
    total: int
    began: float
    done: int = 0
    since: float = 0.0

    def state(self, now: float) -> str:
        counts = f"{self.what} {self.done}/{self.total}"
        if not self.done:
            return counts
        each = (self.since - self.began) / self.done
        left = max(0.0, (self.total - self.done) * each - (now - self.since))
        return f"{counts} ({short(1 / max(each, 1e-9))}/s, {clock(left)} left)"


_loops: list[_Loop] = []  # from the outermost to the innermost
_printed_at = time.monotonic()


def say(line: str) -> None:
    """Print a line at once; where several ranks share a training, only the first one does."""
    global _printed_at
    _printed_at = time.monotonic()
    if os.environ.get("RANK", "0") == "0":
        print(line, flush=True)


def track(items: Iterable[Item], what: str, total: int | None = None) -> Generator[Item, None, None]:
    """The items; whenever nothing was printed for LINE_SECONDS, a line says how many of them are done.

    Loops may be nested; a line names all that run, each with its rate and time left as soon as an item is done:
    "networks 0/4, windows 128/512 (42.7/s, 0:00:09 left)".

    Args:
        items: what is looped over.
        what: the items' name in the lines, in plural.
        total: how many there are; None: as many as the items' length.

    Raises:
        TypeError: if neither is known.
    """
    if total is None:
        if not isinstance(items, Sized):
            raise TypeError(f"{what}: {type(items).__name__} has no length; give a total")
        total = len(items)
    loop = _Loop(what, total, time.monotonic())
    _loops.append(loop)
    try:
        for item in items:
            yield item
            loop.done, loop.since = loop.done + 1, time.monotonic()
            if loop.since - _printed_at >= LINE_SECONDS:
                say(", ".join(each.state(loop.since) for each in _loops))
    finally:
        _loops.remove(loop)


def short(number: float) -> str:
    """A number above zero in three digits, or as a whole number."""
    return f"{number:.3g}" if number < 100 else f"{number:.0f}"


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
