"""Opening files of users: only regular ones, because a pipe or a device would be waited for, perhaps for ever."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sensorium.data.quarantine import BadRecordingError, ReadAgain

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file, or a link to one, for reading; never waits.

    Raises:
        OSError: if it cannot be opened, or is of another kind.
    """
    with open(path, "rb", opener=_open_if_regular) as file:
        yield file


def _open_if_regular(path: str, flags: int) -> int:
    handle = os.open(path, flags | os.O_NONBLOCK)
    kind = stat.S_IFMT(os.fstat(handle).st_mode)
    if kind == stat.S_IFREG:
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, f"{KINDS.get(kind, 'something else')}, not a file", path)


@contextmanager
def blamed_on(name: str) -> Iterator[None]:
    """Turn every error of a reader into a BadRecordingError that names the file.

    Decoders raise what they please (MemoryError where a header lies, AttributeError where a codec is unknown), and one
    file must not end a whole stage.
    """
    try:
        yield
    except BadRecordingError as error:
        raise BadRecordingError(f"{printable(name)}: {error}", error.kind) from None
    except ReadAgain:
        raise
    except MemoryError:
        raise BadRecordingError(f"{printable(name)}: unreadable: it takes too much memory", "memory") from None
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BadRecordingError(f"{printable(name)}: unreadable: {printable(reason)}") from None


def printable(text: str) -> str:
    """Text with escapes for what a log or a terminal cannot show in a line: control characters, and bytes not UTF-8."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
