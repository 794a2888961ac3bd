"""Models of the toy world, trained once for all processes that the environment variable TOYS gives the same folder.

What was trained is found again by the contents of all sources that trained it: whoever changes one of them, as a
mutant does, trains anew. What nobody has asked for in a week goes when something else is stored.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sensorium

TOYS = "SENSORIUM_TOYS"
WEEK = 7 * 24 * 3600.0
ROOTS = (Path(sensorium.__file__).parents[1], Path(__file__).parent)  # of imported modules


def shared(toys: Sequence[str], parts: Sequence[str], folder: Path, train: Callable[[], None]) -> None:
    """Make the folders `parts` of a folder: by training, unless a process with the same sources has done so.

    Args:
        toys: modules of the toys that train.
        parts: what is trained, the name of a folder each.
        folder: where it is wanted.
        train: makes it there.
    """
    store = os.environ.get(TOYS)
    if not store:
        return train()
    place = Path(store) / f"{parts[0]}-{digest(toys)}"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever comes while it is trained waits
        if not (place / "done").exists():
            _tidy(place)
            train()
            for part in parts:
                shutil.copytree(folder / part, place / part, dirs_exist_ok=True)
            (place / "done").touch()
            return
        (place / "done").touch()  # it was asked for
    for part in parts:
        shutil.copytree(place / part, folder / part)


def _tidy(place: Path) -> None:
    """Remove what stands beside a place, of the same toy, that is old."""
    for other in place.parent.glob(f"{place.name.rpartition('-')[0]}-*/done"):
        if time.time() - other.stat().st_mtime > WEEK:
            shutil.rmtree(other.parent, ignore_errors=True)


def digest(modules: Sequence[str]) -> str:
    """Digest of the sources of modules and of all that they import, one through the other, at the top of a file."""
    found, waiting = {}, list(modules)
    while waiting:
        names = waiting.pop().split(".")
        for name in (".".join(names[: length + 1]) for length in range(len(names))):
            if name not in found and (source := _source(name)):
                found[name] = source.read_bytes()
                waiting += _imported(found[name])
    whole = hashlib.sha256()
    for name, text in sorted(found.items()):
        whole.update(f"{name} {len(text)}\n".encode() + text)
    return whole.hexdigest()[:16]


def _source(module: str) -> Path | None:
    """File of a module under ROOTS; None for all others."""
    paths = (root / module.replace(".", "/") for root in ROOTS)
    return next(
        (file for path in paths for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None
    )


def _imported(source: bytes) -> list[str]:
    """Names that may be modules, imported at the top of a file."""
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{name.name}" for name in node.names]
    return found
