"""Lines of progress of a pass over the recordings of a shard."""

from __future__ import annotations

import time

LINE_SECONDS = 10.0  # between two lines


class Progress:
    """Prints how far a shard is, how fast it goes and how long it will take.

    Args:
        shard: its number.
        recordings: how many it will have.
    """

    def __init__(self, shard: int, recordings: int) -> None:
        self._shard, self._recordings = shard, recordings
        self._began = self._printed = time.monotonic()

    def update(self, done: int, frames: int, bad: int | None = None) -> None:
        """Print a line, if the last one is LINE_SECONDS old or the shard is complete.

        Args:
            done: recordings that are done, at least 1.
            frames: their frames.
            bad: how many of them are in quarantine; None where there is no quarantine.
        """
        now = time.monotonic()
        if now - self._printed <= LINE_SECONDS and done < self._recordings:
            return
        self._printed, seconds = now, max(now - self._began, 1e-9)
        quarantine = "" if bad is None else f" {bad} bad,"
        print(
            f"shard {self._shard}: {done}/{self._recordings} recordings,{quarantine} "
            f"{frames / seconds:.0f} frames/s, {(self._recordings - done) * seconds / done:.0f} s left",
            flush=True,
        )
