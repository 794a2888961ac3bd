"""`sensorium dream --compare`: the recording, two dreams and persistence in one film."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from dream_results import FRAMES, SAMPLES, begin_dream, open_parts, write_results
from PIL import Image

from sensorium.cli import main
from sensorium.data.sample_formats import FULL_SCALE
from sensorium.evaluation.films import GAP, GIF_SCALE, LABEL, SCALE

GIVEN, PANELS = 6, 4
LUMINANCE = [0.299, 0.587, 0.114]  # colours are stored at half the size


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["dream", "--compare", "--device", "cpu", *arguments])
    return int(leaving.value.code or 0)


def panels_of(pictures: np.ndarray, scale: int) -> list[np.ndarray]:
    """The four films [T, 16, 16, 3] of a film, each pixel read at the centre of its block."""
    wide = 16 * scale
    assert pictures.shape[1:] == (LABEL + wide, PANELS * wide + (PANELS - 1) * GAP, 3)
    starts = [number * (wide + GAP) for number in range(PANELS)]
    centres = np.arange(scale // 2, wide, scale)
    return [pictures[:, LABEL + centres][:, :, start + centres].astype(float) for start in starts]


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(place)
    return tmp_path


def test_four_films_of_one_context(here, capsys):
    """The recording, the same dream in one step and in four, and the last given frame, held."""
    assert run("--output", str(here / "x.mp4"), "--seed", "3") == 0
    assert "recorded, dream, K = 1, dream, K = 4, persistence" in capsys.readouterr().out
    with av.open(str(here / "x.mp4")) as film:
        assert not film.streams.audio
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])
    assert len(pictures) == FRAMES
    shown = panels_of(pictures, SCALE)
    parts = open_parts()
    truth = parts.recordings.field("toy-2", "video")
    expected = [truth]
    for steps in (1, 4):
        environment = begin_dream(parts, "toy-2", context=GIVEN, denoising_steps=steps, seed=3)
        moves = parts.latents.field("toy-2", "action")[GIVEN:]
        expected.append(np.concatenate([truth[:GIVEN], [environment.step(move).frame for move in moves]]))
    expected.append(np.concatenate([truth[:GIVEN], truth[GIVEN - 1 : GIVEN].repeat(FRAMES - GIVEN, 0)]))
    for panel, film in zip(shown, expected, strict=True):
        assert np.abs((panel - film) @ LUMINANCE).mean((1, 2)).max() < 6
    for number, film in enumerate(expected):  # or the check above says nothing
        for other in expected[number + 1 :]:
            assert np.abs((film[GIVEN:].astype(float) - other[GIVEN:]) @ LUMINANCE).mean() > 10


def test_each_panel_has_its_label(here):
    assert run("--output", str(here / "x.gif"), "--frames", "2") == 0
    with Image.open(here / "x.gif") as film:
        assert film.n_frames == GIVEN + 2
        strip = np.asarray(film.convert("L"))[:LABEL]
    wide = 16 * GIF_SCALE
    labels = [strip[:, number * (wide + GAP) :][:, :wide] for number in range(PANELS)]
    assert all(label.max() > 200 for label in labels)
    assert len({label.tobytes() for label in labels}) == PANELS


def test_the_sound_is_that_of_the_dream_in_four_steps(loud_place, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(loud_place)
    assert run("--output", str(tmp_path / "x.mp4"), "--frames", "10") == 0
    assert "the sound is that of K = 4" in capsys.readouterr().out
    with av.open(str(tmp_path / "x.mp4")) as film:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])[: 16 * SAMPLES]
    parts = open_parts()
    dreamed = {}
    for steps in (1, 4):
        environment = begin_dream(parts, "toy-2", context=GIVEN, denoising_steps=steps, seed=0)
        moves = parts.latents.field("toy-2", "action")[GIVEN : GIVEN + 10]
        dreamed[steps] = np.concatenate([environment.step(move).sound for move in moves]) / FULL_SCALE
    correlation = {steps: np.corrcoef(heard[GIVEN * SAMPLES :], sound)[0, 1] for steps, sound in dreamed.items()}
    assert correlation[4] > 0.8  # AAC changes it a little, and noise most
    assert correlation[1] < correlation[4] - 0.1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("--policy hold", "--compare --policy hold: the recording shows only what followed its own actions; leave"),
        ("--actions moves.json", "--compare --actions moves.json: the recording shows only"),
        ("--denoising-steps 8", "--compare --denoising-steps 8: the film shows 1 and 4; leave"),
        ("--frames 15", "--compare --frames 15: recording toy-2 goes on for 14 frames after its context"),
        ("--context 20", "--compare --context 20: recording toy-2 goes on for 0 frames"),
    ],
)
def test_where_there_is_no_truth_the_way_out_is_named(here, capsys, arguments, named):
    assert run("--output", str(here / "x.mp4"), *arguments.split()) == 78
    said = capsys.readouterr().err
    assert named in said
    assert "leave --" in said
    assert not (here / "x.mp4").exists()


def test_a_world_without_actions_has_truth_until_its_recording_ends(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(write_results(tmp_path, None))
    assert run("--output", "x.mp4") == 0
    assert "then 14 of recorded" in capsys.readouterr().out
    assert run("--output", "y.mp4", "--frames", "64") == 78
