"""The sound tokenizer of fixed bands: closed forms of its levels, streams, what it plays, and how it is fitted."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from test_tokenizers import in_steps
from toy_world import RECORDINGS, SAMPLES, SIZE, write_recordings

from sensorium.config import ConfigurationError, PlayroomConfig, canonical_json
from sensorium.config.counts import Counts
from sensorium.data.recording import RecordingSet
from sensorium.data.sample_formats import LARGEST_SAMPLE
from sensorium.generation import train_tokenizer
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.band_tokenizer import RISE, SPAN, BandTokenizer, decibels
from sensorium.generation.sizes import audio_tokenizer
from sensorium.generation.tokenizer_config import AudioTokenizerConfig
from sensorium.models.load import load
from sensorium.training.health import UnhealthyError

CONFIG = AudioTokenizerConfig(kind="bands")
FRAMES = 8
PART = SAMPLES // CONFIG.tokens


def made(config: AudioTokenizerConfig = CONFIG) -> tuple[AudioTokenizer, BandTokenizer]:
    tokenizer = AudioTokenizer(config, {"samples_per_frame": SAMPLES})
    assert tokenizer.bands is not None
    return tokenizer, tokenizer.bands


def tone(share: float, amplitude: float = 0.1, frames: int = FRAMES) -> torch.Tensor:
    """A tone at a share of the highest frequency, [1, S]."""
    return amplitude * torch.sin(math.pi * share * torch.arange(frames * SAMPLES) + 0.3)[None]


def noise(rows: int, frames: int = FRAMES, seed: int = 0) -> torch.Tensor:
    """White noise whose loudness differs from frame to frame, [rows, S]."""
    generator = torch.Generator().manual_seed(seed)
    size = 10 ** (-3 * torch.rand(rows, frames, 1, generator=generator))
    return (0.2 * size * torch.randn(rows, frames, SAMPLES, generator=generator)).flatten(1)


@pytest.mark.parametrize("band", [6, 20, 33, 45])
def test_a_tone_in_the_middle_of_a_band_has_its_level_there(band):
    """A tone of amplitude a has the mean square a^2 / 2."""
    _, bands = made()
    level = decibels(bands.measure(tone(float(bands.bands.centres[band]))).bands)[0, 3]
    assert level[band].item() == pytest.approx(10 * math.log10(0.1**2 / 2), abs=1.0)
    assert level.argmax() == band
    far = torch.arange(48)[(torch.arange(48) - band).abs() > 3]
    assert (level[far] < level[band] - 35).all()


def test_bands_and_parts_hold_the_whole_energy():
    _, bands = made()
    sounds = noise(3)
    levels = bands.measure(sounds)
    whole = sounds.unflatten(1, (-1, SAMPLES)).square().mean(-1)
    assert torch.allclose(levels.bands.sum(-1), whole, rtol=1e-3, atol=1e-8)
    assert torch.allclose(levels.parts.mean(-1), whole, rtol=1e-3, atol=1e-8)


def test_the_shares_of_a_tone_give_its_pitch_away():
    """Between two centres, and its phase runs on: all of its energy is in one line of a long spectrum."""
    tokenizer, bands = made()
    for band, between in ((15, 0.5), (30, 0.2), (40, 0.8)):
        low, high = bands.bands.centres[band : band + 2].tolist()
        share = low + between * (high - low)
        played = tokenizer(tone(share))[0][0]
        power = torch.fft.rfft(played * torch.hann_window(len(played))).abs().square()
        line = round(share * (len(power) - 1))
        step = (high - low) * (len(power) - 1)
        assert abs(power.argmax().item() - line) < 0.1 * step
        peak = power.argmax()
        assert power[peak - 8 : peak + 9].sum() > 0.9 * power.sum()
        assert played.square().mean().item() == pytest.approx(0.1**2 / 2, rel=0.02)


def test_silence_stays_silent():
    tokenizer, bands = made()
    sounds, tokens = tokenizer(torch.zeros(2, FRAMES * SAMPLES))
    assert torch.isfinite(tokens).all()
    assert not bands.measure(torch.zeros(2, FRAMES * SAMPLES)).onset.any()
    assert sounds.abs().max() < 1e-3


@pytest.mark.parametrize("part", range(4))
def test_a_click_raises_the_level_of_its_part_and_the_flag(part):
    tokenizer, bands = made()
    sounds = 1e-3 * torch.randn(1, FRAMES * SAMPLES, generator=torch.Generator().manual_seed(0))
    sounds[0, 5 * SAMPLES + part * PART + 100] = 0.9
    tokens = tokenizer.encode(sounds)
    levels = bands.unpack(tokens)
    assert levels.onset[0].tolist() == [frame == 5 for frame in range(FRAMES)]
    assert levels.parts[0, 5].argmax() == part
    assert decibels(levels.parts[0, 5, part]).item() == pytest.approx(10 * math.log10(0.9**2 / PART), abs=0.2)
    loud = tokenizer.decode(tokens)[0].unflatten(0, (-1, PART)).square().mean(-1)
    assert loud.argmax().item() == 5 * 4 + part


def test_what_is_played_has_the_levels_it_should_have():
    tokenizer, bands = made()
    sounds = noise(4)
    wanted, found = bands.measure(sounds), bands.measure(tokenizer(sounds)[0])
    assert (decibels(found.parts) - decibels(wanted.parts)).abs().max() < 1.5
    difference = decibels(found.bands) - decibels(wanted.bands)
    assert difference.mean().abs() < 1
    assert torch.equal(found.onset, wanted.onset)
    assert wanted.onset.any()


def test_an_onset_is_louder_than_the_frame_before_and_than_most():
    _, bands = made()
    bands.loudness.fill_(-40.0)
    for decibel, expected in ((RISE + 0.5, True), (RISE - 0.5, False)):
        gain = torch.ones(FRAMES).index_fill_(0, torch.tensor(4), 10 ** (decibel / 20))
        for size, heard in ((0.02, expected), (0.001, False)):
            steady = size * torch.sign(torch.randn(1, FRAMES, SAMPLES, generator=torch.Generator().manual_seed(0)))
            assert bands.measure((steady * gain[:, None]).flatten(1)).onset[0, 4].item() is heard


def test_a_stream_frame_by_frame_is_the_whole():
    """Its noise depends on the number of the frame alone. An encoder without the frame before finds another flag."""
    tokenizer, _ = made()
    sounds = noise(2, 12)
    played, tokens = tokenizer(sounds)
    frames = sounds.unflatten(1, (12, SAMPLES))
    for steps in ([1] * 12, [5, 1, 4, 2]):
        assert torch.allclose(in_steps(tokenizer.encoding, frames, steps), tokens, atol=1e-5)
        assert torch.allclose(in_steps(tokenizer.decoding, tokens, steps).flatten(1), played, atol=1e-6)
    onsets = tokens[..., 13].any(2)
    start = int(onsets[0].nonzero()[0])
    assert not tokenizer.encode(sounds[:, start * SAMPLES :])[0, 0, :, 13].any()


def test_the_memory_of_a_stream_does_not_grow():
    tokenizer, _ = made()
    tokens, memory = tokenizer.encode(noise(1, 2)), tokenizer.decoding.remember()
    sizes = []
    for _ in range(70):
        tokenizer.decoding.step(memory, tokens[:, :1])
        sizes.append(sum(value.numel() for value in vars(memory).values() if isinstance(value, torch.Tensor)))
    assert len(set(sizes)) == 1
    assert memory.frame == 70


def test_no_frame_knows_what_comes():
    tokenizer, _ = made()
    sounds = noise(1)
    other = sounds.clone()
    other[:, 4 * SAMPLES :] = 0
    (played, tokens), (changed, others) = tokenizer(sounds), tokenizer(other)
    assert torch.equal(tokens[:, :4], others[:, :4])
    assert not torch.equal(tokens[:, 4], others[:, 4])
    assert torch.equal(played[:, : 4 * SAMPLES], changed[:, : 4 * SAMPLES])


def test_tokens_are_bounded_survive_float16_and_may_be_anything():
    tokenizer, bands = made()
    sounds = noise(3)
    tokens = tokenizer.encode(sounds)
    assert tokens.shape == (3, FRAMES, 4, 16)
    assert tokens.abs().max() <= 1
    assert (tokens[..., 14:] == 0).all()
    exact, rounded = (bands.unpack(part) for part in (tokens, tokens.half()))
    assert (decibels(exact.bands) - decibels(rounded.bands)).abs().max() < 0.05
    assert torch.equal(exact.onset, rounded.onset)
    for wild in (3 * torch.randn(2, FRAMES, 4, 16), -torch.ones(1, FRAMES, 4, 16)):
        assert torch.isfinite(tokenizer.decode(wild)).all()


def test_levels_are_standardised_by_what_was_fitted():
    _, bands = made()
    levels = bands.measure(noise(1))
    every = torch.cat([decibels(levels.bands), decibels(levels.parts)], dim=-1)
    bands.describe(every[0, 2], torch.full((52,), 10.0), torch.tensor(-40.0), torch.tensor(1e-3))
    tokens = bands.pack(levels)
    assert tokens[0, 2, :, :13].abs().max() < 1e-6
    assert tokens[0, 1, 0, 3].item() == pytest.approx((every[0, 1, 3] - every[0, 2, 3]).item() / (10 * SPAN), abs=1e-5)


def test_its_size_is_known_by_arithmetic():
    tokenizer, _ = made()
    stored = sum(value.numel() for value in tokenizer.state_dict().values())
    assert audio_tokenizer(CONFIG, SAMPLES) == Counts(buffers=stored)
    assert not list(tokenizer.parameters())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (50, "bands is 50: it must be a multiple of tokens"),
        (60, "bands is 60: a token holds 15 of them"),
    ],
)
def test_levels_that_do_not_fit_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        AudioTokenizerConfig(kind="bands", bands=wrong)
    assert AudioTokenizerConfig(bands=wrong).kind == "learned"


def test_frames_that_do_not_fit_are_refused():
    for samples, words in ((998, "tokens is 4: a frame of 998 samples"), (120, "at least 32"), (200, "bands is 48")):
        with pytest.raises(ConfigurationError, match=words):
            AudioTokenizer(CONFIG, {"samples_per_frame": samples})


def recordings(folder: Path, loudness: float) -> Path:
    rows = loudness * noise(RECORDINGS, 32, seed=3)
    sounds = {
        f"toy-{n:03d}": {"audio": np.round(LARGEST_SAMPLE * row.numpy()).astype(np.int16)} for n, row in enumerate(rows)
    }
    return write_recordings(folder / "data", sounds, PlayroomConfig(recordings=RECORDINGS, size=SIZE))


def fit(data: Path, output: Path) -> Path:
    arguments = ["--config", canonical_json(CONFIG), "--data", str(data), "--output", str(output), "--device", "cpu"]
    train_tokenizer.main(["audio", *arguments])
    return output / "manifest.json"


def test_it_is_fitted_in_seconds_and_becomes_an_artifact_like_any_other(tmp_path: Path) -> None:
    """Means and deviations over the training recordings, none over others; twice the same bits."""
    data = recordings(tmp_path, 1.0)
    first, second = fit(data, tmp_path / "a"), fit(data, tmp_path / "b")
    assert (first.parent / "model.safetensors").read_bytes() == (second.parent / "model.safetensors").read_bytes()
    details = json.loads(first.read_text())["details"]
    assert (details["steps"], details["parameters"]) == (0, 0)
    assert details["metrics"]["health/token_std"] > 0.05
    bands = load(AudioTokenizer, first).bands
    assert bands is not None
    known = RecordingSet.open(data)
    sounds = np.stack([known.field(name, "audio") for name in known.names("training")]) / (LARGEST_SAMPLE + 1)
    levels = bands.measure(torch.from_numpy(sounds).float())
    every = torch.cat([decibels(levels.bands), decibels(levels.parts)], dim=-1).flatten(0, 1)
    assert torch.allclose(bands.mean, every.mean(0), atol=1e-3)
    assert torch.allclose(bands.std, every.std(0), rtol=1e-2)
    assert bands.power.item() == pytest.approx(float((sounds**2).mean()), rel=1e-3)


def test_recordings_without_a_sound_give_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(UnhealthyError, match="gate token_std"):
        fit(recordings(tmp_path, 0.0), tmp_path / "tokenizer")
    assert not (tmp_path / "tokenizer/manifest.json").exists()
