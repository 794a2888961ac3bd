"""The folder of one run of a job: what the job needs at its start, who may work, a sign of life, and how it ended.

Everything is made before sbatch is called. Who may work is decided by renaming one file, which a file system does once:

    ticket            nobody works yet
    claim.42.1        SLURM job 42 works; this is its first start (a requeue makes claim.42.2 of it)
    revoked           nobody may work here any more; whoever does notices within a heartbeat and stops

So a job that comes late, twice, or back from a lost node does nothing, whatever SLURM answers meanwhile.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from submitit.core.utils import pickle_load

TICKET, REVOKED, BEAT, LEFT, AGAIN, FINISHED = "ticket", "revoked", "beat", "left", "again.json", "finished.json"
SCRIPT, PICKLE, REQUEUES, RESULT = "submission.sh", "submitted.pkl", "requeues", "_result.pkl"


@dataclass(frozen=True)
class Outcome:
    """How a job ended, as the job itself recorded it.

    Attributes:
        success: whether its command succeeded.
        when: seconds since the epoch.
    """

    success: bool
    when: float


class RunFolder:
    """One run's folder.

    Args:
        path: every node must see it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> None:
        """Make the folder's ticket, the last file before sbatch may be called."""
        (self.path / TICKET).touch()

    # -- who may work

    def claim(self, job_id: str) -> tuple[int, bool] | None:
        """Claim the run for a SLURM job.

        Returns:
            The number of its start, and whether an earlier start, which did not leave in good order, may still work
            somewhere: it stops when it sees that it lost its claim. None if the job may not work here.
        """
        start = self._start_of(job_id)
        lost = start > 0 and not self.left
        before = self.path / (f"claim.{job_id}.{start}" if start else TICKET)
        mine = f"claim.{job_id}.{start + 1}"
        if not before.exists():
            return None
        self.beat(f"{job_id}.{start + 1}.0")  # first: an earlier start may have left in good order
        with suppress(FileNotFoundError):  # over a network, a rename that was done may be answered so
            os.rename(before, self.path / mine)
        return (start + 1, lost) if self.holds(job_id, start + 1) else None

    def holds(self, job_id: str, start: int) -> bool:
        """Whether a start of a job may work, or go on working."""
        return (self.path / f"claim.{job_id}.{start}").exists()

    def revoke(self) -> str | None:
        """End the right to work here; return the SLURM job that had claimed it, or None if none had."""
        while not self.revoked:
            claims = [name for name in self._names() if name.startswith("claim.")]
            before = claims[0] if claims else TICKET
            try:
                os.rename(self.path / before, self.path / before.replace("claim", REVOKED).replace(TICKET, REVOKED))
            except FileNotFoundError:  # claimed meanwhile, or never made ready: then nobody can claim it
                if not claims and not any(name.startswith(("claim.", TICKET)) for name in self._names()):
                    self.path.mkdir(parents=True, exist_ok=True)  # someone removed it, or tidied it
                    (self.path / REVOKED).touch()
        return self.begun()

    @property
    def revoked(self) -> bool:
        """Whether the right to work here was ended."""
        return any(name.startswith(REVOKED) for name in self._names())

    def begun(self) -> str | None:
        """The SLURM job that claimed this run, also if that was revoked."""
        found = (name.split(".") for name in self._names() if name.startswith(("claim.", f"{REVOKED}.")))
        return next((parts[1] for parts in found), None)

    def _start_of(self, job_id: str) -> int:
        starts = [int(name.split(".")[2]) for name in self._names() if name.startswith(f"claim.{job_id}.")]
        return max(starts, default=0)

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.path)
        except FileNotFoundError:
            return []

    # -- signs of life

    def beat(self, text: str) -> None:
        """Leave a sign of life, different from the last one."""
        (self.path / BEAT).write_text(text)

    def pulse(self) -> str:
        """The last sign of life; it changes while the job lives."""
        try:
            return (self.path / BEAT).read_text()
        except OSError:
            return ""

    def leave(self) -> None:
        """Note that a start of the job is over in good order: none of its programs runs."""
        (self.path / LEFT).write_text(self.pulse())

    @property
    def left(self) -> bool:
        """Whether the start that gave the last sign of life is over in good order."""
        try:
            return (self.path / LEFT).read_text() == self.pulse()
        except OSError:
            return False

    # -- the end

    def outcome(self) -> Outcome | None:
        """The outcome that a job recorded; None if it has not ended, or was killed."""
        for name in self._names():
            if name.endswith(RESULT):
                path = self.path / name
                try:
                    return Outcome(pickle_load(path)[0] == "success", path.stat().st_mtime)
                except (OSError, EOFError):
                    return None
        return None

    def wish(self, cause: str) -> None:
        """Note that the job saved its state, and wants to go on in a new job, as this site does not requeue."""
        temporary = self.path / "again.new"
        temporary.write_text(json.dumps({"cause": cause}))
        temporary.replace(self.path / AGAIN)

    @property
    def wishes(self) -> bool:
        """Whether the job wants to go on in a new one."""
        return (self.path / AGAIN).exists()

    def starts_over(self) -> list[str]:
        """A line for each time that the job stopped with its state saved."""
        path = self.path / REQUEUES
        return path.read_text().splitlines() if path.exists() else []

    def log(self) -> Path:
        """The newest log, or where it will be."""
        logs = [self.path / name for name in self._names() if name.endswith("_log.out")]
        return max(logs, key=lambda path: path.stat().st_mtime, default=self.path / "%j_0_log.out")

    def tidy(self) -> None:
        """Remove everything but the logs, and how it ended: another main process may still wait for that."""
        for name in self._names():
            if not name.endswith(("_log.out", REQUEUES, RESULT)):
                (self.path / name).unlink(missing_ok=True)


def sweep(folder: Path, kept: Iterable[str], now: float, days: float, most: int = 2000) -> int:
    """Remove folders of runs that are over: those older than some days, and the oldest beyond a number.

    Args:
        folder: of the runs.
        kept: names of runs that a record still needs.
        now: seconds since the epoch.
        days: for which a run's log is kept.
        most: runs that are kept at all.

    Returns:
        How many were removed.
    """
    needed = set(kept)
    found = sorted(
        ((path.stat().st_mtime, path) for path in folder.iterdir() if path.is_dir() and path.name not in needed),
        reverse=True,
    )
    old = [path for place, (when, path) in enumerate(found) if place >= most or now - when > days * 86400]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return len(old)
