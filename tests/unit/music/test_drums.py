"""Drums as MIDI: strokes are found where they are, a file says what it was given, and odd ones are refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from sensorium.music.evaluation import stroke_scores
from sensorium.music.evaluation.stroke_scores import ANY, SCORES, counted, f1_of, merged, written
from sensorium.music.midi import DRUM_CHANNEL, MidiError, MidiNote, read_midi
from sensorium.music.midi_writing import DIVISION, stored_tempo, write_midi
from sensorium.music.sound_files import RATE
from sensorium.music.strokes import KINDS, Stroke, StrokeListener, as_notes


def drums(strokes: list[tuple[float, str, float]], seconds: float) -> np.ndarray:
    """Two channels [2, n]: a falling sine for kicks, bands of noise for the others."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = np.zeros(len(time))
    rng = np.random.default_rng(0)
    for start, kind, loud in strokes:
        since = time - start
        hiss = np.fft.rfft(rng.standard_normal(len(time)))
        frequencies = np.fft.rfftfreq(len(time), 1 / RATE)
        low, high = {"kick": (0, 0), "snare": (500, 5000), "hat": (8000, 11_000)}[kind]
        noise = np.fft.irfft(hiss * ((frequencies > low) & (frequencies < high)), len(time))
        body = np.sin(2 * np.pi * 60 * since) if kind == "kick" else 3 * noise
        wave += loud * body * np.exp(-since.clip(0) / 0.05) * (since >= 0)
    return np.stack([0.3 * wave] * 2).astype(np.float32)


def heard(wave: np.ndarray, size: int = 10**9) -> list[Stroke]:
    listener = StrokeListener()
    for start in range(0, wave.shape[1], size):
        listener.add(wave[:, start : start + size])
    return listener.strokes()


def test_strokes_are_found_with_their_kind_time_and_level() -> None:
    given = [(0.25 + 0.5 * beat, ("kick", "snare")[beat % 2], 1.0) for beat in range(8)]
    given += [(0.5 + 0.5 * beat, "hat", 0.5 if beat % 2 else 1.0) for beat in range(7)]
    wave = drums(given, 4.5)
    found = heard(wave)
    assert [(each.kind) for each in found] == [kind for _, kind, _ in sorted(given)]
    assert [each.seconds for each in found] == pytest.approx([start for start, _, _ in sorted(given)], abs=0.01)
    hats = [each.level for each in found if each.kind == "hat"]
    assert hats == pytest.approx([0, -6, 0, -6, 0, -6, 0], abs=2)
    assert heard(wave, 1000) == found  # whatever the size of the pieces
    quiet = [each.seconds for each in heard(0.01 * wave)]
    assert quiet == [each.seconds for each in found]


@pytest.mark.parametrize("wave", [np.zeros((1, RATE)), np.ones((2, RATE)) * 0.1, np.zeros((1, 10))])
def test_where_nothing_begins_no_stroke_is_found(wave: np.ndarray) -> None:
    assert [each for each in heard(wave.astype(np.float32)) if each.seconds > 0.05] == []


def test_strokes_of_own_songs_are_found_better_than_by_what_needs_no_ear() -> None:
    scores = stroke_scores.stroke_scores(4, 9, 2, None)
    best = {kind: max(scores[name][kind][0] for name in list(scores)[4:]) for kind in SCORES}
    assert scores["true drums"]["kick"][0] > best["kick"] + 0.1
    assert scores["true drums"]["snare"][0] > best["snare"] + 0.1
    for name, each in scores.items():
        for value, low, high in each.values():
            assert low <= value <= high, name


def test_scores_by_hand() -> None:
    assert counted(np.array([0.0, 0.04, 1.0, 2.06]), np.array([0.02, 1.04, 2.0])) == (2, 4, 3)
    assert f1_of(np.array([2, 4, 3])) == pytest.approx(4 / 7)
    assert merged(np.array([1.0, 0.0, 0.03, 0.05])).tolist() == [0.0, 0.05, 1.0]
    seconds = written([Stroke(0.5, "kick", 0.0), Stroke(0.51, "hat", 0.0)], 123.4)
    assert seconds["kick"] == pytest.approx([0.5], abs=1e-3)
    assert len(seconds[ANY]) == 1
    assert len(seconds["snare"]) == 0


# The file ------------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back() -> None:
    notes = [
        MidiNote(0.0, 0.25, DRUM_CHANNEL, 0, 36, 127),
        MidiNote(0.25, 0.25, DRUM_CHANNEL, 0, 36, 1),  # as the one before ends
        MidiNote(1.5, 100.0, 3, 17, 60, 64),
        MidiNote(2.0, 0.5, 3, 17, 61, 65),
        MidiNote(700.125, 0.25, DRUM_CHANNEL, 0, 42, 90),
    ]
    song = read_midi(write_midi(notes, 117.3, "drums of a song"))
    assert list(song.notes) == notes
    assert song.meters == {(4, 4)}


def test_the_bytes_of_a_file() -> None:
    content = write_midi([MidiNote(1.0, 0.25, DRUM_CHANNEL, 0, 38, 100)], 120, "a")
    assert content[:14] == b"MThd" + struct.pack(">IHHH", 6, 0, 1, DIVISION)
    assert content[22:] == (
        b"\x00\xff\x03\x01a" b"\x00\xff\x51\x03\x07\xa1\x20" b"\x00\xff\x58\x04\x04\x02\x18\x08"  # 500,000 microseconds
        b"\x87\x40\x99\x26\x64" b"\x81\x70\x89\x26\x40" b"\x00\xff\x2f\x00"
    )  # fmt: skip
    assert content[14:22] == b"MTrk" + struct.pack(">I", len(content) - 22)
    assert read_midi(write_midi([], 30, "")).notes == ()


def test_seconds_stay_over_two_hours() -> None:
    """A tempo is kept in whole microseconds, so beats are counted at the tempo that is written."""
    tempo = stored_tempo(133.37)
    (note,) = as_notes([Stroke(7199.0, "hat", -10.0)], tempo)
    (found,) = read_midi(write_midi([note], tempo, "long")).notes
    assert found.start * 60 / tempo == pytest.approx(7199.0, abs=1e-3)
    assert (found.pitch, found.channel) == (KINDS["hat"].key, DRUM_CHANNEL)
    assert found.velocity == round(127 * 10**-0.25)


@pytest.mark.parametrize(
    ("note", "tempo", "message"),
    [
        (MidiNote(0, 1, 0, 0, 60, 100), 3.0, "3 beats a minute; between 4"),
        (MidiNote(0, 1, 0, 0, 60, 100), float("nan"), "nan beats a minute"),
        (MidiNote(-1, 1, 0, 0, 60, 100), 120, "no file can hold"),
        (MidiNote(0, 1, 16, 0, 60, 100), 120, "no file can hold"),
        (MidiNote(0, 1, 0, 0, 128, 100), 120, "no file can hold"),
        (MidiNote(0, 1, 0, 0, 60, 0), 120, "no file can hold"),
        (MidiNote(20_000, 1, 0, 0, 60, 100), 120, "20001 beats; at most 100000 and 20000"),
    ],
)
def test_what_no_file_can_hold_is_refused(note: MidiNote, tempo: float, message: str) -> None:
    with pytest.raises(MidiError, match=message):
        write_midi([note], tempo, "x")


def test_too_many_notes_are_refused() -> None:
    with pytest.raises(MidiError, match="100001 notes"):
        write_midi([MidiNote(0, 1, 0, 0, 60, 100)] * 100_001, 120, "x")
