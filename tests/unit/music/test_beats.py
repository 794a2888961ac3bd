"""Tempo and downbeats: found in songs whose truth is known, better than by constants, and not where there are none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly

from sensorium.music.beat_features import FRAMES, RATE, BeatFeatures, BeatListener
from sensorium.music.beats import CLEAR, begin_of, find_beats
from sensorium.music.config import RATE as SONG_RATE
from sensorium.music.evaluation.beat_scores import NEAR, SCORES, heard_songs, scores_of


def features_of(wave: np.ndarray, size: int = 5000) -> BeatFeatures:
    """What is heard of a mono sound at 48 kHz, some samples at a time."""
    listener = BeatListener()
    for start in range(0, len(wave), size):
        listener.add(wave[start : start + size])
    return listener.features()


def clicks(times: np.ndarray, seconds: float, seed: int = 0) -> np.ndarray:
    """Short noises at some times, each a little different, with softer ones between every two."""
    rng = np.random.default_rng(seed)
    wave = 1e-4 * rng.standard_normal(round(seconds * RATE))
    for number, time in enumerate(times):
        stroke = rng.standard_normal(3000) * np.exp(-np.arange(3000) / 600) * (0.3 if number % 4 == 0 else 0.2)
        start = round(time * RATE)
        if start + 3000 < len(wave):
            wave[start : start + 3000] += stroke
    return wave


@pytest.fixture(scope="module")
def scores() -> dict[str, dict[str, float]]:
    """Of the estimate and of its baselines, on songs whose settings were not chosen on them."""
    torch.set_num_threads(1)
    return scores_of(heard_songs(24, seed=300, bars=6))


def test_tempi_and_downbeats_are_found(scores: dict[str, dict[str, float]]) -> None:
    found = scores["estimate"]
    assert set(found) == set(SCORES)
    assert found["tempo"] >= 0.8
    assert found["tempo or its octave"] >= 0.95
    assert found["beat"] >= 0.8
    assert found["bar"] >= 0.7


def test_constants_do_not_find_them(scores: dict[str, dict[str, float]]) -> None:
    assert scores["always 120"]["tempo"] < 0.3
    assert scores["true tempo, begins at 0"]["beat"] < 0.5
    assert scores["true tempo, begins at 0"]["bar"] < 0.3
    assert scores["true tempo, any of four beats"]["bar"] < 0.5


def test_long_sounds_give_exact_tempi() -> None:
    """A tempo that is wrong by a thousandth would be a beat away after minutes."""
    for tempo in (71.3, 97.31, 133.7):
        found = find_beats(features_of(clicks(0.4 + 60 / tempo * np.arange(400), 90)))
        assert found.tempo == pytest.approx(tempo, rel=1e-4)
        assert (found.downbeat - 0.4 + 30 / tempo) % (60 / tempo) - 30 / tempo == pytest.approx(0, abs=0.01)
        assert found.clarity > 0.5
        assert found.wander < 0.02


def test_a_tempo_that_wanders_is_noticed() -> None:
    times = np.cumsum(0.5 + 0.006 * np.sin(np.arange(200) / 12))
    found = find_beats(features_of(clicks(times, 95)))
    assert found.tempo == pytest.approx(120, rel=0.01)
    assert found.wander > 0.05


def test_where_there_is_no_beat_none_is_clear() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(10 * RATE) / RATE
    random = clicks(np.cumsum(rng.exponential(0.3, 40)), 10)
    pad = 0.1 * sum(np.sin(2 * np.pi * f * time + 3 * np.sin(0.1 * time)) for f in (220, 277, 330))
    for wave in (0.1 * rng.standard_normal(len(time)), random, np.asarray(pad)):
        assert find_beats(features_of(wave)).clarity < CLEAR
    songs = heard_songs(6, seed=300, bars=6)
    assert min(find_beats(song.features).clarity for song in songs) > CLEAR


def test_what_is_heard_does_not_depend_on_the_pieces_or_the_level() -> None:
    wave = clicks(0.2 + 0.5 * np.arange(20), 9)
    whole = features_of(wave, 10**6)
    for size in (700, 44_100):
        pieces = features_of(wave, size)
        np.testing.assert_allclose(pieces.bands, whole.bands, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(pieces.chroma, whole.chroma, rtol=1e-3, atol=1e-3)
    assert len(whole.bands) == pytest.approx(9 * FRAMES, abs=8)
    soft, loud = (find_beats(features_of(gain * wave)) for gain in (0.01, 3.0))
    assert soft.tempo == pytest.approx(loud.tempo, rel=1e-6)
    assert soft.downbeat == pytest.approx(loud.downbeat, abs=1e-4)


def test_only_the_beginning_of_a_long_sound_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium.music.beat_features.LONGEST", 4)
    found = features_of(clicks(0.5 * np.arange(20), 9))
    assert len(found.bands) < 4.2 * FRAMES


def test_the_first_sound_is_found() -> None:
    for silence in (0.0, 0.8, 3.1):
        wave = np.pad(clicks(0.5 * np.arange(20), 9)[600:], (round(silence * RATE), 0))
        assert begin_of(features_of(wave)) == pytest.approx(silence, abs=0.03)


def test_songs_that_are_heard_are_what_the_truth_says() -> None:
    """The beats of the truth lie where their strokes are loud."""
    song = heard_songs(1, seed=300, bars=4)[0]
    assert song.features.bands.shape[0] == pytest.approx(song.seconds * FRAMES, abs=8)
    assert 0 <= song.downbeat < 240 / song.tempo
    assert 30 / song.tempo > NEAR
    assert resample_poly(np.zeros(10), RATE, SONG_RATE).shape == (20,)
