"""What the header of a WAV file says about its length: decoders do not notice that such a file is cut off."""

from __future__ import annotations

import os
from typing import BinaryIO

RIFF_HEADER, CHUNK_HEADER = 12, 8
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
