"""Films: whatever the rate of a world's sound, it is heard at its own pitch and length."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from sensorium.evaluation.films import DREAMING, GAP, GAUGE, GIF_SCALE, WATCHING, write_dream


@pytest.mark.parametrize("rate", [16000, 30720, 7000], ids=["playroom", "console", "lower than any"])
def test_a_tone_keeps_its_pitch_and_length_at_any_rate(tmp_path: Path, rate: int) -> None:
    """Only some rates exist in AAC; others are resampled."""
    pictures = np.zeros((30, 16, 16, 3), np.uint8)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)
    write_dream(tmp_path / "film.mp4", pictures, 5, tone, (15, rate))
    with av.open(str(tmp_path / "film.mp4")) as film:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])
        stored = film.streams.audio[0].rate
    assert len(heard) / stored == pytest.approx(2.0, abs=0.15)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert np.argmax(spectrum) * stored / len(heard) == pytest.approx(440, abs=2)


def test_an_animated_picture_keeps_its_frames_colours_and_pace(tmp_path: Path) -> None:
    """A dream as a GIF; the bar marks which frames were given."""
    pictures = np.zeros((12, 16, 16, 3), np.uint8)
    pictures[:, 4:8, 4:8] = np.linspace(60, 240, 12).astype(np.uint8)[:, None, None, None]
    write_dream(tmp_path / "film.gif", pictures, 5, None, (16, 0))
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 12
        assert film.info["duration"] == pytest.approx(1000 / 16, abs=10)
        frames = []
        for number in range(film.n_frames):
            film.seek(number)
            frames.append(np.array(film.convert("RGB")).astype(int))
    shown = np.stack(frames)
    assert shown.shape == (12, 16 * GIF_SCALE, 16 * GIF_SCALE + GAP, 3)
    assert np.abs(shown[:, 6 * GIF_SCALE, 6 * GIF_SCALE, 0] - pictures[:, 6, 6, 0]).max() < 12
    bar = shown[:, 3, 16 * GIF_SCALE + 2]
    assert np.abs(bar[:5] - WATCHING).max() < 12
    assert np.abs(bar[5:] - DREAMING).max() < 12


def test_what_is_felt_is_drawn_below_the_picture(tmp_path: Path) -> None:
    """A bar for each number: up, down, none, and no longer than the gauge."""
    felt = np.tile(np.array([0.5, -0.5, 0.0, 9.0]), (12, 1))
    write_dream(tmp_path / "film.gif", np.zeros((12, 16, 16, 3), np.uint8), 5, None, (16, 0), felt)
    with Image.open(tmp_path / "film.gif") as film:
        shown = np.array(film.convert("RGB")).astype(int)
    side = 16 * GIF_SCALE
    assert shown.shape == (side + GAUGE, side + GAP, 3)
    gauge = np.abs(shown[side:] - DREAMING).max(-1) < 12
    quarter = (side + GAP) // 4
    heights = [gauge[: GAUGE // 2, number * quarter + 5].sum() for number in range(4)]
    depths = [gauge[GAUGE // 2 + 1 :, number * quarter + 5].sum() for number in range(4)]
    assert heights == [GAUGE // 4, 0, 0, GAUGE // 2]
    assert depths == [0, GAUGE // 4, 0, 0]
