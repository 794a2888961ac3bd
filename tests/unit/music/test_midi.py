"""MIDI and WAD files: notes in beats come out, and whatever breaks the format is refused with its place."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
import layouts
from sensorium.music import midi, midi_files
from sensorium.music.midi import DRUM_CHANNEL, MidiError, MidiNote, read_midi
from sensorium.music.midi_files import listed, read_songs

HEADER = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96)
END = b"\x00\xff\x2f\x00"
NOTE = b"\x00\x90\x3c\x40\x60\x80\x3c\x00"  # one beat of middle C


def chunk(body: bytes, name: bytes = b"MTrk") -> bytes:
    """A chunk with its size."""
    return name + struct.pack(">I", len(body)) + body


def file(*tracks: bytes, kind: int = 1, division: int = 96) -> bytes:
    """A MIDI file of tracks, whose ends are added."""
    header = b"MThd" + struct.pack(">IHHH", 6, kind, len(tracks), division)
    return header + b"".join(chunk(track + END) for track in tracks)


def test_notes_are_read_in_beats() -> None:
    """Running status, ends by velocity 0, programs that another track sets, the same note twice, one without an end."""
    programs = b"\x00\xc3\x21\x81\x40\xc3\x22"  # at tick 0, and at 192
    notes = (
        b"\x00\x93\x30\x64" b"\x30\x30\x00"  # half a beat, ended by velocity 0 under running status
        b"\x30\x30\x50" b"\x30\x30\x51" b"\x30\x83\x30\x00" b"\x60\x83\x30\x00"  # two at once: first in, first out
        b"\x00\x99\x24\x7f"  # never ends: to the last event
        b"\x60\xb3\x07\x10"
    )  # fmt: skip
    found = read_midi(file(programs, notes)).notes
    assert found == (
        MidiNote(0.0, 0.5, 3, 0x21, 0x30, 0x64),
        MidiNote(1.0, 1.0, 3, 0x21, 0x30, 0x50),
        MidiNote(1.5, 1.5, 3, 0x21, 0x30, 0x51),
        MidiNote(3.0, 0.0, DRUM_CHANNEL, 0, 0x24, 0x7F),
    )


def test_what_else_a_file_may_hold_is_passed_over() -> None:
    track = (
        b"\x00\xff\x51\x03\x07\xa1\x20" b"\x00\xff\x58\x04\x03\x03\x18\x08"  # tempo, meter 3/8
        b"\x00\xf0\x03\x01\x02\xf7" b"\x00\xe0\x00\x40" b"\x00\xa0\x3c\x10" b"\x00\xd0\x20"
    )  # fmt: skip
    content = HEADER + chunk(b"anything", b"XFIH") + chunk(track + NOTE + END) + b"what follows"
    song = read_midi(content)
    assert song.notes == (MidiNote(0.0, 1.0, 0, 0, 0x3C, 0x40),)
    assert song.meters == {(3, 8)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not begin with MThd"),
        (b"RIFF" + bytes(40), "does not begin with MThd"),
        (HEADER[:13], "does not begin with MThd"),
        (file(NOTE, kind=2), "format 2"),
        (file(NOTE, NOTE, kind=0), "format 0 and 2 tracks"),
        (file(), "0 tracks"),
        (file(NOTE, division=0xE728), "times in frames"),
        (file(NOTE, division=0), "division 0x0"),
        (HEADER, "cut off at byte 14"),
        (HEADER + chunk(NOTE + END)[:-1], "cut off: the track at byte 14"),
        (HEADER + b"MTrk\xff\xff\xff\xff" + NOTE, "cut off"),
        (HEADER + chunk(NOTE), "has no end"),
        (file(b"\x81\x81\x81\x81\x00\x90\x3c\x40"), "more than four bytes"),
        (file(b"\x00\x90\x3c\x80"), "0x80 is no data"),
        (file(b"\x00\x3c\x40"), "status 0x0 is no event"),
        (file(b"\x00\xff\x01\x00\x00\x3c\x40"), "status 0x0 is no event"),  # no running status after a text
        (file(b"\x00\xf1\x00"), "status 0xf1 is no event"),
        (file(b"\x00\xff\x01\x7fno"), "127 bytes are wanted"),
        (file(b"\x00\xff\x58\x02\x04\x02"), "a meter that is none"),
        (file(b"\x00\xff\x58\x04\x00\x02\x18\x08"), "a meter that is none"),
        (HEADER + chunk(b"\x00\x90\x3c"), "1 bytes are wanted"),
        (file(b"\x00\x90\x3c\x40\xff\xff\xff\x7f\x80\x3c\x00"), "beats; at most 20000"),
    ],
)
def test_whatever_breaks_the_format_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(MidiError, match=message):
        read_midi(content)


def test_there_are_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(midi, "MOST_NOTES", 3)
    assert len(read_midi(file(NOTE * 3)).notes) == 3
    with pytest.raises(MidiError, match="4 notes; at most 3"):
        read_midi(file(NOTE * 4))
    with pytest.raises(MidiError, match="more than 9 events"):
        read_midi(file(NOTE * 40))
    monkeypatch.setattr(midi, "LARGEST", 40)
    with pytest.raises(MidiError, match="at most 40 are read"):
        read_midi(file(NOTE * 4))


def test_songs_inside_games_are_found(tmp_path: Path) -> None:
    song = layouts.midi([(0.0, 1.0, 0, 60)])
    (tmp_path / "a.WAD").write_bytes(
        layouts.wad({"D_ONE": song, "MAP01": b"no song", "D_TWO": song, "D_BAD": song[:30]})
    )
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.mid").write_bytes(song)
    (tmp_path / "c.txt").write_text("no song")
    paths = listed(tmp_path)
    assert [path.name for path in paths] == ["a.WAD", "b.mid"]
    found = [each for path in paths for each in read_songs(path)]
    assert [name for name, _ in found] == ["a.WAD D_ONE", "a.WAD D_TWO", "a.WAD D_BAD", "b.mid"]
    assert [isinstance(each, MidiError) for _, each in found] == [False, False, True, False]
    assert found[1][1] == found[3][1] == read_midi(song)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no WAD file"),
        (b"ZWAD" + bytes(8), "no WAD file"),
        (b"IWAD" + struct.pack("<II", 1, 12), "a list of 1 lumps at byte 12"),
        (b"IWAD" + struct.pack("<II", 2**32 - 1, 12), "a list of 4294967295 lumps"),
        (b"PWAD" + struct.pack("<II", 1, 12) + struct.pack("<II8s", 20, 900, b"D_X"), "lump 0 has 900 bytes from 20"),
    ],
)
def test_broken_games_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.wad"
    path.write_bytes(content)
    ((name, error),) = read_songs(path)
    assert name == "x.wad"
    assert isinstance(error, MidiError)
    assert message in str(error)


def test_large_games_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(midi_files, "LARGEST_WAD", 50)
    (tmp_path / "x.wad").write_bytes(layouts.wad({"D_ONE": bytes(60)}))
    ((_, error),) = read_songs(tmp_path / "x.wad")
    assert "up to 50 bytes" in str(error)


def test_a_song_that_is_listed_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(midi_files, "MOST_SONGS", 3)
    song = file(NOTE)
    entry = struct.pack("<II8s", 12, len(song), b"D_X")
    content = b"IWAD" + struct.pack("<II", 9, 12 + len(song)) + song + 9 * entry
    (tmp_path / "x.wad").write_bytes(content)
    found = [song for _, song in read_songs(tmp_path / "x.wad")]
    assert [str(each) for each in found[3:]] == ["more than 3 songs"]
