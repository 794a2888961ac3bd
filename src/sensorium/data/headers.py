"""Files that were cut off, by what stands in them: decoders of WAV and Ogg do not notice it."""

from __future__ import annotations

import os
from typing import BinaryIO

RIFF_HEADER, CHUNK_HEADER = 12, 8
OGG_PAGE, OGG_HEADER, LAST_PAGE = b"OggS", 27, 4
LARGEST_PAGE = 2**16  # bytes: 255 segments of 255, and their header
UNKNOWN = 2**32 - 1  # written by programs that cannot go back, such as FFmpeg into a pipe


def missing_bytes(file: BinaryIO) -> int:
    """By how many bytes the data chunk of a RIFF file exceeds the file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(RIFF_HEADER)[:4] != b"RIFF":
        return 0
    while len(header := file.read(CHUNK_HEADER)) == CHUNK_HEADER:
        length = int.from_bytes(header[4:], "little")
        if header[:4] == b"data":
            return max(0, file.tell() + length - size) if length < UNKNOWN else 0
        file.seek(length + length % 2, os.SEEK_CUR)
    return 0


def lacks_its_end(file: BinaryIO) -> bool:
    """Whether an Ogg file has no last page, or only a part of it; False for files of other kinds."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(len(OGG_PAGE)) != OGG_PAGE:
        return False
    file.seek(max(0, size - LARGEST_PAGE))
    end = file.read()
    at = end.rfind(OGG_PAGE)
    if at < 0 or at + OGG_HEADER > len(end):
        return True
    segments = end[at + OGG_HEADER - 1]
    lengths = end[at + OGG_HEADER : at + OGG_HEADER + segments]
    return not end[at + 5] & LAST_PAGE or at + OGG_HEADER + segments + sum(lengths) > len(end)
