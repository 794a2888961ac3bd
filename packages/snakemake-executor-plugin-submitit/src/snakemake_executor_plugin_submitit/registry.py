"""Records of works that are not over; a restarted Snakemake finds its jobs by them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Record:
    """What is known of the job of a work, on disk before sbatch is called and until the job's end has been reported.

    Attributes:
        name: of the rule or group.
        command: digest of what the job does.
        run: name of the run's folder; its last part identifies this submission.
        cluster: on which it was, or is to be, submitted.
        job_id: SLURM's number; None while it is not known whether there is a job.
        leaving: whether the job was cancelled, or is to be replaced; nothing else may start before it is gone.
        duplicates: numbers of further jobs of the same submission, which were cancelled.
        without: variables of the environment that would win over the options of the submission.
    """

    name: str
    command: str
    run: str
    cluster: str = ""
    job_id: str | None = None
    leaving: bool = False
    duplicates: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


class DamagedRecord(Exception):
    """A record that cannot be read: what it stood for is unknown."""


class Registry:
    """One small JSON file for each work whose end has not been reported yet.

    Args:
        folder: of the files; it is created if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, key: str) -> Record | None:
        """The record of a work, or None if there is none.

        Raises:
            DamagedRecord: if there is one that cannot be read.
        """
        path = self._path(key)
        try:
            values = json.loads(path.read_text())
            lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
            return Record(**{**values, **lists})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise DamagedRecord(
                f"{path}: the record of a job cannot be read ({error}). See with `squeue --me` that no job with the "
                f"comment 'snakemake {key} ...' runs, then remove the file"
            ) from error

    def write(self, key: str, record: Record) -> None:
        """Write a record atomically."""
        temporary = self._path(key).with_suffix(".new")
        with temporary.open("w") as file:
            file.write(json.dumps(asdict(record)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._path(key))

    def forget(self, key: str) -> None:
        """Remove a record, if there is one."""
        self._path(key).unlink(missing_ok=True)

    def runs(self) -> list[str]:
        """Names of the run folders that records need; of one that cannot be read, none."""
        found = []
        for path in self._folder.glob("*.json"):
            try:
                record = self.read(path.stem)
            except DamagedRecord:
                continue
            if record:
                found.append(record.run)
        return found

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def members(job: Any) -> list[Any]:
    """The jobs of a group, or the job itself."""
    return sorted(job.jobs, key=lambda each: str(each.get_target_spec())) if job.is_group() else [job]


def plain(name: str, most: int = 40) -> str:
    """A name as part of a file's name, or of a line of a script; a group or a wildcard may be called anything."""
    kept = "".join(each if each.isascii() and (each.isalnum() or each in "-_.") else "_" for each in name)
    return kept[:most]


def title_of(job: Any) -> str:
    """What a job is called in the queue: its rule with its wildcards, or its group."""
    if job.is_group():
        return plain(job.name, 80)
    return ".".join([job.rule.name, *(plain(str(value)) for value in job.wildcards)])[:80]


def job_key(job: Any, folder: Path) -> str:
    """A lasting name of a work: the digest of its rules and wildcards and of the folder in which it is done."""
    return _digest([str(folder), *(str(member.get_target_spec()) for member in members(job))])[:16]


def command_digest(job: Any) -> str:
    """Digest of what a job does: its commands, parameters, inputs and outputs, without its resources."""
    return _digest(
        [
            [
                member.rule.name,
                str(member.shellcmd or member.rule.script or member.rule.notebook or member.rule.wrapper),
                sorted((str(name), str(value)) for name, value in member.params.items()),
                [str(value) for value in member.params],
                [str(path) for path in member.input],
                [str(path) for path in member.output],
            ]
            for member in members(job)
        ]
    )


def _digest(value: Iterable[Any]) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
