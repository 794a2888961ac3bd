"""Sounds and pictures by `sensorium puzzle` and `sensorium.load`: files to grids, grids to files, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from toy_puzzle_artifacts import write_maps
from toy_puzzles import pictures, sounds

import sensorium
from sensorium.artifacts import ArtifactError
from sensorium.cli import main
from sensorium.puzzle import sense_files, sound_inversion
from sensorium.puzzle.config import SOUND_RATE
from sensorium.puzzle.grid import PACKED, GridError, as_text, read_grids, write_grids
from sensorium.puzzle.sense_codes import PictureCodes, SoundCodes
from sensorium.puzzle.sound_inversion import to_sound
from sensorium.puzzle.spectrogram import DecibelSpectrogram, to_decibels

LENGTH = 2 * SOUND_RATE + 700  # samples: two seconds and a bit


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results of tiny maps, a sound and a picture."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("puzzle")
    write_maps(folder / "results")
    soundfile.write(folder / "word.wav", sounds(3).flatten()[:LENGTH].numpy(), SOUND_RATE, subtype="PCM_16")
    Image.fromarray(pictures(1)[0, 0].numpy()).save(folder / "patch.png")
    return folder


@pytest.fixture
def here(results: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(results)
    return results


def run(*argv: object) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["puzzle", *map(str, argv)])
    return int(leaving.value.code or 0)


def codes_of(here: Path, sense: str) -> SoundCodes | PictureCodes:
    codes = sensorium.load(here / "results", "cpu").puzzle(sense)
    assert isinstance(codes, SoundCodes | PictureCodes)
    return codes


def test_a_long_sound_is_a_grid_a_second_and_comes_back_as_a_wave(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("encode", "word.wav", "-o", tmp_path / "word.grid") == 0
    assert (tmp_path / "word.grid").stat().st_size == 3 * PACKED
    assert "grids: 3" in (printed := capsys.readouterr().out)
    assert "lossy" in printed
    grids, codes = np.stack(read_grids(tmp_path / "word.grid")), codes_of(here, "sound")
    wave = soundfile.read(here / "word.wav", dtype="int16")[0]
    assert np.array_equal(grids, codes.encode(wave))
    assert np.array_equal(grids[1], codes.encode(wave[SOUND_RATE : 2 * SOUND_RATE])[0])
    assert np.array_equal(grids, codes.encode(wave / np.float32(32768)))
    assert run("decode", tmp_path / "word.grid", "-o", tmp_path / "again.wav") == 0
    assert "lossy" in capsys.readouterr().out
    again, rate = soundfile.read(tmp_path / "again.wav", dtype="int16")
    assert rate == SOUND_RATE
    assert np.array_equal(again, codes.decode(grids))
    assert len(again) == 3 * SOUND_RATE
    quiet = np.abs(again[-SOUND_RATE // 2 :].astype(float)).mean()  # what was filled up is silent
    assert quiet < 0.02 * np.abs(again[:SOUND_RATE].astype(float)).mean()


def test_a_picture_comes_back_at_the_size_of_the_model(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("encode", "patch.png", "-o", tmp_path / "patch.grid") == 0
    assert "dB PSNR" in capsys.readouterr().out
    codes, pixels = codes_of(here, "sight"), np.asarray(Image.open("patch.png"))
    grids = np.stack(read_grids(tmp_path / "patch.grid"))
    assert np.array_equal(grids, codes.encode(pixels))
    assert run("decode", tmp_path / "patch.grid", "-o", tmp_path / "again.png") == 0
    again = np.asarray(Image.open(tmp_path / "again.png"))
    assert np.array_equal(again, codes.decode(grids)[0])
    error = np.square((again.astype(float) - pixels) / 255).mean()
    assert codes.loss(pixels) == pytest.approx(-10 * np.log10(error), abs=0.1)


def test_several_pictures_are_a_sheet(here: Path, tmp_path: Path) -> None:
    codes, patches = codes_of(here, "sight"), pictures(18)[:, 0].numpy()
    write_grids(tmp_path / "many.grid", list(codes.encode(patches)))
    assert run("decode", tmp_path / "many.grid", "-o", tmp_path / "sheet.png") == 0
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 32, 16 * 32, 3)
    decoded = codes.decode(codes.encode(patches))
    assert np.array_equal(sheet[:32, 64:96], decoded[2])
    assert np.array_equal(sheet[32:, 32:64], decoded[17])
    assert not sheet[32:, 64:].any()


@pytest.mark.parametrize("sense", ["sound", "sight"])
def test_a_grid_is_drawn_beside_what_it_decodes_to(
    sense: str, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = codes_of(here, sense)
    grid = codes.encode(sounds(1)[0].numpy() if sense == "sound" else pictures(1)[:, 0].numpy())[0]
    write_grids(tmp_path / "one.grid", [grid])
    assert run("show", tmp_path / "one.grid", "-o", tmp_path / "one.png", "--sense", sense) == 0
    assert as_text(grid) in capsys.readouterr().out
    width, height = Image.open(tmp_path / "one.png").size
    assert width > 1.6 * height


def test_a_film_is_heard_or_seen(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of the two must be asked for; its length is what its container says."""
    film = tmp_path / "film.mp4"
    film.write_bytes(b"0")
    asked = {}

    def read_media(path: Path, **how: object) -> dict[str, np.ndarray]:
        asked.update(how)
        return {"audio": sounds(2).flatten().numpy(), "video": pictures(5)[:, 0].numpy()}

    monkeypatch.setattr(sense_files, "duration", lambda path: 1.4)
    monkeypatch.setattr(sense_files, "read_media", read_media)
    assert run("encode", film, "-o", tmp_path / "film.grid") == 65
    assert run("encode", film, "-o", tmp_path / "film.grid", "--sense", "sight") == 0
    assert (asked["streams"], asked["frames"], asked["size"]) == (("video",), 22, 32)
    assert len(read_grids(tmp_path / "film.grid")) == 5
    assert run("encode", film, "-o", tmp_path / "film.grid", "--sense", "sound") == 0
    assert asked["streams"] == ("audio",)
    monkeypatch.setattr(sense_files, "duration", lambda path: 601.0)
    with pytest.raises(GridError, match="601 seconds"):
        sense_files.read(film, "sound", 1)


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["encode", "patch.png", "-o", "x.grid", "--sense", "sound"], "--sense text"),
        (["encode", "word.wav", "-o", "x.grid", "--layout", "legible"], "is one of texts"),
        (["encode", "word.wav", "-o", "x.grid", "--model", "none"], "leave it out"),
        (["encode", "word.wav", "-o", "x.grid", "--model", "results/puzzle/sight/manifest.json"], "codes of pictures"),
        (["encode", "what.bin", "-o", "x.grid"], "Add --sense sound or --sense sight"),
        (["decode", "one.grid", "-o", "x.bin", "--sense", "sound"], "ends in .wav"),
        (["decode", "one.grid", "-o", "x.bin"], "name OUT .wav or .png"),
        (["decode", "word.wav", "-o", "x.wav"], "expected a multiple of 374"),
    ],
)
def test_what_cannot_be_is_named_with_its_way_out(
    argv: list[str], fault: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_grids(here / "one.grid", list(codes_of(here, "sight").encode(pictures(1)[:, 0].numpy())))
    assert run(*argv) == 65
    assert fault in capsys.readouterr().err
    assert not list(here.glob("x.*"))


def test_sounds_that_are_too_long_and_models_that_are_not_there(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sense_files, "LONGEST", 2)
    with pytest.raises(GridError, match="longer than 2 seconds"):
        sense_files.read(here / "word.wav", "sound", 1)
    monkeypatch.setattr(sense_files, "LONGEST", 3)
    assert len(sense_files.read(here / "word.wav", "sound", 1)) == LENGTH
    assert run("encode", tmp_path / "nothing.wav", "-o", tmp_path / "x.grid") == 74
    monkeypatch.chdir(tmp_path)
    assert run("encode", here / "word.wav", "-o", "x.grid") == 65
    assert "snakemake --profile local -j1 results/puzzle/sound/manifest.json" in capsys.readouterr().err


def test_arrays_that_cannot_be_coded_are_named(here: Path) -> None:
    sound, sight = codes_of(here, "sound"), codes_of(here, "sight")
    for wrong in (np.zeros(0, np.int16), np.zeros((2, 3), np.int16), np.zeros(3, np.int64)):
        with pytest.raises(ValueError, match=r"expected int16 or float \[S\]"):
            sound.encode(wrong)
    with pytest.raises(ValueError, match="not finite"):
        sound.encode(np.array([0.0, np.nan]))
    for picture in (np.zeros((32, 32), np.uint8), np.zeros((32, 32, 3)), np.zeros((0, 32, 32, 3), np.uint8)):
        with pytest.raises(ValueError, match="expected uint8"):
            sight.encode(picture)
    for grids in (np.zeros((0, 30, 30), np.uint8), np.zeros((1, 29, 30), np.uint8), np.full((30, 30), 10, np.uint8)):
        with pytest.raises(GridError):
            sight.decode(grids)
    with pytest.raises(ArtifactError, match=r"puzzle\('sound'\)"):
        sensorium.load(here / "results/puzzle/sound")


def test_a_wave_has_the_spectrogram_that_it_was_made_of() -> None:
    """Two tones, one after the other: what is made is loud where they are, and more so than with random phases."""
    torch.manual_seed(0)
    time = torch.arange(2 * SOUND_RATE) / SOUND_RATE
    wave = 0.3 * torch.sin(2 * torch.pi * torch.where(time < 1.2, 440.0, 1500.0) * time)
    spectrogram = DecibelSpectrogram()
    wanted = spectrogram(wave.view(2, -1))
    made = to_sound(wanted)
    assert made.shape == wave.shape
    assert torch.equal(made, to_sound(wanted))

    def error(sound: torch.Tensor) -> float:
        loud = to_decibels(wanted) > 20
        found = to_decibels(spectrogram(sound.view(2, -1)))
        return float((found - to_decibels(wanted))[loud].square().mean().sqrt())

    rounds, sound_inversion.PHASE_ROUNDS = sound_inversion.PHASE_ROUNDS, 0
    try:
        plain = error(to_sound(wanted))
    finally:
        sound_inversion.PHASE_ROUNDS = rounds
    assert error(made) < 4
    assert plain > 2 * error(made)
