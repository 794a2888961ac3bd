"""Where songs that people wrote are found: MIDI files of a folder, and those inside the WAD files of games."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from sensorium.data.files import open_regular
from sensorium.music.midi import LARGEST, MidiError, MidiSong, read_midi

SUFFIXES = (".mid", ".midi", ".wad")
LARGEST_WAD, MOST_LUMPS, MOST_SONGS = 200_000_000, 100_000, 1000
ENTRY = struct.Struct("<II8s")  # offset, bytes, name


def listed(folder: Path) -> list[Path]:
    """All MIDI and WAD files below a folder, in order of their paths."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def read_songs(path: Path) -> Iterator[tuple[str, MidiSong | MidiError]]:
    """Songs of a file by name, or why they cannot be read.

    Raises:
        OSError: if the file cannot be opened.
    """
    try:
        for name, content in _lumps(path) if path.suffix.lower() == ".wad" else [(path.name, _whole(path))]:
            yield name, _song(content)
    except MidiError as error:
        yield path.name, error


def _song(content: bytes) -> MidiSong | MidiError:
    try:
        return read_midi(content)
    except MidiError as error:
        return error


def _whole(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read(LARGEST + 1)


def _lumps(path: Path) -> Iterator[tuple[str, bytes]]:
    """The lumps of a WAD file that are MIDI files.

    A header (IWAD or PWAD, number of lumps, place of their list), the lumps, and a list of places, sizes and names.

    Raises:
        MidiError: if it is no WAD file, its list or a lump lies outside of it, or it has more than MOST_SONGS songs.
    """
    with open_regular(path) as file:
        content = file.read(LARGEST_WAD + 1)
    if len(content) > LARGEST_WAD or len(content) < 12 or content[:4] not in (b"IWAD", b"PWAD"):
        raise MidiError(f"no WAD file of up to {LARGEST_WAD} bytes: it has {len(content)}, first {content[:4]!r}")
    count, place = struct.unpack("<II", content[4:12])
    if count > MOST_LUMPS or place + ENTRY.size * count > len(content):
        raise MidiError(f"a list of {count} lumps at byte {place}, and the file has {len(content)} bytes")
    songs = 0
    for number in range(count):
        offset, size, name = ENTRY.unpack_from(content, place + ENTRY.size * number)
        if offset + size > len(content):
            raise MidiError(f"lump {number} has {size} bytes from {offset} on, and the file has {len(content)}")
        if content[offset : offset + 4] == b"MThd" and size >= 4:
            songs += 1
            if songs > MOST_SONGS:
                raise MidiError(f"more than {MOST_SONGS} songs")
            title = name.split(b"\0")[0].decode("ascii", "replace")
            yield f"{path.name} {title}", content[offset : offset + size]
