"""Another speed at the same pitch: lengths, pitches, strokes, channels and pieces stay what they should be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly

from sensorium.music.beat_features import RATE
from sensorium.music.config import RATE as SONG_RATE
from sensorium.music.evaluation import transfer_scores as scores
from sensorium.music.rendering import Instruments, render
from sensorium.music.song import compose
from sensorium.music.stretching import HOP, SIZE, length_of, stretched

SPEEDS = (0.8, 1.13, 1.4)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def at_speed(wave: np.ndarray, speed: float, size: int = 4096) -> np.ndarray:
    """A sound [channels, n] at another speed, given some samples at a time."""
    blocks = (wave[:, start : start + size] for start in range(0, wave.shape[1], size))
    return np.concatenate(list(stretched(blocks, wave.shape[1], speed)), 1)


def strokes(seconds: float, times: list[float]) -> np.ndarray:
    """Short noises over a chord, [n]."""
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * RATE)) / RATE
    wave = 0.02 * sum(np.sin(2 * np.pi * f * time) for f in (220, 277.2, 329.6))
    for at in times:
        start = round(at * RATE)
        wave[start : start + 2000] += 0.5 * rng.standard_normal(2000) * np.exp(-np.arange(2000) / 400)
    return np.asarray(wave, np.float32)


@pytest.mark.parametrize("speed", SPEEDS)
def test_tones_keep_their_pitch_and_level(speed: float) -> None:
    time = np.arange(3 * RATE) / RATE
    wave = sum(0.1 * np.sin(2 * np.pi * f * time + 1) for f in (110.0, 440.0, 3000.0))
    found = at_speed(np.asarray(wave, np.float32)[None], speed)[0]
    assert len(found) == length_of(len(wave), speed) == round(len(wave) / speed)
    middle = found[RATE // 2 : RATE // 2 + RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(RATE)))
    for frequency in (110, 440, 3000):
        around = spectrum[frequency - 20 : frequency + 21]
        assert abs(int(around.argmax()) - 20) <= 1
        assert around.max() == pytest.approx(0.1 * RATE / 4, rel=0.15)


@pytest.mark.parametrize("speed", SPEEDS)
def test_strokes_come_when_they_should_and_stay_short(speed: float) -> None:
    times = [0.4, 1.0, 1.25, 2.2]
    found = at_speed(strokes(3, times)[None], speed)[0]
    power = np.convolve(found**2, np.ones(96) / 96, "same")
    for at in times:
        place = round(at / speed * RATE)
        near = power[place - 4800 : place + 4800]
        assert abs(int((near > 0.3 * near.max()).argmax()) - 4800) < 0.012 * RATE
        assert near[: 4800 - 2400].max() < 0.1 * near.max()


def test_songs_at_another_tempo_sound_as_if_they_were_played_so() -> None:
    """Against the song itself, rendered at that tempo; a record that turns faster is the baseline."""
    instruments = Instruments(11, 4, {"bass": 3, "chords": 4, "lead": 5})
    for speed in (0.85, 1.12):
        slow, fast = (render(compose(11, 3), instruments, tempo, 8, 2, 0) for tempo in (110, 110 * speed))
        wave, wanted = ((each.drums + each.harmony.astype(np.float32)) / 32768 for each in (slow, fast))
        found = resample_poly(at_speed(resample_poly(wave, 2, 1)[None].astype(np.float32), speed)[0], 1, 2)
        turned = resample_poly(wave, 100, round(100 * speed))
        length = min(len(found), len(wanted), len(turned))
        onsets, chroma = [], []
        for each in (found, turned, wave):
            heard = np.pad(each, (0, SONG_RATE * 9))[None, :length].astype(np.float32)
            both = [scores.onset_strength(x)[0] for x in (heard, wanted[None, :length])]
            onsets.append(np.corrcoef(*both)[0, 1])
            chroma.append(float((scores.chroma(heard) * scores.chroma(wanted[None, :length])).sum(1).mean()))
        assert onsets[0] > 0.93
        assert onsets[2] < 0.5  # as it was
        assert chroma[0] > 0.95
        assert chroma[1] < 0.85  # its pitch is another


def test_pieces_of_any_size_give_the_same() -> None:
    wave = np.stack([strokes(2, [0.5, 1.1]), strokes(2, [0.9])])
    whole = at_speed(wave, 1.1, 10**6)
    for size in (100, 1152, 50_000):
        assert np.array_equal(at_speed(wave, 1.1, size), whole)


def test_the_stereo_image_stays() -> None:
    wave = strokes(2, [0.5, 1.1])
    found = at_speed(np.stack([wave, 0.4 * wave]), 0.9)
    np.testing.assert_allclose(found[1], 0.4 * found[0], atol=1e-6)


def test_at_speed_one_nothing_changes() -> None:
    wave = strokes(1.5, [0.5])[None]
    assert np.array_equal(at_speed(wave, 1.0), wave)
    assert length_of(1234, 1.0) == 1234


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_no_more_is_held_than_a_window(speed: float) -> None:
    wave, taken, given, ahead = strokes(6, [1.0])[None], 0, 0, 0.0

    def counted() -> Iterator[np.ndarray]:
        nonlocal taken
        for start in range(0, wave.shape[1], 1000):
            taken = start + 1000
            yield wave[:, start : start + 1000]

    for block in stretched(counted(), wave.shape[1], speed):
        given += block.shape[1]
        ahead = max(ahead, taken - given * speed)
    assert given == length_of(wave.shape[1], speed)
    assert ahead < SIZE + 2 * HOP * speed + 1000
