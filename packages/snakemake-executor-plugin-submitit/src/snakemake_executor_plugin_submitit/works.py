"""What the keeper keeps: works, what this process knows of each, how they end, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from snakemake_executor_plugin_submitit.clients import Account, Entry
from snakemake_executor_plugin_submitit.registry import Record
from snakemake_executor_plugin_submitit.runs import RunFolder


class Clients(Protocol):
    """What is needed of `clients.Slurm`."""

    def submit(self, script: Path, without: Collection[str] = ()) -> str: ...
    def queue(self) -> list[Entry]: ...
    def accounts(self, ids: Collection[str]) -> dict[str, Account]: ...
    def cancel(self, ids: Collection[str]) -> None: ...
    def cluster(self) -> str: ...


class Unreachable(Exception):
    """SLURM could not be reached for too long; its jobs go on."""


@dataclass(frozen=True)
class Work:
    """What Snakemake wants done.

    Attributes:
        key: lasting name of the work.
        name: of the rule or group.
        command: digest of what is to be done.
        prepare: writes everything that a run's job needs into its folder: (folder, comment, earlier run or None);
            returns the variables that would win over its options.
        took: whether an earlier run, which ended well at a time, counts as the work.
    """

    key: str
    name: str
    command: str
    prepare: Callable[[Path, str, RunFolder | None], Collection[str]]
    took: Callable[[float], bool] = lambda when: True


@dataclass(frozen=True)
class End:
    """A work that is over.

    Attributes:
        key: of the work.
        success: whether it was done.
        state: of its job in SLURM's terms; REFUSED if there was none.
        job_id: of its last job.
        log: of its last job.
        message: what else is known.
    """

    key: str
    success: bool
    state: str
    job_id: str | None
    log: Path
    message: str = ""


@dataclass
class Life:
    """A work and what this process knows of its run; times are those of the clock."""

    work: Work
    record: Record | None = None
    fresh: bool = False
    called: float = 0.0
    listed: float = 0.0
    pulse: str = ""
    beaten: float = 0.0
    cancelled: float = -1e9
    old: bool = False
    state: tuple[str, str] = ("", "")
    refusal: str = ""


@dataclass
class Answers:
    """What SLURM said in one round."""

    began: float
    queue: list[Entry] | None = None
    accounts: dict[str, Account] | None = None
    submitting: bool = True


@dataclass
class Hearing:
    """What the keeper reports while it works: replaced by the executor.

    Attributes:
        said: a warning for the user.
        noted: what happened to a work's job: (key, job, text, log).
        changed: a work's job has another state: (key, job, state, reason).
    """

    said: Callable[[str], None] = lambda text: None
    noted: Callable[[str, str | None, str, Path], None] = lambda *about: None
    changed: Callable[[str, str | None, str, str], None] = lambda *about: None


def comment_of(key: str, run: str) -> str:
    """The comment by which a run's job is found in the queue."""
    return f"snakemake {key} {run.rpartition('.')[2]}"
