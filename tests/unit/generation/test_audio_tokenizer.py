"""The sound tokenizer: shapes, streams, its loss, and gates that a dead one fails."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from test_tokenizers import in_steps

from sensorium.config import ConfigurationError
from sensorium.data.sample_formats import LARGEST_SAMPLE
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.audio_tokenizer_learner import SoundLearner, magnitudes, spectral_error, wave_error
from sensorium.generation.tokenizer_config import AudioTokenizerConfig
from sensorium.randomness import Draw

SAMPLES, RATE = 400, 8000
CONFIG = AudioTokenizerConfig(tokens=2, channels=4, width=16, kernel=3, layers=2)


def made(config: AudioTokenizerConfig = CONFIG, samples: int = SAMPLES) -> AudioTokenizer:
    """A tokenizer whose residual layers do something: fresh ones are the identity."""
    torch.manual_seed(0)
    tokenizer = AudioTokenizer(config, {"samples_per_frame": samples})
    for name, weight in tokenizer.named_parameters():
        if ".mix." in name:
            torch.nn.init.normal_(weight, std=0.2)
    return tokenizer


def tones(count: int, frames: int = 4) -> torch.Tensor:
    """Decaying tones of random pitch, loudness and onset, int16 [count, frames * SAMPLES]."""
    generator = torch.Generator().manual_seed(1)
    pitch, loudness, onset = torch.rand(3, count, 1, generator=generator)
    time = torch.arange(frames * SAMPLES) / RATE - 0.1 * onset
    wave = (-time * 20).exp() * torch.sin(2 * math.pi * (200 + 400 * pitch) * time) * (time > 0)
    noise = 0.001 * torch.randn(count, frames * SAMPLES, generator=generator)
    return (LARGEST_SAMPLE * ((0.05 + 0.4 * loudness) * wave + noise)).to(torch.int16)


def draw(rows: int) -> Draw:
    return Draw(0, 0, 0, rows, rows, torch.device("cpu"))


@pytest.mark.parametrize(("samples", "tokens"), [(1000, 4), (1000, 2), (2048, 4), (400, 2)])
def test_shapes_and_bounds(samples, tokens):
    tokenizer = made(AudioTokenizerConfig(tokens=tokens, channels=4, width=8), samples)
    sounds = torch.rand(3, 5 * samples) - 0.5
    encoded = tokenizer.encode(sounds)
    assert encoded.shape == (3, 5, tokenizer.tokens, 4) == (3, 5, tokens, 4)
    assert encoded.abs().max() < 1
    assert tokenizer.decode(encoded).shape == sounds.shape


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(ConfigurationError, match=r"tokens is 3: a frame of 1000 samples"):
        made(AudioTokenizerConfig(tokens=3), 1000)
    with pytest.raises(ConfigurationError, match="columns of 16 to 64"):
        made(AudioTokenizerConfig(tokens=1), 997)
    with pytest.raises(ValueError, match="401 samples"):
        made().encode(torch.zeros(1, 401))


@pytest.mark.parametrize("layers", [1, 3, 5])
def test_a_stream_frame_by_frame_is_the_whole(layers):
    """Each step has the `past` frames before it; with one fewer the result differs."""
    tokenizer = made(CONFIG.model_copy(update={"layers": layers}))
    sounds = torch.randn(2, 12, SAMPLES) * 0.1
    with torch.no_grad():
        reconstructions, tokens = tokenizer(sounds.flatten(1))
        for whole, stream, frames in (
            (tokens, tokenizer.encoding, sounds),
            (reconstructions.unflatten(1, (12, SAMPLES)), tokenizer.decoding, tokens),
        ):
            shorter = replace(stream, past=stream.past - 1)
            assert (in_steps(stream, frames, [1] * 12) - whole).abs().max() < 1e-5
            assert (in_steps(stream, frames, [5, 1, 4, 2]) - whole).abs().max() < 1e-5
            assert (in_steps(shorter, frames, [1] * 12) - whole).abs().max() > 1e-5


def test_no_frame_knows_what_comes():
    tokenizer = made()
    sounds = torch.randn(1, 6 * SAMPLES) * 0.1
    other = sounds.clone()
    other[:, 4 * SAMPLES :] = 0
    tokens, others = tokenizer.encode(sounds), tokenizer.encode(other)
    assert torch.equal(tokens[:, :4], others[:, :4])
    assert not torch.equal(tokens[:, 4], others[:, 4])
    made_of = [tokenizer.decode(part) for part in (tokens, others)]
    assert torch.equal(made_of[0][:, : 4 * SAMPLES], made_of[1][:, : 4 * SAMPLES])


def test_silence_is_finite():
    tokenizer = made()
    sounds = torch.zeros(1, 4 * SAMPLES, requires_grad=True)
    loss, _ = SoundLearner(tokenizer, 1.0, RATE)({"audio": torch.zeros(2, 4 * SAMPLES, dtype=torch.int16)}, draw(2))
    loss.backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in tokenizer.parameters() if p.grad is not None)
    assert bool(torch.isfinite(tokenizer.encode(sounds)).all())


def test_magnitudes_of_known_sounds():
    """White noise has its root mean square; a tone stands at its pitch; a click is not heard before it comes."""
    noise = 0.1 * torch.randn(4, 16384, generator=torch.Generator().manual_seed(0))
    assert magnitudes(noise, 256)[..., 4:].square().mean().sqrt().item() == pytest.approx(0.1, rel=0.05)
    tone = torch.sin(2 * math.pi * 1000 * torch.arange(8192) / 16000)[None]
    assert magnitudes(tone, 256)[0, :, 10:].mean(1).argmax().item() == 16
    click = torch.zeros(1, 2048)
    click[0, 1030] = 1
    columns = magnitudes(click, 256)[0].amax(0)
    assert columns[:16].max() < 2e-4 < columns[17]


def test_errors_of_equal_and_of_silent_sounds():
    sounds = 0.1 * torch.randn(3, 4096, generator=torch.Generator().manual_seed(0))
    assert wave_error(sounds, sounds).max() == 0
    assert all(term.max() < 1e-3 for term in spectral_error(sounds, sounds))
    assert wave_error(torch.zeros_like(sounds), sounds).mean().item() == pytest.approx(1, rel=0.01)
    convergence, distance = spectral_error(sounds / 10, sounds)
    assert convergence.mean().item() == pytest.approx(0.9, rel=0.01)
    assert distance.mean().item() == pytest.approx(math.log(10), rel=0.01)


def test_the_loss_is_the_mean_over_rows():
    learner, audio = SoundLearner(made(), 1.0, RATE), tones(6)
    whole = learner({"audio": audio}, draw(6))[0]
    parts = [learner({"audio": part}, draw(len(part)))[0] * len(part) for part in (audio[:2], audio[2:])]
    assert torch.allclose(whole, sum(parts) / 6, atol=1e-5)


def test_it_learns_and_only_then_passes_its_gates():
    torch.manual_seed(0)
    config = AudioTokenizerConfig(tokens=4, channels=8, width=32, layers=2)
    learner = SoundLearner(AudioTokenizer(config, {"samples_per_frame": SAMPLES}), config.wave_weight, RATE)
    audio = tones(48)
    before = {gate.name for gate in learner.eval().gates({"audio": audio}) if not gate.passed}
    assert "gain_over_mean_spectrum_db" in before
    optimiser = torch.optim.Adam(learner.parameters(), lr=1e-2)
    for step in range(120):
        loss = learner({"audio": audio[step % 2 :: 2]}, draw(24))[0]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert [gate.name for gate in learner.gates({"audio": audio}) if not gate.passed] == []
    assert float(learner({"audio": audio}, draw(48))[1]["wave_error"]) < 0.6
    shown = learner.show({"audio": audio})
    assert shown["original"].samples.shape == shown["reconstruction"].samples.shape == (8 * 4 * SAMPLES,)
    assert shown["spectrogram"].pixels.shape == (3, 2 * 129, 4 * 4 * SAMPLES // 64)


@pytest.mark.parametrize(
    ("broken", "failed"),
    [
        ("network.encoder.5", {"token_std", "output_difference", "gain_over_mean_spectrum_db"}),
        ("network.wave", {"loudness_db", "output_difference", "gain_over_mean_spectrum_db"}),
    ],
)
def test_a_collapsed_tokenizer_fails_its_gates(broken, failed):
    """The same tokens for every sound; silence for every token."""
    tokenizer = made(CONFIG)
    module = tokenizer.get_submodule(broken)
    torch.nn.init.zeros_(module.weight)
    torch.nn.init.zeros_(module.bias)
    gates = SoundLearner(tokenizer, 1.0, RATE).gates({"audio": tones(16)})
    assert failed <= {gate.name for gate in gates if not gate.passed}
