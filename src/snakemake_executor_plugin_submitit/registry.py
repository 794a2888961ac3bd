"""Records of submitted jobs; a restarted Snakemake finds its jobs by them."""

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
    """A submitted job.

    Attributes:
        name: of the rule or group.
        command: digest of what the job does.
        job_id: SLURM's; None while the job is being submitted.
        cancelled: whether the executor has cancelled it.
    """

    name: str
    command: str
    job_id: str | None = None
    cancelled: bool = False


class Registry:
    """One small JSON file for each submitted job whose end has not been reported yet.

    Args:
        folder: of the files; it is created if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, key: str) -> Record | None:
        """The record of a job, or None if there is none that can be read."""
        try:
            return Record(**json.loads(self._path(key).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, key: str, record: Record) -> None:
        """Write a record atomically."""
        temporary = self._path(key).with_suffix(".new")
        temporary.write_text(json.dumps(asdict(record)))
        os.replace(temporary, self._path(key))

    def forget(self, key: str) -> None:
        """Remove a record, if there is one."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def members(job: Any) -> list[Any]:
    """The jobs of a group, or the job itself."""
    return sorted(job.jobs, key=lambda each: str(each.get_target_spec())) if job.is_group() else [job]


def job_key(job: Any, folder: Path) -> str:
    """A lasting name of a job: the digest of its rules and wildcards and of the folder in which it works."""
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
