"""Archives of many small files, zip, tar or tar.gz, read once from first to last; nothing is unpacked to a disk.

An archive may hold links, devices and paths that lead elsewhere, and a small one can unpack to terabytes. Here it may
hold files and folders alone, and what it unpacks to is bounded.
"""

from __future__ import annotations

import errno
import gzip
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import IO

from sensorium.artifacts import ArtifactError

LARGEST_FILE, LARGEST_ARCHIVE = 2**26, 2**31  # bytes, unpacked


def read_archive(archive: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    """(path, content) of each file of a type, in the archive's order, without those that a Mac adds and hidden ones.

    Raises:
        ArtifactError: if the archive is damaged, holds something other than files and folders, or is too large.
        OSError: if it cannot be read.
    """
    try:
        with archive.open("rb") as file:
            files = _zipped if _begins(file, b"PK") else _taped
            left = LARGEST_ARCHIVE
            for name, size, content in files(file):
                left -= size
                if left < 0:
                    raise ValueError(f"it unpacks to more than {LARGEST_ARCHIVE >> 20} MB")
                if _is_wanted(PurePosixPath(name), suffix):
                    if size > LARGEST_FILE:
                        raise ValueError(f"{name!r} unpacks to {size >> 20} MB; at most {LARGEST_FILE >> 20} are read")
                    yield name, content.read()
    except Exception as error:  # what unpacks raises what it pleases
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # EINVAL: an offset below zero
            raise
        raise ArtifactError(
            f"{archive}: cannot be unpacked: {str(error) or type(error).__name__}; fetch it again"
        ) from None


@contextmanager
def reading_member(archive: Path, name: str) -> Iterator[None]:
    """Turn every error of a decoder into an ArtifactError that names the archive and its file."""
    try:
        yield
    except Exception as error:
        raise ArtifactError(f"{archive}: {name!r}: unreadable: {str(error) or type(error).__name__}") from None


def _is_wanted(path: PurePosixPath, suffix: str) -> bool:
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{str(path)!r} leads out of it")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.name.endswith(suffix) and not hidden


def _begins(file: BufferedReader, magic: bytes) -> bool:
    return file.peek(len(magic)).startswith(magic)


def _zipped(file: BufferedReader) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, unpacked size and content of each file."""
    with zipfile.ZipFile(file) as files:
        for entry in files.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"{entry.filename!r} is a link or a device")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # LZMA may ask for gigabytes
                raise ValueError(f"{entry.filename!r} is packed by another method than deflate")
            if not entry.is_dir():
                with files.open(entry) as content:
                    yield entry.filename, entry.file_size, content


def _taped(file: BufferedReader) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, unpacked size and content of each file."""
    stream = _Bounded(gzip.GzipFile(fileobj=file) if _begins(file, b"\x1f\x8b") else file)
    with tarfile.open(fileobj=stream, mode="r|") as files:  # type: ignore[call-overload]
        for entry in files:
            if entry.isdir():
                continue
            content = files.extractfile(entry) if entry.isreg() else None
            if content is None:
                raise ValueError(f"{entry.name!r} is a link or a device")
            yield entry.name, entry.size, content


class _Bounded:
    """A stream that ends with an error: the headers of an archive can be made to unpack to any size, too."""

    def __init__(self, stream: gzip.GzipFile | BufferedReader) -> None:
        self._stream, self._left = stream, LARGEST_ARCHIVE

    def read(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            ValueError: beyond LARGEST_ARCHIVE bytes.
        """
        self._left -= size
        if self._left < 0:
            raise ValueError(f"it unpacks to more than {LARGEST_ARCHIVE >> 20} MB")
        return self._stream.read(size)
