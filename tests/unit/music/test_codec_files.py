"""Files of codes: bits are written and come back, parts equal the whole, damaged and foreign files are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from toy_music import tiny_codec, write_codec

from sensorium.cli import main
from sensorium.models.load import load
from sensorium.music.codec import MusicCodec
from sensorium.music.codec_pieces import decode_pieces, encode_pieces
from sensorium.music.coded_sound import BLOCK, HEADER, CodedSound, CodedSoundError, Header, write_codes
from sensorium.music.config import RATE
from sensorium.music.encode_sound import digest_of

LENGTHS = [320, 321, 5000, 320 * 40, 320 * 40 + 7]


def header(latents: int, channels: int = 1, codes: int = 34, base: int = 5) -> Header:
    return Header("fsq", channels, RATE, 320, codes, base, 320 * latents - 3, 0.5, bytes(range(8)))


def tiny(kind: str = "fsq") -> MusicCodec:
    torch.set_num_threads(1)
    torch.manual_seed(3)
    return MusicCodec(tiny_codec(kind), {"rate": RATE}).eval()


# Bits ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("codes", "base"), [(34, 5), (8, 1024), (3, 2), (1, 65_536), (128, 255), (27, 7)])
@pytest.mark.parametrize("latents", [1, BLOCK, BLOCK + 1, 2 * BLOCK + 77])
def test_codes_come_back(tmp_path: Path, codes: int, base: int, latents: int) -> None:
    about = header(latents, 2, codes, base)
    made = np.random.default_rng(0).integers(base, size=(2, latents, codes))
    made[:, 0], made[:, -1] = base - 1, 0
    size = write_codes(tmp_path / "x", about, made)
    assert size == (tmp_path / "x").stat().st_size == about.file_bytes()
    assert size - HEADER.size <= latents * 2 * about.bits / 8 + 4 * (latents // BLOCK + 1)
    with (tmp_path / "x").open("rb") as file:
        coded = CodedSound(tmp_path / "x", file)
        assert coded.header == about
        for first, last in ((0, latents), (latents - 1, latents), (0, 1), (latents // 2, latents // 2 + 300)):
            np.testing.assert_array_equal(coded.codes(first, last), made[:, first:last])


def test_a_part_reads_its_blocks_alone(tmp_path: Path) -> None:
    about, made = header(3 * BLOCK), np.random.default_rng(0).integers(5, size=(1, 3 * BLOCK, 34))
    path = tmp_path / "x"
    write_codes(path, about, made)
    content = bytearray(path.read_bytes())
    content[HEADER.size + 5] ^= 1  # of the first block
    path.write_bytes(content)
    with path.open("rb") as file:
        coded = CodedSound(path, file)
        np.testing.assert_array_equal(coded.codes(BLOCK, 3 * BLOCK), made[:, BLOCK:])
        with pytest.raises(CodedSoundError, match="block 0, from 0"):
            coded.codes(BLOCK - 1, BLOCK + 1)


def test_every_damaged_byte_is_noticed(tmp_path: Path) -> None:
    about, path = header(20), tmp_path / "x"
    write_codes(path, about, np.random.default_rng(0).integers(5, size=(1, 20, 34)))
    good = path.read_bytes()
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        path.write_bytes(bad)
        with path.open("rb") as file, pytest.raises(CodedSoundError, match=r"damaged|no file of codes|version"):
            CodedSound(path, file).codes(0, 20)


@pytest.mark.parametrize("left", [0, 3, HEADER.size - 1, HEADER.size, HEADER.size + 10])
def test_a_file_that_was_cut_is_refused(tmp_path: Path, left: int) -> None:
    path = tmp_path / "x"
    write_codes(path, header(20), np.zeros((1, 20, 34), int))
    path.write_bytes(path.read_bytes()[:left])
    with path.open("rb") as file, pytest.raises(CodedSoundError, match=r"damaged|no file of codes"):
        CodedSound(path, file)


def test_numbers_that_are_no_digits_are_refused(tmp_path: Path) -> None:
    """79 bits hold more than 34 digits of five: what is beyond them was never written."""
    path, about = tmp_path / "x", header(8)
    codes = np.zeros((1, 8, 34), int)
    codes[..., -1] = 5
    write_codes(path, about, codes)
    with path.open("rb") as file, pytest.raises(CodedSoundError, match="damaged, block 0"):
        CodedSound(path, file).codes(0, 8)


# Pieces --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("piece", [1, 7, 16, 1000])
def test_pieces_are_the_whole(samples: int, piece: int) -> None:
    codec = tiny()
    sound = 0.1 * torch.randn(2, samples, generator=torch.Generator().manual_seed(0))
    whole = codec.codes(sound)
    blocks = [block.numpy() for block in sound.split(611, 1)]
    codes = np.concatenate(list(encode_pieces(codec, blocks, piece)), 1)
    assert codes.shape == whole.shape
    assert (codes != whole.numpy()).mean() < 1e-3  # a number at the border of two levels may fall to either side
    wanted = codec.decode(codec.latents_from(whole), samples).detach().numpy()
    read = lambda first, last: whole[:, first:last].numpy()  # noqa: E731
    played = np.concatenate(list(decode_pieces(codec, read, 0, samples, piece)), 1)
    np.testing.assert_allclose(played, wanted, rtol=0, atol=1e-5)
    first, last = samples // 3, samples - samples // 4
    part = np.concatenate(list(decode_pieces(codec, read, first, last, piece)), 1)
    np.testing.assert_allclose(part, wanted[:, first:last], rtol=0, atol=1e-5)


# The commands --------------------------------------------------------------------------------------------------------


def run(*argv: object) -> int:
    with pytest.raises(SystemExit) as leaving:
        main([*map(str, argv), "--device", "cpu", "--threads", "1"])
    return int(leaving.value.code or 0)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A stereo sound of 1.7 seconds at 44.1 kHz, and the manifest of a codec."""
    sound = np.random.default_rng(0).normal(0, 0.05, (75_000, 2))
    soundfile.write(tmp_path / "song.wav", sound, 44_100)
    return {"song": tmp_path / "song.wav", "model": write_codec(tmp_path / "codec"), "folder": tmp_path}


def test_a_sound_goes_through_a_file(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    codes, out, part = (files["folder"] / name for name in ("song.codes", "out.wav", "part.wav"))
    assert run("encode-sound", files["song"], "-o", codes, "--model", files["model"], "--stereo") == 0
    assert "1.70 seconds" in capsys.readouterr().out
    assert run("decode-sound", codes, "-o", out, "--model", files["model"]) == 0
    assert run("decode-sound", codes, "-o", part, "--model", files["model"], "--start", 0.5, "--seconds", 0.25) == 0
    whole, rate = soundfile.read(out)
    assert (rate, whole.shape) == (RATE, (round(75_000 * 24_000 / 44_100), 2))
    np.testing.assert_allclose(soundfile.read(part)[0], whole[12_000:18_000], rtol=0, atol=1e-5)
    codec = load(MusicCodec, files["model"])
    with codes.open("rb") as file:
        coded = CodedSound(codes, file)
        sound = codec.decode(codec.latents_from(torch.from_numpy(coded.codes(0, 1000)))) / coded.header.gain
    np.testing.assert_allclose(whole.T, sound[:, : whole.shape[0]], rtol=0, atol=1e-5)
    assert run("encode-sound", files["song"], "-o", files["folder"] / "mono", "--model", files["model"]) == 0
    assert (files["folder"] / "mono").stat().st_size < 0.6 * codes.stat().st_size


def test_another_process_plays_the_same(files: dict[str, Path]) -> None:
    codes, here, there = (files["folder"] / name for name in ("song.codes", "here.wav", "there.wav"))
    assert run("encode-sound", files["song"], "-o", codes, "--model", files["model"]) == 0
    assert run("decode-sound", codes, "-o", here, "--model", files["model"]) == 0
    command = [sys.executable, "-m", "sensorium", "decode-sound", codes, "-o", there, "--model", files["model"]]
    subprocess.run([*map(str, command), "--device", "cpu", "--threads", "1"], check=True, env=os.environ, timeout=300)
    np.testing.assert_array_equal(soundfile.read(here)[0], soundfile.read(there)[0])  # headers hold the time


def test_codes_of_another_model_are_refused(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    codes, other = files["folder"] / "song.codes", write_codec(files["folder"] / "other", seed=6)
    assert run("encode-sound", files["song"], "-o", codes, "--model", files["model"]) == 0
    assert run("decode-sound", codes, "-o", files["folder"] / "out.wav", "--model", other) == 65
    assert digest_of(files["model"]).hex() in capsys.readouterr().err
    assert not (files["folder"] / "out.wav").exists()


def test_odd_commands_end_with_a_message(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    codes, out = files["folder"] / "song.codes", files["folder"] / "out.wav"
    assert run("encode-sound", files["song"], "-o", codes, "--model", files["model"]) == 0
    more = ("--model", files["model"])
    for argv, code, message in (
        (("decode-sound", files["song"], "-o", out, *more), 65, "no file of codes"),
        (("decode-sound", codes, "-o", out, "--start", 9, *more), 65, "nothing after 9"),
        (("decode-sound", codes, "-o", out.with_suffix(".mp3"), *more), 78, "WAV"),
        (("decode-sound", codes, "-o", out, "--seconds", 0, *more), 78, "negative, or 0"),
        (("decode-sound", files["folder"] / "none", "-o", out, *more), 74, "none"),
        (("encode-sound", files["folder"] / "none", "-o", out, *more), 74, "none"),
        (("encode-sound", codes, "-o", out, *more), 65, "song.codes"),
    ):
        assert run(*argv) == code, argv
        assert message in capsys.readouterr().err
        assert not out.exists()


def test_a_codec_without_codes_writes_none(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    model = write_codec(files["folder"] / "plain", "none")
    assert run("encode-sound", files["song"], "-o", files["folder"] / "x", "--model", model) == 78
    assert "without a quantiser" in capsys.readouterr().err
