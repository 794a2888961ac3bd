"""What the user reads while jobs wait and run: each change once, and a line a minute at most for all."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from snakemake_executor_plugin_submitit import advice
from snakemake_executor_plugin_submitit.keeper import Keeper

TAIL_LINES = 40
COUNT_SECONDS = 60.0
REPEATED_SECONDS = 600.0  # before the same warning is given again


class Reporter:
    """Writes to Snakemake's log.

    Args:
        logger: Snakemake's.
    """

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._titles: dict[str, str] = {}
        self._given: dict[str, float] = {}
        self._counted = time.monotonic()
        self._last = ""

    def name(self, key: str, title: str) -> None:
        """Remember how a work is called."""
        self._titles[key] = title

    def once(self, text: str) -> None:
        """Warn, once."""
        if text not in self._given:
            self._given[text] = time.monotonic()
            self._logger.warning(text)

    def warn(self, text: str) -> None:
        """Warn; the same words again after a while."""
        now, subject = time.monotonic(), text.partition(";")[0]
        if now - self._given.get(subject, -REPEATED_SECONDS) >= REPEATED_SECONDS:
            self._given[subject] = now
            self._logger.warning(f"SLURM: {text}")

    def noted(self, key: str, job: str | None, what: str, log: Path) -> None:
        """What happened to a work's job."""
        title = self._titles.get(key, key)
        if what == "was submitted":
            path = shown(Path(str(log).replace("%j", str(job))))
            self._logger.info(f"{title} is SLURM job {job}, log: {path}")
        elif what.startswith("is found again"):
            state = what.removeprefix("is found again ")
            self._logger.info(
                f"Re-attached to SLURM job {job}, which was submitted for {title} {state}, log: {shown(log)}"
            )
        else:
            self._logger.info(f"SLURM job {job or 'unknown'}, which was submitted for {title}, {what}")

    def changed(self, key: str, job: str | None, state: str, reason: str) -> None:
        """A job has another state, or waits for another reason."""
        title, text = self._titles.get(key, key), advice.on(state, reason, job)
        line = f"{title}, SLURM job {job}: {advice.line(state, reason)}" if job else f"{title} {state}: {reason}"
        if text:
            self._logger.warning(f"{line}: {text}")
        else:
            self._logger.info(line)

    def count(self, keeper: Keeper) -> None:
        """How many jobs wait, run and have ended: once a minute at most, and only if that has changed."""
        now = time.monotonic()
        if now - self._counted < COUNT_SECONDS:
            return
        self._counted = now
        states = Counter(life.state for life in list(keeper.lives.values()))
        running = sum(number for (state, _), number in states.items() if state in ("RUNNING", "COMPLETING"))
        waiting = sum(states.values()) - running
        reasons = ", ".join(
            f"{reason} {number}" for (state, reason), number in states.most_common() if state == "PENDING" and reason
        )
        text = f"jobs: {waiting} wait{f' ({reasons})' if reasons else ''}, {running} run, {keeper.ended} ended"
        if text != self._last:
            self._last = text
            self._logger.info(text)


def shown(path: Path) -> Path:
    """A path as the user would write it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def tail(path: Path) -> str:
    """The end of a log, with its path."""
    try:
        lines = path.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    except OSError as error:
        return f"{shown(path)}: {error.strerror}"
    return "\n    ".join([f"{shown(path)}:", *lines])
