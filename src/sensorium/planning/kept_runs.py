"""The training runs that a results folder keeps: RESULTS/STAGE/runs/FINGERPRINT, read without torch.

A run stays on disk when settings change, so that the old settings find it again. Here is which of them the present
results use, and how one is deleted. Links are never followed.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sensorium.artifacts import MANIFEST

RUNS, SETTINGS, CHECKPOINTS, LOCK = "runs", "config.json", "checkpoints", "lock"
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_CHECKPOINT = re.compile(r"step-(\d{8,})")
_DEEPEST = 2  # folders between the results and `runs`: encoders/vision

# used: the stage's manifest names it. training: a process trains in it. newest: its stage has no result yet, and it is
# the newest. stopped: before its last step. unknown: its settings, or its stage's manifest, cannot be read.
State = Literal["used", "training", "newest", "stopped", "unknown", "unused"]


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        folder: RESULTS/STAGE/runs/FINGERPRINT.
        stage: the stage's folder within the results.
        settings: section, inputs and revision that made it; empty if they cannot be read.
        step: of its newest checkpoint; 0 if it has none.
        size: bytes of its files.
        changed: when a file of it was last written, in seconds since 1970.
        state: whether it is needed.
    """

    folder: Path
    stage: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    step: int = 0
    size: int = 0
    changed: float = 0.0
    state: State = "unknown"

    @property
    def steps(self) -> int:
        """Steps of the whole training; 0 if its settings cannot be read."""
        try:
            return int(self.settings["section"]["training"]["steps"])
        except (KeyError, TypeError, ValueError):
            return 0

    def age(self) -> float:
        """Seconds since a file of it was written."""
        return time.time() - self.changed


def kept_runs(results: Path) -> dict[str, list[Run]]:
    """Stage -> its runs, the newest first.

    Raises:
        OSError: if a folder cannot be read.
    """
    return {
        str(folder.relative_to(results)): _with_states(folder, _runs_of(results, folder)) for folder in _stages(results)
    }


def is_training(run: Path) -> bool:
    """Whether a process holds the lock of a run, or that cannot be known because the file system has no locks."""
    try:
        with (run / LOCK).open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def delete(run: Run) -> bool:
    """Delete a run while holding its lock; False, and nothing is deleted, if a process trains in it or it is a link.

    Raises:
        OSError: if a file cannot be deleted.
    """
    if run.folder.is_symlink() or not run.folder.is_dir():
        return False
    with (run.folder / LOCK).open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        shutil.rmtree(run.folder)  # refuses a link, and deletes links within as links
    return True


def differences(run: Run, reference: Run) -> list[str]:
    """What made a run other than another one: settings as key=value, other inputs, another revision of the stage."""
    if not (run.settings and reference.settings):
        return ["settings unreadable"]
    own, other = (flat(each.settings.get("section")) for each in (run, reference))
    changed = [f"{key}={json.dumps(own[key])}" for key in own if key not in other or own[key] != other[key]]
    changed += [f"without {key}" for key in other if key not in own]
    inputs, others = (dict(each.settings.get("inputs") or {}) for each in (run, reference))
    changed += [f"other {name}" for name in sorted({*inputs, *others}) if inputs.get(name) != others.get(name)]
    if run.settings.get("revision") != reference.settings.get("revision"):
        changed.append(f"revision {run.settings.get('revision')}")
    return changed


def _stages(results: Path) -> Iterator[Path]:
    """Folders with runs, in order."""
    for place, folders, _ in os.walk(results):  # follows no link
        here = Path(place)
        if here != results and RUNS in folders and not (here / RUNS).is_symlink():
            yield here
        deeper = len(here.relative_to(results).parts) < _DEEPEST
        folders[:] = sorted(name for name in folders if name != RUNS) if deeper else []


def _runs_of(results: Path, stage: Path) -> list[Run]:
    """The runs of a stage without their states, the newest first. Folders of other names are not ours."""
    found = []
    for folder in (stage / RUNS).iterdir():
        if not _FINGERPRINT.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
            continue
        size, changed = _content(folder)
        run = Run(folder, str(stage.relative_to(results)), _read(folder / SETTINGS), _last_step(folder), size, changed)
        found.append(run)
    return sorted(found, key=lambda run: (-run.changed, run.folder.name))


def _with_states(stage: Path, runs: list[Run]) -> list[Run]:
    manifest = stage / MANIFEST
    exists = os.path.lexists(manifest)
    details = _read(manifest).get("details") if exists else None
    used = details.get("run") if isinstance(details, dict) else None
    readable = not exists or isinstance(used, str)
    return [_with_state(run, used, exists, readable, number == 0) for number, run in enumerate(runs)]


def _with_state(run: Run, used: Any, has_result: bool, readable: bool, newest: bool) -> Run:
    state: State
    if run.folder.name == used:
        state = "used"
    elif is_training(run.folder):
        state = "training"
    elif not has_result and newest:
        state = "newest"
    elif not readable or not run.steps:
        state = "unknown"
    else:
        state = "stopped" if run.step < run.steps else "unused"
    return Run(run.folder, run.stage, run.settings, run.step, run.size, run.changed, state)


def _content(folder: Path) -> tuple[int, float]:
    """Bytes of all files below, and when the last of them was written; files that vanish meanwhile do not count."""
    total, last = 0, folder.lstat().st_mtime
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(place, name))
            except FileNotFoundError:
                continue
            total, last = total + status.st_size, max(last, status.st_mtime)
    return total, last


def _last_step(folder: Path) -> int:
    checkpoints = folder / CHECKPOINTS
    names = [path.name for path in checkpoints.iterdir()] if checkpoints.is_dir() else []
    return max((int(match[1]) for name in names if (match := _CHECKPOINT.fullmatch(name))), default=0)


def _read(path: Path) -> dict[str, Any]:
    """JSON of an object; empty where the file is missing, is not JSON or holds something else."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted keys."""
    if not isinstance(value, dict) or not value:
        return {prefix: value} if prefix else {}
    return {
        key: inner
        for name, part in value.items()
        for key, inner in flat(part, f"{prefix}.{name}" if prefix else str(name)).items()
    }
