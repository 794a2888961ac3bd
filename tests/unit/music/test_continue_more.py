"""What `sensorium continue` writes beside the result: drums as MIDI, bars beyond the end, a page."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from toy_continue import BEATS, fresh_mask, noise, run

from sensorium.music import page
from sensorium.music.midi import DRUM_CHANNEL, read_midi
from sensorium.music.next_bars import FADE
from sensorium.music.sound_files import RATE
from sensorium.music.strokes import KINDS, StrokeListener
from sensorium.music.table import STEMS


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of a mask with fresh weights."""
    return fresh_mask(tmp_path_factory.mktemp("mask"))


def test_the_drums_are_written_as_midi(model: Path, tmp_path: Path) -> None:
    """At the tempo of the result, and where they are heard; an ending that is none of MIDI's is refused."""
    for name, seed in (("a", 0), ("b", 1)):
        soundfile.write(tmp_path / f"{name}.wav", noise(4.2, seed=seed), RATE)
    songs = (tmp_path / "a.wav", tmp_path / "b.wav")
    out, midi, stems = tmp_path / "out.wav", tmp_path / "deep" / "drums.MID", tmp_path / "stems"
    assert run(*songs, "-o", out, "--midi", midi, "--stems", stems, "--model", model, *BEATS) == 0
    content = midi.read_bytes()
    assert b"\xff\x51\x03" + (500_000).to_bytes(3, "big") in content
    notes = read_midi(content).notes
    assert {note.channel for note in notes} == {DRUM_CHANNEL}
    hats = [note.start for note in notes if note.pitch == KINDS["hat"].key]
    assert hats == pytest.approx([float(beat) for beat in range(9)][-len(hats) :], abs=0.05)
    assert len(hats) >= 8  # the first one begins with the sound
    listener = StrokeListener()
    listener.add(soundfile.read(stems / "drums_a.wav", dtype="float32", always_2d=True)[0].T)
    assert [note.start / 2 for note in notes] == pytest.approx([s.seconds for s in listener.strokes()], abs=1e-3)


@pytest.mark.parametrize(
    ("midi", "code", "message"),
    [
        ("drums.wav", 78, "drums.wav: a MIDI file; give it the ending .mid or .midi"),
        ("b.wav/d.mid", 74, "d.mid: cannot"),
    ],
)
def test_midi_files_that_cannot_be_written_are_named(
    midi: str, code: int, message: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", noise(1.2), RATE)
    argv = [tmp_path / "a.wav", tmp_path / "b.wav", "-o", tmp_path / "out.wav", "--model", model, *BEATS]
    assert run(*argv, "--midi", tmp_path / midi) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.wav").exists()


def test_songs_go_on_beyond_the_end(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A has four bars and B two and a half: of six, A plays four of its own, and stems still add up."""
    for name, seconds, seed in (("a", 8.0, 0), ("b", 5.0, 1)):
        soundfile.write(tmp_path / f"{name}.wav", noise(seconds, seed=seed), RATE, "FLOAT")
    songs = (tmp_path / "a.wav", tmp_path / "b.wav")
    out, stems, table, midi = tmp_path / "out.wav", tmp_path / "stems", tmp_path / "t.json", tmp_path / "d.mid"
    argv = ["--bars", 4, "--stems", stems, "--json", table, "--midi", midi, "--model", model]
    assert run(*songs, "-o", out, *argv, *BEATS) == 0
    sounds = {path.stem: soundfile.read(path, dtype="float32")[0] for path in (out, *stems.iterdir())}
    assert {len(sound) for sound in sounds.values()} == {6 * 2 * RATE}
    np.testing.assert_allclose(sounds["out"], sounds["drums_a"] + sounds["harmony_b"], rtol=0, atol=1e-6)
    for name, bars in (("a", 4), ("b", 2)):
        mixture = sounds[f"drums_{name}"] + sounds[f"harmony_{name}"]
        own, end = soundfile.read(tmp_path / f"{name}.wav")[0], 2 * RATE * bars - FADE
        np.testing.assert_allclose(mixture[:end], own[:end], rtol=0, atol=1e-6)
        later = mixture[2 * RATE * bars :][: 2 * RATE - FADE]  # one of its bars
        assert min(np.abs(later - own[n * 2 * RATE :][: len(later)]).max() for n in range(bars)) < 1e-6
    record = json.loads(table.read_text())["bars"]
    assert (record["added"], record["after"]) == (4, 2)
    assert [song["own"] for song in record["songs"]] == [2, 0]
    assert [len(song["repeated"]) for song in record["songs"]] == [2, 4]
    printed = capsys.readouterr().out
    assert "4 bars go on after bar 2:" in printed
    assert "drums of A: 2 of its own, then bars" in printed
    assert "harmony of B: bars" in printed
    assert max(note.start for note in read_midi(midi.read_bytes()).notes) > 22


def page_of(path: Path) -> tuple[str, list[np.ndarray]]:
    """The text of a page, and the sounds in it, [channels, n]."""
    text = path.read_text()
    found = []
    for encoded in re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', text):
        with av.open(io.BytesIO(base64.b64decode(encoded))) as container:
            assert container.streams.audio[0].rate == RATE
            found.append(np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], 1))
    return text, found


def test_a_page_has_every_sound_and_names_no_other_place(model: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        soundfile.write(tmp_path / f"{name}<i>.wav", noise(2.5, seed=seed), RATE, "FLOAT")
    songs, stems = (tmp_path / "a<i>.wav", tmp_path / "b<i>.wav"), tmp_path / "stems"
    argv = ["-o", tmp_path / "output.wav", "--stems", stems, "--page", tmp_path / "page", "--model", model, *BEATS]
    assert run(*songs, *argv) == 0
    text, sounds = page_of(tmp_path / "page" / "index.html")
    files = [tmp_path / "output.wav", *songs, *(stems / f"{name}.wav" for name in STEMS)]
    assert len(sounds) == len(files) == text.count("data:image/png;base64,")
    waves = [soundfile.read(path, dtype="float32")[0].T for path in files]
    for number, (wave, sound) in enumerate(zip(waves, sounds, strict=True)):
        assert wave.shape[1] <= sound.shape[1] < wave.shape[1] + 5000
        errors = [float(((each - sound[:, : wave.shape[1]]) ** 2).mean()) for each in waves]
        assert int(np.argmin(errors)) == number
        assert errors[number] < 0.2 * (wave**2).mean()
    assert "<i>" not in text
    assert "a&lt;i&gt;.wav" in text
    assert "nothing was rescaled" in text
    assert not re.findall(r"https?:|//[a-z]", re.sub(r"base64,[^\"]+", "", text))
    assert "default-src 'none'" in text


def test_long_sounds_are_beside_the_page(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "INLINE", 100_000)
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", noise(1.5), RATE)
    argv = ["-o", tmp_path / "o.wav", "--page", tmp_path / "page", "--model", model, *BEATS]
    assert run(tmp_path / "a.wav", tmp_path / "b.wav", *argv) == 0
    text, sounds = page_of(tmp_path / "page" / "index.html")
    assert sounds == []
    for name in page.TITLES:
        assert f'src="{name}.mp3"' in text
        assert (tmp_path / "page" / f"{name}.mp3").stat().st_size > 15_000
    (tmp_path / "file").write_text("no folder")
    assert run(tmp_path / "a.wav", tmp_path / "b.wav", *argv, "--page", tmp_path / "file") == 74


@pytest.mark.parametrize("seconds", [0.05, 1.0, 47.0])
def test_a_picture_shows_when_and_where_a_sound_is(seconds: float) -> None:
    time = np.arange(round(seconds * RATE)) / RATE
    wave = np.where(time < seconds / 2, np.sin(2 * np.pi * 200 * time), np.sin(2 * np.pi * 6000 * time))
    picture = page.Picture(len(wave))
    for start in range(0, len(wave), 9000):
        picture.add(wave[None, start : start + 9000].astype(np.float32))
    shown = picture.decibels()
    assert shown.shape[0] == page.BANDS
    assert shown.shape[1] <= page.COLUMNS
    if seconds >= 1:
        loudest, columns = shown.argmax(0), shown.shape[1]
        assert set(loudest[columns // 10 : columns * 4 // 10]) <= set(range(4, 14))
        assert set(loudest[columns * 6 // 10 : columns * 9 // 10]) <= set(range(60, 80))
    assert picture.png().startswith(b"\x89PNG")


def test_silence_at_the_end_is_not_gone_on_from(model: Path, tmp_path: Path) -> None:
    quiet = np.pad(noise(6.1), ((0, 4 * RATE), (0, 0)))
    soundfile.write(tmp_path / "a.wav", quiet, RATE, "FLOAT")
    soundfile.write(tmp_path / "b.wav", noise(12, seed=1), RATE, "FLOAT")
    table = tmp_path / "t.json"
    argv = ["-o", tmp_path / "out.wav", "--bars", 1, "--json", table, "--model", model, *BEATS]
    assert run(tmp_path / "a.wav", tmp_path / "b.wav", *argv) == 0
    assert json.loads(table.read_text())["bars"]["after"] == 3


@pytest.mark.parametrize(
    ("bars", "code", "message"),
    [
        ("0", 2, "'0': say how many bars go on, 1 to 1000"),
        ("-3", 2, "'-3': say how many bars"),
        ("1.5", 2, "'1.5': say how many bars"),
        ("many", 2, "'many': say how many bars"),
        ("1001", 2, "'1001': say how many bars"),
        ("4", 65, "a.wav: 1 whole bars of 2.00 seconds; --bars needs 2"),
    ],
)
def test_bars_that_cannot_be_made_are_named(
    bars: str, code: int, message: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seconds in (("a", 3.0), ("b", 6.0)):
        soundfile.write(tmp_path / f"{name}.wav", noise(seconds), RATE)
    argv = ["-o", tmp_path / "out.wav", f"--bars={bars}", "--model", model, *BEATS]
    assert run(tmp_path / "a.wav", tmp_path / "b.wav", *argv) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.wav").exists()
