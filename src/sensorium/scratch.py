"""Scratch folders: every file is written in one of its own, beside its target, and then moved there.

A killed writer leaves its folder behind, with all that its libraries wrote there under names of their own. The next
writer of the same target removes it. The system's lock of a file in it says whether its writer lives, on any machine
that shares the file system; where there are no locks, nothing is removed. This module never imports torch.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".lock"


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, in which it can be written; removed at the end with what is still in it."""
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        _remove_if_left(leftover, _new_name(target))
    folder, handle = _claim(target)
    try:
        yield folder
    finally:
        os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)


def mode_of_new_files(folder: Path) -> int:
    """Permissions that new files get in a scratch folder, by the umask and the defaults of the folder.

    Python can read the umask only by setting it, which all threads of a process would notice.
    """
    return (folder / LOCK).stat().st_mode & 0o777


def _claim(target: Path) -> tuple[Path, int]:
    """A new folder, and the open lock in it."""
    while True:
        folder = _new_name(target)
        folder.mkdir()
        try:
            handle = _open_lock(folder)
        except FileNotFoundError:  # taken for a leftover before it was locked
            continue
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if (folder / LOCK).exists():
            return folder, handle
        os.close(handle)


def _remove_if_left(folder: Path, renamed: Path) -> None:
    """Remove a scratch folder whose writer is gone.

    It is renamed under its lock: a writer that has made the folder and not locked it yet then finds it missing.
    """
    try:
        handle = _open_lock(folder)
    except OSError:  # removed meanwhile, or somebody else's
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.rename(renamed)
    except OSError:  # its writer lives, or nobody can say
        return
    finally:
        os.close(handle)
    shutil.rmtree(renamed, ignore_errors=True)


def _new_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")


def _open_lock(folder: Path) -> int:
    return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
