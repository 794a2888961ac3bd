"""Standard MIDI files, read strictly: the notes of every channel in beats, and nothing else.

After the MIDI Manufacturers Association's "Standard MIDI Files 1.0" (RP-001). What a file says of tempo, volume and
bends is left out: songs are rendered anew. A file that breaks the format anywhere is refused, with the byte that does.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

LARGEST = 4_000_000  # bytes
MOST_NOTES, MOST_BEATS = 100_000, 20_000
DRUM_CHANNEL = 9
OFF, ON, PROGRAM = 0x8, 0x9, 0xC
META, SYSEX, ESCAPED = 0xFF, 0xF0, 0xF7
END, METER = 0x2F, 0x58


class MidiError(Exception):
    """A file that is no valid MIDI file, or that holds too much: the message says where and what."""


@dataclass(frozen=True)
class MidiNote:
    """A note.

    Attributes:
        start, length: in beats, which are quarter notes.
        channel: 0 to 15; drums are DRUM_CHANNEL.
        program: instrument of General MIDI, from 0 on.
        pitch, velocity: as in the file, 0 to 127.
    """

    start: float
    length: float
    channel: int
    program: int
    pitch: int
    velocity: int


@dataclass(frozen=True)
class MidiSong:
    """All notes of a file in order of their starts, and the meters that it names, (numerator, denominator)."""

    notes: tuple[MidiNote, ...]
    meters: frozenset[tuple[int, int]]


@dataclass(frozen=True)
class _Event:
    tick: int
    kind: int
    channel: int
    first: int
    second: int


def read_midi(content: bytes) -> MidiSong:
    """Notes of a file of format 0 or 1.

    Raises:
        MidiError: if it is not one, is cut off or damaged, or holds more than LARGEST, MOST_NOTES or MOST_BEATS.
    """
    if len(content) > LARGEST:
        raise MidiError(f"{len(content)} bytes; at most {LARGEST} are read")
    if content[:4] != b"MThd" or len(content) < 14:
        raise MidiError("no MIDI file: it does not begin with MThd")
    length, kind, count, division = struct.unpack(">IHHH", content[4:14])
    if length < 6 or kind > 1 or (kind == 0 and count != 1) or count == 0:
        raise MidiError(f"a header of {length} bytes, format {kind} and {count} tracks; formats 0 and 1 are read")
    if not 0 < division < 0x8000:
        raise MidiError(f"division {division:#x}: times in frames and not in beats")
    events: list[_Event] = []
    meters: set[tuple[int, int]] = set()
    place = 8 + length
    for _ in range(count):
        size = _chunk(content, place)
        while content[place : place + 4] != b"MTrk":  # others are left out, as the standard says
            place += 8 + size
            size = _chunk(content, place)
        _Track(content, place + 8, place + 8 + size).read(events, meters)
        place += 8 + size
    events.sort(key=lambda event: event.tick)
    return MidiSong(_notes(events, division), frozenset(meters))


def _chunk(content: bytes, place: int) -> int:
    """Bytes of the chunk at a place."""
    if place + 8 > len(content):
        raise MidiError(f"cut off at byte {len(content)}, where a track should begin")
    size = int.from_bytes(content[place + 4 : place + 8], "big")
    if place + 8 + size > len(content):
        raise MidiError(
            f"cut off: the track at byte {place} should have {size} bytes, {len(content) - place - 8} follow"
        )
    return size


class _Track:
    """Reads the events of a track from byte `place` to `stop`."""

    def __init__(self, content: bytes, place: int, stop: int) -> None:
        self._content, self._place, self._stop = content, place, stop

    def read(self, events: list[_Event], meters: set[tuple[int, int]]) -> None:
        tick = status = 0
        while self._place < self._stop:
            tick += self._number()
            if self._content[self._place : self._place + 1] >= b"\x80":
                status = self._byte()
            if status in (META, SYSEX, ESCAPED):
                kind = self._byte() if status == META else -1
                data = self._bytes(self._number())
                if kind == END:
                    return
                if kind == METER:
                    if len(data) != 4 or not 1 <= data[0] <= 64 or data[1] > 6:
                        raise MidiError(f"a meter that is none before byte {self._place}: {data.hex()}")
                    meters.add((data[0], 2 ** data[1]))
                status = 0  # these end a running status
            elif 0x80 <= status < 0xF0:
                kind, channel = status >> 4, status & 0xF
                first, second = self._data(), 0 if kind in (PROGRAM, 0xD) else self._data()
                if kind in (OFF, ON, PROGRAM):
                    events.append(_Event(tick, kind, channel, first, second))
                    if len(events) > 3 * MOST_NOTES:
                        raise MidiError(f"more than {3 * MOST_NOTES} events")
            else:
                raise MidiError(f"byte {self._place}: status {status:#x} is no event of a file")
        raise MidiError(f"the track that ends at byte {self._stop} has no end")

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        if self._place + count > self._stop:
            raise MidiError(f"byte {self._place}: {count} bytes are wanted, and the track ends at {self._stop}")
        self._place += count
        return self._content[self._place - count : self._place]

    def _data(self) -> int:
        value = self._byte()
        if value > 127:
            raise MidiError(f"byte {self._place - 1}: {value:#x} is no data of an event")
        return value

    def _number(self) -> int:
        """A number of one to four bytes, seven bits each."""
        value = 0
        for _ in range(4):
            byte = self._byte()
            value = value << 7 | byte & 127
            if byte < 128:
                return value
        raise MidiError(f"byte {self._place}: a number of more than four bytes")


def _notes(events: list[_Event], division: int) -> tuple[MidiNote, ...]:
    """Notes from their ends: the one that began first ends first; what never ends is held to the last event."""
    if events and events[-1].tick > MOST_BEATS * division:
        raise MidiError(f"{events[-1].tick / division:.0f} beats; at most {MOST_BEATS} are read")
    programs = [0] * 16
    held: dict[tuple[int, int], deque[tuple[int, int, int]]] = {}
    found: list[MidiNote] = []

    def end(key: tuple[int, int], tick: int) -> None:
        start, program, velocity = held[key].popleft()
        found.append(MidiNote(start / division, (tick - start) / division, key[0], program, key[1], velocity))

    for event in events:
        key = event.channel, event.first
        if event.kind == PROGRAM:
            programs[event.channel] = event.first
        elif event.kind == ON and event.second:
            held.setdefault(key, deque()).append((event.tick, programs[event.channel], event.second))
        elif held.get(key):
            end(key, event.tick)
    for key, waiting in held.items():
        while waiting:
            end(key, events[-1].tick)
    if len(found) > MOST_NOTES:
        raise MidiError(f"{len(found)} notes; at most {MOST_NOTES} are read")
    return tuple(sorted(found, key=lambda note: (note.start, note.channel, note.pitch)))
