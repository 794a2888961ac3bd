"""`sensorium continue`: pieces equal the whole, stems add up, memory is bounded, odd files end with a message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from toy_continue import BEATS, encode, fresh_mask, noise, run
from toy_music import MASK

from sensorium.music.alignment import aligned
from sensorium.music.beats import Beats
from sensorium.music.config import RATE as MODEL_RATE
from sensorium.music.config import MaskConfig
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.sound_files import RATE, SoundFile, SoundFileError
from sensorium.music.spectrum import analyse, synthesise
from sensorium.music.streaming import LEVEL, Separation


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of a mask with fresh weights."""
    return fresh_mask(tmp_path_factory.mktemp("mask"))


# Piece by piece ------------------------------------------------------------------------------------------------------


def blocks(wave: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """A sound [channels, n], some samples at a time."""
    return (wave[:, start : start + size] for start in range(0, wave.shape[1], size))


def test_pieces_equal_the_whole() -> None:
    torch.manual_seed(0)
    network = MaskNetwork(MaskConfig(width=8, layers=3), {"rate": MODEL_RATE}).eval()
    wave = noise(6.3).T
    whole: np.ndarray | None = None
    for frames, size in ((10**6, 10**7), (40, 1000), (17, 50_000), (200, 1024)):
        separation = Separation(network, 0.1, frames)
        pieces = list(separation.drums(blocks(wave, size), wave.shape[1]))
        assert len(pieces) == separation.pieces(wave.shape[1])
        mixture, drums = (np.concatenate(parts, 1) for parts in zip(*pieces, strict=True))
        whole = drums if whole is None else whole
        assert np.array_equal(mixture, wave)
        assert drums.shape == wave.shape
        np.testing.assert_allclose(drums, whole, rtol=0, atol=1e-6)
    assert 0.1 < whole.std() / wave.std() < 0.9  # type: ignore[union-attr]


def test_both_rates_have_one_mask() -> None:
    """What 48 kHz gives of a sound without anything above 12 kHz is what the network gives at its own rate."""
    torch.manual_seed(0)
    network = MaskNetwork(MaskConfig(width=8, layers=2), {"rate": MODEL_RATE}).eval()
    time = np.arange(2 * RATE) / RATE
    wave = sum(np.sin(2 * np.pi * f * time) * (0.1 + 0.1 * (time % 0.4 < 0.2)) for f in (110, 523, 1760, 5000))
    wave = np.asarray(wave, np.float32)
    (_, drums), *_ = Separation(network, LEVEL).drums(iter([wave[None]]), len(wave))
    own = torch.from_numpy(wave[::2].copy())[None]
    spectra = analyse(own)
    expected = synthesise(network(spectra) * spectra, own.shape[1]).detach()[0]
    inside = slice(2400, -2400)
    assert np.corrcoef(drums[0, ::2][inside], expected[inside])[0, 1] > 0.999


def test_memory_does_not_grow_with_the_sound() -> None:
    """The stream is never more than a piece and its context ahead of what it has given."""
    network = MaskNetwork(MASK, {"rate": MODEL_RATE}).eval()
    wave, taken, given, ahead = noise(12, channels=1).T, 0, 0, 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal taken
        for block in blocks(wave, 2048):
            taken += block.shape[1]
            yield block

    for mixture, _ in Separation(network, 0.1, 32).drums(counted(), wave.shape[1]):
        given += mixture.shape[1]
        ahead = max(ahead, taken - given)
    assert given == wave.shape[1]
    assert ahead < (32 + 2 * network.context + 8) * 1024


def test_the_network_hears_every_loudness_alike_and_nothing_is_rescaled() -> None:
    network = MaskNetwork(MASK, {"rate": MODEL_RATE}).eval()
    wave = noise(2).T
    loud, soft = (
        next(iter(Separation(network, level).drums(iter([wave * gain]), wave.shape[1])))[1]
        for level, gain in ((0.1, 1.0), (0.001, 0.01))
    )
    np.testing.assert_allclose(soft, 0.01 * loud, rtol=0, atol=1e-6)


# The command ---------------------------------------------------------------------------------------------------------


def test_stems_add_up_and_a_table_is_printed(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stereo MP3 at 44.1 kHz with a mono FLAC at 8 kHz, which is shorter."""
    first = encode(tmp_path / "a.mp3", "libmp3lame", noise(3, 44_100), 44_100)
    second = tmp_path / "b.flac"
    soundfile.write(second, noise(2.5, 8000, 1, 1), 8000)
    out, stems, table = tmp_path / "out.wav", tmp_path / "stems", tmp_path / "t.json"
    assert run(first, second, "-o", out, "--stems", stems, "--json", table, "--model", model, *BEATS) == 0
    sounds = {path.stem: soundfile.read(path, dtype="float32")[0] for path in (out, *stems.iterdir())}
    assert sounds["out"].shape == (round(2.5 * RATE), 2)
    for song, path in (("a", first), ("b", second)):
        file = SoundFile.open(path)
        mixture = np.concatenate(list(file.blocks(2, len(sounds["out"]))), 1).T
        np.testing.assert_allclose(sounds[f"drums_{song}"] + sounds[f"harmony_{song}"], mixture, rtol=0, atol=1e-6)
        assert 0.01 < sounds[f"drums_{song}"].std() < mixture.std()
    np.testing.assert_allclose(sounds["out"], sounds["drums_a"] + sounds["harmony_b"], rtol=0, atol=1e-6)
    assert soundfile.info(out).subtype == "FLOAT"
    found = json.loads(table.read_text())
    assert [song["rate"] for song in found["songs"]] == [44_100, 8000]
    assert found["sounds"]["output"]["peak"] == pytest.approx(np.abs(sounds["out"]).max())
    printed = capsys.readouterr().out
    assert "nothing was rescaled" in printed
    assert printed.count("not stretched") == 2
    assert "the rest of the longer song" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp3", "b.flac", "out.wav", "stems", "t.json"]


def test_what_is_above_full_scale_is_counted_and_kept(model: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        soundfile.write(tmp_path / f"{name}.wav", 6 * noise(1.5, seed=seed), RATE, "FLOAT")
    out, table = tmp_path / "out.wav", tmp_path / "t.json"
    assert run(tmp_path / "a.wav", tmp_path / "b.wav", "-o", out, "--json", table, "--model", model, *BEATS) == 0
    wave, record = soundfile.read(out)[0], json.loads(table.read_text())["sounds"]["output"]
    assert record["above_full_scale"] == (np.abs(wave) > 1).sum() > 0


def odd(folder: Path, kind: str) -> Path:
    """A file that cannot be worked on."""
    path = folder / f"{kind}.wav"
    if kind == "silent":
        soundfile.write(path, np.zeros((2 * RATE, 2)), RATE)
    elif kind == "empty":
        soundfile.write(path, np.zeros((0, 2)), RATE)
    elif kind == "short":
        soundfile.write(path, noise(0.3), RATE)
    elif kind == "no numbers":
        wave = noise(1.5)
        wave[RATE] = np.nan
        soundfile.write(path, wave, RATE, "FLOAT")
    elif kind == "text":
        path.write_text("no sound at all, but a text that is long enough to be looked at" * 50)
    elif kind == "cut":
        soundfile.write(path, noise(3), RATE)
        path.write_bytes(path.read_bytes()[:300_000])
    elif kind == "damaged":
        path = path.with_suffix(".flac")
        soundfile.write(path, noise(3), RATE)
        content = bytearray(path.read_bytes())
        content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
        path.write_bytes(content)
    elif kind == "folder":
        path.mkdir()
    elif kind == "beatless":
        soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal((9 * RATE, 1)), RATE)
    elif kind == "few beats":
        soundfile.write(path, noise(3), RATE)
    return path


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("silent", 65, ": silent, its largest sample is"),
        ("empty", 65, "0.00 seconds"),
        ("short", 65, "0.30 seconds of sound; at least 1"),
        ("no numbers", 65, "no numbers"),
        ("text", 65, "unreadable"),
        ("cut", 65, "truncated"),
        ("damaged", 65, "are missing after"),
        ("beatless", 65, "no steady beat was found"),
        ("few beats", 65, "3.00 seconds are too few to find beats"),
        ("folder", 74, "a folder, not a file"),
        ("missing", 74, "No such file"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_odd_files_end_with_a_message(
    kind: str, code: int, message: str, place: int, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = tmp_path / "good.wav"
    soundfile.write(good, noise(1.2), RATE)
    bad = odd(tmp_path, kind)
    pair = [bad, good] if place == 0 else [good, bad]
    beats = BEATS[2:] if place == 0 else BEATS[:2]  # of the good one
    assert run(*pair, "-o", tmp_path / "out.wav", "--model", model, *beats) == code
    printed = capsys.readouterr().err
    assert message in printed
    assert bad.name in printed
    assert not (tmp_path / "out.wav").exists()


def test_other_endings_and_missing_models_are_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = tmp_path / "good.wav"
    soundfile.write(good, noise(1.2), RATE)
    assert run(good, good, "-o", tmp_path / "out.mp3", "--model", model) == 78
    assert ".wav" in capsys.readouterr().err
    assert run(good, good, "-o", tmp_path / "out.wav", "--model", tmp_path / "none.json") == 65
    assert "none.json" in capsys.readouterr().err
    for option, value, message in (
        ("--tempo", "fast", "'fast': say a, b or beats a minute, between 30 and 300"),
        ("--tempo", "20", "'20': say a, b or beats"),
        ("--beats-a", "120", "'120': say for example 120@0.35"),
    ):
        assert run(good, good, "-o", tmp_path / "out.wav", option, value) == 2
        assert message in capsys.readouterr().err


def test_a_song_of_another_tempo_is_stretched(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """B, with its beats found, takes the tempo of A; stems add up to what is used of it, and the result to both."""
    time = np.arange(9 * RATE) / RATE
    for name, beat in (("a", 0.5), ("b", 0.55)):
        rng = np.random.default_rng(3)
        wave = 0.3 * rng.standard_normal(len(time)) * np.exp(-(time % beat) / 0.02)
        soundfile.write(tmp_path / f"{name}.wav", wave + 0.05 * np.sin(2 * np.pi * 330 * time), RATE, "FLOAT")
    out, stems, table = tmp_path / "out.wav", tmp_path / "stems", tmp_path / "t.json"
    argv = ["-o", out, "--stems", stems, "--json", table, "--model", model]
    assert run(tmp_path / "a.wav", tmp_path / "b.wav", *argv) == 0
    songs = json.loads(table.read_text())["songs"]
    assert [song["tempo"] for song in songs] == pytest.approx([120, 60 / 0.55], rel=2e-3)
    assert songs[1]["speed"] == pytest.approx(songs[0]["tempo"] / songs[1]["tempo"])
    sounds = {path.stem: soundfile.read(path, dtype="float32")[0] for path in (out, *stems.iterdir())}
    np.testing.assert_allclose(sounds["out"], sounds["drums_a"] + sounds["harmony_b"], rtol=0, atol=1e-6)
    beats = aligned([SoundFile.open(tmp_path / f"{name}.wav") for name in "ab"],
                    [Beats(song["tempo"], song["downbeat"]) for song in songs], "a")  # fmt: skip
    for name, part in zip("ab", beats, strict=True):
        used = np.concatenate(list(part.blocks(1, len(sounds["out"]))), 1)[0]
        np.testing.assert_allclose(sounds[f"drums_{name}"] + sounds[f"harmony_{name}"], used, rtol=0, atol=1e-6)
    assert "stretched to 120" in capsys.readouterr().out


def test_too_little_after_the_first_bar_is_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wave = np.pad(noise(0.9), ((2 * RATE, 0), (0, 0)))
    soundfile.write(tmp_path / "late.wav", wave, RATE)
    soundfile.write(tmp_path / "good.wav", noise(2), RATE)
    beats = ("--beats-a", "120@2", "--beats-b", "120@0")
    assert run(tmp_path / "late.wav", tmp_path / "good.wav", "-o", tmp_path / "o.wav", "--model", model, *beats) == 65
    assert "late.wav: 0.90 seconds are left after its first bar begins" in capsys.readouterr().err


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(2), RATE)
    file = SoundFile.open(path)
    soundfile.write(path, noise(1.5), RATE)
    with pytest.raises(SoundFileError, match="24000 samples are missing"):
        list(file.blocks(2, file.samples))
