"""Films: whatever the rate of a world's sound, it is heard at its own pitch and length."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from sensorium.evaluation.films import write_dream


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
