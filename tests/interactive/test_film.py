"""`sensorium dream`, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from dream_results import CONSOLE, FRAMES, SAMPLES, begin_dream, open_parts, write_results

from sensorium.cli import main
from sensorium.data.sample_formats import FULL_SCALE
from sensorium.evaluation.films import DREAMING, GAP, SCALE, WATCHING

WIDE = 16 * SCALE
MANIFESTS = ("dynamics", "tokenizer", "latents", "data")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["dream", "--device", "cpu", "--denoising-steps", "2", *arguments])
    return int(leaving.value.code or 0)


def watch(path: Path) -> tuple[np.ndarray, int]:
    """Pictures of a film, uint8 [T, H, W, 3], and how many streams of sound it has."""
    with av.open(str(path)) as film:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]), len(film.streams.audio)


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder to write to; the command stands beside results/."""
    monkeypatch.chdir(place)
    return tmp_path


def test_an_unknown_kind_of_film_is_refused_before_anything_is_dreamed(here, capsys):
    assert run("--output", str(here / "film.avi"), "--dynamics", str(here / "nothing.json")) == 78
    said = capsys.readouterr().err
    assert "film.avi" in said
    assert ".gif" in said


def test_the_film(here, capsys):
    film = here / "film.mp4"
    assert run("--output", str(film)) == 0
    assert "toy-2" in capsys.readouterr().out
    pictures, sounds = watch(film)
    assert pictures.shape == (FRAMES, WIDE, WIDE + GAP, 3)  # the recording's own length: its actions lead
    assert sounds == 0
    bar = pictures[:, :, WIDE + 2 : -2].mean((1, 2))
    assert np.abs(bar[:6] - WATCHING).max() < 12
    assert np.abs(bar[6:] - DREAMING).max() < 12
    parts = open_parts()
    environment = begin_dream(parts, "toy-2", context=6, denoising_steps=2, seed=0)
    moves = parts.latents.field("toy-2", "action")[6:]
    expected = np.concatenate([environment.beginning.pictures, [environment.step(move).frame for move in moves]])
    shown = pictures[:, SCALE // 2 :: SCALE, SCALE // 2 : WIDE : SCALE].astype(float)
    luminance = [0.299, 0.587, 0.114]  # colours are stored at half the size
    error = np.abs(shown @ luminance - expected @ luminance).mean((1, 2))
    assert error.max() < 6
    assert np.abs(expected[:6] @ luminance - expected[6] @ luminance).mean() > 20  # or the check above says nothing


def test_seed_and_actions_decide(here):
    moves = here / "moves.json"
    moves.write_text(json.dumps([[1.0, 0.0]] * 9))
    still = here / "still.json"
    still.write_text(json.dumps([[-1.0, 0.0]] * 9))
    films = []
    for number, arguments in enumerate(
        (f"--actions {moves}", f"--actions {moves}", f"--actions {moves} --seed 1", f"--actions {still}")
    ):
        films.append(here / f"{number}.mp4")
        assert run("--output", str(films[-1]), *arguments.split()) == 0
    first, again, other_seed, other_actions = (watch(film)[0].astype(float) for film in films)
    assert len(first) == 6 + 9
    assert np.array_equal(first, again)
    assert np.array_equal(first[0], other_seed[0])
    assert np.abs(first - other_seed)[6:].mean() > 1
    assert np.abs(first - other_actions)[6:].mean() > 1


@pytest.mark.parametrize(
    ("arguments", "length"),
    [
        ("--policy hold --frames 25", 6 + 25),
        ("--policy random --frames 2 --context 1", 3),
        ("--frames 3 --recording toy-0", 9),
    ],
)
def test_policies_and_lengths(here, arguments, length):
    assert run("--output", str(here / "x.mp4"), *arguments.split()) == 0
    assert len(watch(here / "x.mp4")[0]) == length


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        ("--recording joy", 78, "toy-2"),
        ("--frames 15", 78, "goes on for 14 frames"),
        ("--actions short.json --frames 3", 78, "2 actions for --frames 3"),
        ("--context 20", 78, "goes on for 0 frames"),
        ("--context 21", 78, "has 20 frames"),
        *((f"--{name} nowhere.json", 65, "nowhere.json: not ") for name in MANIFESTS),  # not found, or not there
        ("--actions short.json --policy hold", 2, "not allowed with"),
    ],
)
def test_what_cannot_be_dreamed_is_named(here, capsys, arguments, code, named):
    Path("short.json").write_text("[[0, 0], [0, 1]]")
    assert run("--output", str(here / "x.mp4"), *arguments.split()) == code
    said = capsys.readouterr().err
    assert named in said
    assert "Traceback" not in said
    assert not (here / "x.mp4").exists()


def test_the_film_sounds(loud_place, monkeypatch, tmp_path):
    """As recorded, then as dreamed, and as long as it is seen."""
    monkeypatch.chdir(loud_place)
    assert run("--output", str(tmp_path / "x.mp4"), "--policy", "hold", "--frames", "10") == 0
    with av.open(str(tmp_path / "x.mp4")) as film:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])[: 16 * SAMPLES]
    assert len(heard) == 16 * SAMPLES
    parts = open_parts()
    environment = begin_dream(parts, "toy-2", context=6, denoising_steps=2, seed=0)
    move = parts.latents.field("toy-2", "action")[5]
    sound = (
        np.concatenate([environment.beginning.sound, *(environment.step(move).sound for _ in range(10))]) / FULL_SCALE
    )
    for part in (slice(0, 6 * SAMPLES), slice(6 * SAMPLES, None)):
        assert np.corrcoef(heard[part], sound[part])[0, 1] > 0.8  # AAC changes it a little, and noise most


@pytest.mark.parametrize("action", [CONSOLE, None])
def test_other_worlds(tmp_path, monkeypatch, action):
    monkeypatch.chdir(write_results(tmp_path, action))
    assert run("--output", "x.mp4", "--policy", "random", "--frames", "4") == 0
    assert len(watch(Path("x.mp4"))[0]) == 10
