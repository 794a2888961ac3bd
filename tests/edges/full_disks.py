"""Disks that fill at random bytes below a program or the workflow: after space is made, the same command goes on.

A tmpfs of a random size or number of files fills as a disk does, and needs root; a limit on the size of a file stands
in for a quota, and needs nobody.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from workplace import Workplace

KINDS = ("bytes", "files", "file size", "bytes below the workflow")
PLENTY = "size=1g,nr_inodes=100k"
SMALLEST_LIMIT = 65_536  # bytes of a file: logs are smaller
DISK = 74


class Stages:
    """The programs of a workplace, one after another, and the results that each begins with.

    Attributes:
        commands: of the programs.
        expected: results after the last one.
        seconds: of each program.
        large: numbers of the programs that write a file larger than SMALLEST_LIMIT.
    """

    def __init__(self, folder: Path) -> None:
        place = Workplace(folder / "reference")
        results, self._before = place.folder / "results", folder / "before"
        self.commands = place.programs()
        self.seconds = []
        results.mkdir()
        for number, command in enumerate(self.commands):
            shutil.copytree(results, self._before / str(number))
            began = time.monotonic()
            assert place.start("bash", "-c", command).wait() == 0, place.output()
            self.seconds.append(time.monotonic() - began)
        shutil.copytree(results, self._before / str(len(self.commands)))
        self.expected = place.results()
        self.large = [number for number in range(len(self.commands)) if self.grown(number)[2] > SMALLEST_LIMIT]

    def program(self, number: int) -> str:
        """Name of the program of a stage."""
        words = self.commands[number].split()
        return words[5] if words[3] == "--ranks" else words[3]

    def begin(self, number: int, results: Path) -> None:
        """Put the files that stage `number` begins with into an empty folder."""
        shutil.copytree(self._before / str(number), results, dirs_exist_ok=True)

    def grown(self, number: int) -> tuple[int, int, int]:
        """Bytes and files that a stage adds, and the size of its largest file."""
        before, after = (_files(self._before / str(n)) for n in (number, number + 1))
        added = {path: size for path, size in after.items() if before.get(path) != size}
        return sum(added.values()), len(added), max(size for size in added.values())

    def results_after(self, number: int) -> dict[str, str]:
        """What is expected of the results after stage `number`."""
        names = _files(self._before / str(number + 1))
        return {name: value for name, value in self.expected.items() if name in names}


def disk_campaign(folder: Path, stages: Stages, kinds: Sequence[str], seed: int) -> Iterator[dict[str, object]]:
    """Fill a disk of each kind; yields its kind, the program, the limit, the exit code and the wrongs."""
    rng = random.Random(seed)
    for number, kind in enumerate(kinds):
        place = Workplace(folder / f"disk-{number}")
        wrongs = []
        if kind == "bytes below the workflow":
            record = _fill_below_workflow(place, stages, rng)
        else:
            record = _fill_below_program(place, stages, rng, kind)
        code, wanted = record.pop("code"), record.pop("wanted")
        if code != wanted:
            wrongs.append(f"exit code {code} on the full disk: {record['printed']}")
        elif "Traceback" in str(record["printed"]) and wanted == DISK:
            wrongs.append(f"a traceback: {record['printed']}")
        wrongs += record.pop("after")
        del record["printed"]
        yield {"kind": kind, "code": code, **record, "wrongs": wrongs}
        if not wrongs:
            shutil.rmtree(place.folder)


def can_mount() -> bool:
    """Whether this process may mount file systems."""
    if os.geteuid():
        return False
    tried = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return tried.returncode == 0


def _fill_below_program(place: Workplace, stages: Stages, rng: random.Random, kind: str) -> dict[str, object]:
    number = rng.choice(stages.large if kind == "file size" else range(len(stages.commands)))
    command, results = stages.commands[number], place.folder / "results"
    results.mkdir()
    grown, files, largest = stages.grown(number)
    with _disk(results) if kind != "file size" else _nothing():
        stages.begin(number, results)
        used = os.statvfs(results)
        limit, options = 0, {}
        if kind == "bytes":
            limit = rng.randrange(0, int(0.95 * grown) // 4096) + 1
            _remount(results, f"size={(used.f_blocks - used.f_bfree) * used.f_frsize + 4096 * limit}")
        elif kind == "files":
            limit = rng.randrange(0, files)
            _remount(results, f"nr_inodes={used.f_files - used.f_ffree + limit}")
        else:
            limit = rng.randrange(SMALLEST_LIMIT, largest)
            options = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))}
        code = place.start("bash", "-c", f"exec {command}", **options).wait()
        printed = place.output()[-3000:]
        if kind != "file size":
            _remount(results, PLENTY)
        after = _check(place, stages.results_after(number), "bash", "-c", command)
    record = {"program": stages.program(number), "limit": limit, "code": code, "wanted": DISK}
    return {**record, "printed": printed, "after": after}


def _fill_below_workflow(place: Workplace, stages: Stages, rng: random.Random) -> dict[str, object]:
    results = place.folder / "results"
    results.mkdir()
    need = sum(stages.grown(number)[0] for number in range(len(stages.commands)))
    with _disk(results):
        limit = rng.randrange(0, int(0.95 * need) // 4096) + 1
        _remount(results, f"size={4096 * limit}")
        code = place.start().wait()
        printed = place.output()[-3000:]
        _remount(results, PLENTY)
        after = _check(place, stages.expected)
    return {"program": "snakemake", "limit": limit, "code": code, "wanted": 1, "printed": printed, "after": after}


def _check(place: Workplace, expected: dict[str, str], *command: str) -> list[str]:
    """Run the same command again, with space; what is wrong then."""
    code = place.start(*command).wait()
    if code:
        return [f"the same command ended with exit code {code}: {place.output()[-3000:]}"]
    found = place.results()
    wrongs = [
        f"other results: {name}" for name in sorted(found.keys() | expected) if found.get(name) != expected.get(name)
    ]
    return wrongs + [f"left over: {name}" for name in place.leftovers()]


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """A file system of its own in a folder."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", PLENTY, "none", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def _files(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
