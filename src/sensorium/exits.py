"""From exceptions to exit codes: the one place where a program's end gets its number and its last words.

Errors of our own have an attribute `exit_code`, and a message that names the thing, the value and the way out. What
libraries raise when a file cannot be read or written is translated here. Every other exception is a defect.
"""

from __future__ import annotations

import errno
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from io import UnsupportedOperation
from lzma import LZMAError
from os import PathLike
from pathlib import Path

from safetensors import SafetensorError

MEANINGS = {
    0: "done",
    2: "wrong arguments",
    65: "bad data: too much in quarantine, or a file that is not what it should be",
    70: "unhealthy: diverged or collapsed",
    74: "a file cannot be read or written: full disk, permissions, a second process",
    75: "stopped early, state saved: run the same command again",
    78: "bad configuration",
}
BAD_DATA, STORAGE, STOPPED_EARLY = 65, 74, 75
PEER_LOST = 76  # of a rank that only noticed that another one is gone; the launcher alone sees it
WAYS_OUT = {
    errno.ENOSPC: "free space or inodes (df -h, df -i)",
    errno.EDQUOT: "free space or have the quota raised",
    errno.EFBIG: "raise the greatest size of a file (ulimit -f), or choose another file system",
    errno.EROFS: "make the folder writable, or choose another",
    errno.EACCES: "make it readable or writable for you, or choose another place",
    errno.EPERM: "make it readable or writable for you, or choose another place",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ENOENT: "it is not there: make it, or correct the path",
    errno.EISDIR: "a folder stands where a file is needed: correct the path",
    errno.ENOTDIR: "a file stands where a folder is needed: correct the path",
    errno.EEXIST: "something else stands there: remove it, or choose another path",
    errno.ELOOP: "its links lead in a circle: remove one",
    errno.EMFILE: "raise the number of open files (ulimit -n)",
    errno.ENFILE: "raise the number of open files of the machine",
    errno.EPIPE: "what reads the output has ended",
    errno.ESTALE: "mount the file system anew",
    errno.EIO: "look after the disk or its connection",
}
_ANY_WAY_OUT = "look after the file system, or choose another place"
_FORMAT_ERRORS = (SafetensorError, zipfile.BadZipFile, tarfile.TarError, BadGzipFile, zlib.error, LZMAError)
_NO_STORAGE_ERRORS = (BadGzipFile, UnsupportedOperation)  # an OSError by name, and no failure of the system
_RUST_ERROR = re.compile(r"\(os error (\d+)\)")  # safetensors: "... No space left on device (os error 28)"
_C_ERROR = re.compile(r"([^:]+) \((\d+)\)\s*$")  # torch: "unable to write to file </torch_1>: No space ... (28)"
_PAGE = 4096  # bytes that a file of one byte takes, at least
_WORKER = "Original Traceback"  # in the message of an error that a worker of torch's DataLoader passes on


class StorageError(OSError):
    """A file cannot be read or written; the message names the path, the reason and the way out."""

    exit_code = STORAGE

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.errno = number


def errno_of(error: BaseException) -> int | None:
    """Number of the system's error behind an exception, whichever library raised it: 0 if unknown, None if none."""
    if isinstance(error, OSError):
        return None if isinstance(error, _NO_STORAGE_ERRORS) else error.errno or 0
    text = str(error)
    if match := _RUST_ERROR.search(text):
        return int(match[1])
    if (match := _C_ERROR.search(text)) and match[1].strip() == os.strerror(int(match[2])):
        return int(match[2])
    if type(error).__name__ == "LibsndfileError" and "System error" in text:
        return errno.EIO
    return None


@contextmanager
def writing(path: PathLike[str], note: str = "") -> Iterator[None]:
    """Name the path if writing it fails.

    Args:
        path: what is written.
        note: for the message, what is safe all the same.

    Raises:
        StorageError: for every error of the system, whichever library raised it.
    """
    try:
        yield
    except Exception as error:
        number = errno_of(error)
        if number is None:
            raise
        if number == errno.EIO and not isinstance(error, OSError) and _is_full(Path(path)):
            number = errno.ENOSPC  # libsndfile does not say which error it was
        reason = os.strerror(number) if number else str(error)
        message = "; ".join(part for part in (f"{path}: cannot write ({reason})", note, _way_out(number)) if part)
        raise StorageError(message, number) from error


def _is_full(path: Path) -> bool:
    """Whether the disk of a file has no room for another page or file."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _PAGE or (disk.f_files > 0 and disk.f_favail == 0)


def failure(error: BaseException) -> tuple[int, str] | None:
    """Exit code and message of an error that a user can act on; None for a defect."""
    code, text = getattr(error, "exit_code", None), str(error)
    if _WORKER in text:
        text = text.strip().splitlines()[-1]
    if isinstance(code, int):
        return code, text
    number = errno_of(error)
    if number is not None:
        if isinstance(error, OSError) and error.strerror:
            place = error.filename2 or error.filename or "a file"
            text = f"{os.fsdecode(place) if isinstance(place, bytes) else place}: {error.strerror}"
        return STORAGE, f"{text}; {_way_out(number)}"
    if isinstance(error, _FORMAT_ERRORS):
        return BAD_DATA, f"a file is not what its name says ({text}); replace it, or make it again"
    return None


def _way_out(number: int) -> str:
    return f"{WAYS_OUT.get(number, _ANY_WAY_OUT)}, then run the same command again"
