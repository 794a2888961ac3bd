"""Writing notes as a Standard MIDI file of one track, which `music/midi.py` and any sequencer read back."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from sensorium.music.config import BEATS
from sensorium.music.midi import (
    DRUM_CHANNEL,
    END,
    METER,
    MOST_BEATS,
    MOST_NOTES,
    OFF,
    ON,
    PROGRAM,
    MidiError,
    MidiNote,
)

META, TITLE, TEMPO = 0xFF, 0x03, 0x51
DIVISION = 960  # ticks of a beat: half a millisecond at 120 beats a minute
SLOWEST, FASTEST = 4.0, 1e6  # beats a minute: three bytes hold microseconds of a beat


def stored_tempo(tempo: float) -> float:
    """The tempo that a file says, in whole microseconds of a beat.

    Raises:
        MidiError: if no file can say it.
    """
    if not SLOWEST <= tempo <= FASTEST:
        raise MidiError(f"{tempo:g} beats a minute; between {SLOWEST:g} and {FASTEST:g} can be written")
    return 60e6 / round(60e6 / tempo)


def write_midi(notes: Sequence[MidiNote], tempo: float, title: str) -> bytes:
    """A file of format 0 in bars of four beats.

    Raises:
        MidiError: if it has more than MOST_NOTES or MOST_BEATS, or a number that a file cannot hold.
    """
    beats = max((note.start + note.length for note in notes), default=0.0)
    if len(notes) > MOST_NOTES or beats > MOST_BEATS:
        raise MidiError(f"{len(notes)} notes and {beats:.0f} beats; at most {MOST_NOTES} and {MOST_BEATS} are written")
    microseconds = round(60e6 / stored_tempo(tempo))
    events = [
        (0, 0, _meta(TITLE, title.encode()[:127])),
        (0, 0, _meta(TEMPO, microseconds.to_bytes(3, "big"))),
        (0, 0, _meta(METER, bytes((BEATS, 2, 24, 8)))),
    ]
    programs: dict[int, int] = {}
    for note in sorted(notes, key=lambda each: each.start):
        begin, end = (round(DIVISION * beat) for beat in (note.start, note.start + note.length))
        if not (begin >= 0 and 0 <= note.channel < 16 and 0 <= note.pitch < 128 and 0 < note.velocity < 128):
            raise MidiError(f"a note that no file can hold: {note}")
        if note.channel != DRUM_CHANNEL and programs.get(note.channel) != note.program:
            programs[note.channel] = note.program
            events.append((begin, 1, bytes((PROGRAM << 4 | note.channel, note.program & 127))))
        events.append((begin, 2, bytes((ON << 4 | note.channel, note.pitch, note.velocity))))
        events.append((max(end, begin + 1), 1, bytes((OFF << 4 | note.channel, note.pitch, 64))))
    body, now = bytearray(), 0
    for tick, _, event in sorted(events, key=lambda each: each[:2]):  # what ends, ends before what begins
        body += _number(tick - now) + event
        now = tick
    body += _number(0) + _meta(END, b"")
    return struct.pack(">4sIHHH4sI", b"MThd", 6, 0, 1, DIVISION, b"MTrk", len(body)) + bytes(body)


def _meta(kind: int, data: bytes) -> bytes:
    return bytes((META, kind)) + _number(len(data)) + data


def _number(value: int) -> bytes:
    """Seven bits a byte; all but the last have the eighth bit."""
    parts = [value & 127]
    while value := value >> 7:
        parts.append(value & 127 | 128)
    return bytes(reversed(parts))
