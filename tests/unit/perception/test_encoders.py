"""Encoders: shapes, a correct spectrogram, and causality."""

from __future__ import annotations

import math

import pytest
import torch
from torchaudio.transforms import MelSpectrogram

from sensorium.config import ConfigurationError
from sensorium.perception.config import AudioEncoderConfig, VisionEncoderConfig
from sensorium.perception.encoders import AudioEncoder, BodyEncoder, LogMel, VisionEncoder


@pytest.mark.parametrize("size", [16, 24, 32, 64])
def test_vision_gives_one_embedding_an_image(size: int) -> None:
    torch.manual_seed(0)
    encoder = VisionEncoder(VisionEncoderConfig(width=8, dim=24), {"size": size})
    images = torch.rand(3, 3, size, size)
    together = encoder(images)
    assert together.shape == (3, 24)
    torch.testing.assert_close(together[1:2], encoder(images[1:2]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("rate", "a_frame"), [(16000, 1000), (30720, 2048)])
def test_tone_peaks_in_its_own_band(rate: int, a_frame: int) -> None:
    spectrogram = LogMel(64, rate, a_frame)
    top = 2595 * torch.log10(torch.tensor(1 + rate / 2 / 700))
    edges = 700 * (10 ** (torch.linspace(0, float(top), 66) / 2595) - 1)
    time = torch.arange(4 * a_frame) / rate
    for frequency in (150.0, 440.0, 1000.0, 3000.0, 5000.0, 7000.0):
        columns = spectrogram(0.5 * torch.sin(2 * torch.pi * frequency * time)[None])
        assert columns.shape == (1, 64, 16)
        band = int(columns[0, :, -1].argmax())
        assert edges[band] <= frequency <= edges[band + 2], (frequency, band)


@pytest.mark.parametrize(("rate", "a_frame", "mels"), [(16000, 1000, 64), (16000, 1024, 80), (8000, 320, 40)])
def test_sweep_lands_within_half_a_band_up_to_nyquist(rate: int, a_frame: int, mels: int) -> None:
    spectrogram = LogMel(mels, rate, a_frame)
    assert (spectrogram.bank.sum(0) > 0).all()
    top = 2595 * math.log10(1 + rate / 2 / 700)
    width = top / (mels + 1)  # of half a triangle, in mel
    time = torch.arange(3 * a_frame) / rate
    resolved = rate / spectrogram.size  # the window does not resolve frequencies closer than this
    for mel in torch.arange(1.0 * width, top - 0.5 * width, 0.3 * width).tolist():
        frequency = 700 * (10 ** (mel / 2595) - 1)
        column = spectrogram(0.5 * torch.sin(2 * torch.pi * frequency * time)[None])[0, :, -1]
        centre = (int(column.argmax()) + 1) * width
        spacing = 2595 * math.log10(1 + (frequency + resolved) / 700) - mel
        assert abs(centre - mel) <= 0.5 * width + 0.5 * spacing, (frequency, mel / width, centre / width)


def test_spectrogram_agrees_with_torchaudio() -> None:
    ours = LogMel(64, 16000, 1000)
    theirs = MelSpectrogram(16000, n_fft=1024, hop_length=250, n_mels=64, center=False)
    sound = 0.3 * torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    heard = torch.nn.functional.pad(sound, (1024 - 250, 0))  # ours ends each window where its column ends
    torch.testing.assert_close(ours(sound), (theirs(heard) + 1e-4).log10() / 2, atol=1e-4, rtol=1e-4)


def test_spectrogram_is_silent_in_silence_and_finite() -> None:
    spectrogram = LogMel(64, 16000, 1000)
    torch.testing.assert_close(spectrogram(torch.zeros(1, 2000)), torch.full((1, 64, 8), -2.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert spectrogram(torch.ones(1, 2000)).dtype == torch.float32
    assert spectrogram(100 * torch.ones(1, 2000).half()).isfinite().all()


def test_too_many_bands_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="bands hold no frequency"):
        LogMel(400, 16000, 1000)
    with pytest.raises(ConfigurationError, match="multiple of 4"):
        LogMel(64, 16000, 1001)


def test_audio_embeds_each_frame_from_its_past() -> None:
    torch.manual_seed(0)
    encoder = AudioEncoder(AudioEncoderConfig(width=8, dim=24), {"sample_rate": 16000, "samples_per_frame": 1000})
    sounds = 0.1 * torch.randn(2, 8000)
    before = encoder(sounds)
    assert before.shape == (2, 8, 24)
    assert encoder.pool(before).shape == (2, 24)
    for frame in range(1, 8):
        changed = sounds.clone()
        changed[:, frame * 1000 :] += 0.2 * torch.randn(2, 8000 - frame * 1000)
        after = encoder(changed)
        torch.testing.assert_close(after[:, :frame], before[:, :frame])
        assert (after[:, frame] - before[:, frame]).abs().max() > 1e-3  # its own frame is heard to the end
    late = sounds.clone()
    late[:, 3750:4000] += 0.2 * torch.randn(2, 250)  # its last quarter: one column
    assert not torch.allclose(encoder(late)[:, 3], before[:, 3], atol=1e-4)


def test_broken_frames_are_refused() -> None:
    encoder = AudioEncoder(AudioEncoderConfig(), {"sample_rate": 16000, "samples_per_frame": 1000})
    with pytest.raises(ValueError, match="whole number of frames"):
        encoder(torch.zeros(1, 1500))


def test_the_body_encoder_learns_interactions() -> None:
    """Whether two numbers agree in sign depends on neither alone, nor on any sum of both."""
    torch.manual_seed(0)
    felt = torch.randn(2048, 2, 12)
    agree = (felt[..., 0] * felt[..., 1]).sign()
    encoder = BodyEncoder(12, 8)
    assert encoder(felt).shape == (2048, 2, 8)
    read = torch.nn.Linear(8, 1)
    optimiser = torch.optim.Adam([*encoder.parameters(), *read.parameters()], lr=1e-2)
    for _ in range(200):
        loss = (read(encoder(felt))[..., 0] - agree).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    fresh = torch.randn(256, 12)
    right = (read(encoder(fresh))[:, 0].sign() == (fresh[:, 0] * fresh[:, 1]).sign()).float().mean()
    assert right > 0.8
    assert (read(encoder.direct(fresh))[:, 0].sign() == (fresh[:, 0] * fresh[:, 1]).sign()).float().mean() < 0.65
