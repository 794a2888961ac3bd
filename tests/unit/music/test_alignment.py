"""Bars on bars: songs of other tempi, that begin elsewhere in a bar, are laid on each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly

from sensorium.config import ConfigurationError
from sensorium.music.alignment import Placed, aligned, beats_of, said_beats
from sensorium.music.beat_features import BeatFeatures
from sensorium.music.beats import Beats
from sensorium.music.config import RATE as SONG_RATE
from sensorium.music.evaluation import transfer_scores as scores
from sensorium.music.rendering import Instruments, render
from sensorium.music.song import compose
from sensorium.music.sound_files import RATE, SoundFile, SoundFileError


def heard(seconds: float = 10.0, begins: float = 0.0) -> SoundFile:
    """A file of which only its length and its beginning are known."""
    bands = np.ones((round(100 * seconds), 4), np.float32)
    bands[: round(100 * begins)] = 0
    features = BeatFeatures(bands, np.ones((round(20 * seconds), 12), np.float32))
    return SoundFile(Path("some.wav"), RATE, 2, round(seconds * RATE), 1.0, 0.1, features)


def placed(a: Beats, b: Beats, tempo: str | float, begins: float = 0.0) -> list[Placed]:
    """Two such files."""
    return aligned([heard(), heard(begins=begins)], [a, b], tempo)


def test_the_tempo_of_the_result_is_that_of_a_of_b_or_said() -> None:
    a, b = Beats(100, 0.1), Beats(125, 0.4)
    for tempo, speeds in (("a", (1, 0.8)), ("b", (1.25, 1)), (110.0, (1.1, 0.88))):
        assert [each.speed for each in placed(a, b, tempo)] == pytest.approx(speeds)


def test_half_and_twice_a_tempo_fit_as_they_are() -> None:
    for tempo, count in ((50.0, 2), (200.0, 0.5), (104.0, 1)):
        _, b = placed(Beats(100, 0), Beats(tempo, 0), "a")
        assert b.beats.tempo == count * tempo
        assert b.speed == pytest.approx(100 / (count * tempo))


def test_hardly_different_tempi_are_not_stretched() -> None:
    assert placed(Beats(100, 0), Beats(100.04, 0), "a")[1].speed == 1  # 4 ms after 10 seconds
    assert placed(Beats(100, 0), Beats(100.2, 0), "a")[1].speed != 1


def test_too_far_tempi_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"--tempo 290.*some.wav.*would have to be played 2.90"):
        placed(Beats(50, 0), Beats(100, 0), 290.0)


@pytest.mark.parametrize(
    ("downbeat", "begins", "start"),
    [(0.0, 0.0, 0.0), (0.3, 0.0, -1.7), (0.2, 0.0, 0.2), (1.99, 0.0, -0.01), (0.5, 3.0, 2.5), (0.5, 2.4, 2.5)],
)
def test_a_song_begins_with_the_bar_in_which_it_sounds(downbeat: float, begins: float, start: float) -> None:
    """Bars of two seconds; up to half a beat, 0.25 seconds, of an upbeat is left out."""
    _, b = placed(Beats(120, 0), Beats(120, downbeat), "a", begins)
    assert b.start / RATE == pytest.approx(start, abs=0.001)
    assert b.samples == pytest.approx((10 - start) * RATE, abs=50)


def test_what_is_said_is_read() -> None:
    assert said_beats("120@0.35") == Beats(120.0, 0.35)
    for text in ("120", "120@", "@1", "x@1", "20@1", "400@1", "120@-1", "120@nan", "nan@1", "120@1@2", "120@inf"):
        with pytest.raises(ValueError, match=r"."):
            said_beats(text)


def write_song(path: Path, number: int, tempo: float, cut: float) -> np.ndarray:
    """Six bars of a song without its first seconds, in stereo; the mixture of all bars, [n], at SONG_RATE."""
    sound = render(compose(21, number), Instruments(21, number, dict.fromkeys(("bass", "chords", "lead"), number)),
                   tempo, 8, 6, 0)  # fmt: skip
    mixture = (sound.drums.astype(np.float32) + sound.harmony) / 32768
    wave = resample_poly(mixture[round(cut * SONG_RATE) :], RATE, SONG_RATE)
    soundfile.write(path, np.stack([wave, 0.7 * wave], 1), RATE, "FLOAT")
    return mixture


def test_bars_of_real_songs_lie_on_each_other(tmp_path: Path) -> None:
    """B, cut off in its first bar and stretched, has the onsets of B as it is rendered at the tempo of A."""
    torch.set_num_threads(1)
    write_song(tmp_path / "a.wav", 3, 104, 0.9)
    write_song(tmp_path / "b.wav", 4, 121, 1.3)
    wanted = write_song(tmp_path / "c.wav", 4, 104, 0)
    songs = [SoundFile.open(tmp_path / name) for name in ("a.wav", "b.wav")]
    parts = aligned(songs, [beats_of(song, "--beats-b") for song in songs], "a")
    assert parts[0].beats.tempo == pytest.approx(104, rel=1e-3)
    assert parts[1].speed == pytest.approx(104 / 121, rel=1e-3)
    samples = parts[1].samples
    found = np.concatenate(list(parts[1].blocks(2, samples)), 1)
    assert found.shape == (2, samples)
    mono = resample_poly(found[0], SONG_RATE, RATE)
    length = min(len(mono), len(wanted))
    skip = round(0.8 * 240 / 104 * SONG_RATE)  # the bar that was cut off begins with zeros
    strengths = [scores.onset_strength(each[None, skip:length].astype(np.float32))[0] for each in (mono, wanted)]
    assert np.corrcoef(*strengths)[0, 1] > 0.85
    assert np.corrcoef(np.roll(strengths[0], 5), strengths[1])[0, 1] < 0.6  # 53 ms late


def test_zeros_come_before_and_pieces_have_the_wanted_length(tmp_path: Path) -> None:
    write_song(tmp_path / "a.wav", 3, 104, 0.9)
    song = SoundFile.open(tmp_path / "a.wav")
    whole = np.concatenate(list(song.blocks(2, song.samples)), 1)
    for start in (-4800, 0, 7000):
        part = Placed(song, Beats(104, 0), start, 1.0)
        found = np.concatenate(list(part.blocks(2, 40_000)), 1)
        expected = np.pad(whole, ((0, 0), (max(0, -start), 0)))[:, max(0, start) :][:, :40_000]
        assert np.array_equal(found, expected)


def test_short_and_beatless_songs_name_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SoundFileError, match=r"5.00 seconds are too few.*--beats-a BPM@SECONDS"):
        beats_of(heard(5.0), "--beats-a")
    noise = 0.1 * np.random.default_rng(0).standard_normal((9 * RATE, 2))
    soundfile.write(tmp_path / "n.wav", noise, RATE)
    with pytest.raises(SoundFileError, match=r"n.wav: no steady beat.*clarity 0.*--beats-b BPM@SECONDS"):
        beats_of(SoundFile.open(tmp_path / "n.wav"), "--beats-b")
