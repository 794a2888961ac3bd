"""Codes of sound: what is decoded is what scipy's cosine transform says, and bits are counted as they are written."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.fft import dct, idct

from sensorium.evaluation.baselines import opus as codec
from sensorium.evaluation.baselines.sounds import BAND_STEP, CosineCode, cosine_codes

RATE, SAMPLES = 16000, 1000


def frames(count: int = 6, samples: int = SAMPLES) -> np.ndarray:
    """Noise and a tone, float32 [count, samples]."""
    rng = np.random.default_rng(0)
    tone = 0.2 * np.sin(2 * np.pi * 0.031 * np.arange(samples))
    return (tone + 0.01 * rng.standard_normal((count, samples))).astype(np.float32)


def test_without_bands_the_largest_cosines_of_scipy_are_left() -> None:
    """All others are nothing; those that are kept are rounded to half precision."""
    waves = frames()
    code = CosineCode(SAMPLES, 1024, RATE)
    assert code.kept == 39
    wanted = dct(waves.astype(float), norm="ortho", axis=1)
    smallest = np.sort(np.abs(wanted), axis=1)[:, [-code.kept]]
    wanted = np.where(np.abs(wanted) >= smallest, wanted.astype(np.float16), 0)
    assert code(waves) == pytest.approx(idct(wanted, norm="ortho", axis=1), abs=1e-6)


def test_bands_have_the_level_of_what_was_left_out() -> None:
    """Within half a step, in each band; the large coefficients are as without bands."""
    waves = frames()
    code = CosineCode(SAMPLES, 1024, RATE, 24)
    assert code.kept == 32
    true, heard = (dct(sounds.astype(float), norm="ortho", axis=1) for sounds in (waves, code(waves)))
    places = np.argsort(-np.abs(true), axis=1)[:, : code.kept]
    kept = [np.take_along_axis(coefficients, places, 1) for coefficients in (true, heard)]
    assert kept[1] == pytest.approx(kept[0], rel=1e-3)
    for coefficients in (true, heard):
        np.put_along_axis(coefficients, places, np.nan, 1)
    for first, last in zip(code.edges[:-1], code.edges[1:], strict=True):
        level, found = (10 * np.log10(np.nanmean(part[:, first:last] ** 2, axis=1)) for part in (true, heard))
        assert np.abs(level - found).max() <= BAND_STEP / 2 + 0.01
    assert code.edges[0] == 0
    assert code.edges[-1] == SAMPLES


def test_silence_stays_silent() -> None:
    """Bands without anything in them hold no noise."""
    assert not CosineCode(SAMPLES, 1024, RATE, 24)(np.zeros((2, SAMPLES), np.float32)).any()


@pytest.mark.parametrize("bits", [64, 256, 512, 1024, 4096])
@pytest.mark.parametrize("samples", [320, 1000, 1024])
def test_no_more_bits_are_written_than_there_are(bits: int, samples: int) -> None:
    """What is decoded comes from so many bits alone: those after them change nothing, and are not set."""
    for code in cosine_codes(samples, bits, RATE).values():
        assert code.written <= bits
        assert code.kept + code.bands > 0
        written = code.encode(frames(samples=samples))
        assert written.shape == (6, -(-code.written // 8))
        assert not np.unpackbits(written, axis=1)[:, code.written :].any()
        assert 2**code.place_bits >= samples
        assert code.decode(written).shape == (6, samples)


def test_a_quiet_sound_keeps_its_shape() -> None:
    """Values have the same relative error at every loudness."""
    waves = frames()
    code = CosineCode(SAMPLES, 1024, RATE)
    assert code(waves / 512) == pytest.approx(code(waves) / 512, abs=1e-7)


def test_opus_keeps_the_sound_in_time_and_within_its_bits() -> None:
    """A struck tone is where it was, and the packets hold no more bits than asked for, but for the last."""
    bits = 16384
    if not codec.available(RATE, bits):
        pytest.skip("no Opus here")
    time = np.arange(2 * RATE) / RATE
    struck = np.where(time % 0.5 > 0.1, np.exp(-8 * (time % 0.5)), 0) * np.sin(2 * np.pi * 440 * time)
    waves = (0.5 * struck).reshape(4, -1).astype(np.float32)
    heard, written = codec.opus(waves, RATE, bits)
    assert heard.shape == waves.shape
    assert written <= bits * (waves.size / RATE + 0.02)
    shifted = [float((np.roll(heard.ravel(), shift) * waves.ravel()).sum()) for shift in range(-40, 41)]
    assert int(np.argmax(shifted)) - 40 == 0
    assert 10 * np.log10((waves**2).sum() / ((waves - heard) ** 2).sum()) > 8


def test_opus_is_left_out_where_it_cannot_be_asked_for() -> None:
    """Rates that it does not take."""
    assert not codec.available(11025, 16384)
    assert not codec.available(RATE, 1000)
