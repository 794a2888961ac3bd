"""Every kind of codec behind one interface: shapes, context, pieces, a step; and which evaluations judge it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from toy_music import QUANTISER, music_mask

from sensorium.config import ConfigurationError
from sensorium.music.codec import MusicCodec
from sensorium.music.codec_config import LATENTS, PRESETS, CodecConfig
from sensorium.music.codec_learner import CodecLearner
from sensorium.music.codec_pieces import decode_pieces, encode_pieces
from sensorium.music.strided_codec import Snake
from sensorium.randomness import Draw
from sensorium.settings import validate

CPU = torch.device("cpu")


def codec_of(kind: str) -> tuple[MusicCodec, CodecConfig]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = CodecConfig(kind=kind, width=16, layers=2, channels=2, seconds=0.5, quantiser=QUANTISER)
    return MusicCodec(config, {"rate": config.preset.rate}).eval(), config


@pytest.mark.parametrize("kind", PRESETS)
def test_shapes_of_every_kind(kind: str) -> None:
    codec, config = codec_of(kind)
    assert codec.hop == {"mdct": 320, "seanet": 320, "dac": 512}[kind]
    for samples in (codec.hop, 5 * codec.hop + 1):
        sounds = 0.1 * torch.randn(2, samples)
        latents = codec.encode(sounds)
        assert latents.shape == (2, LATENTS, -(-samples // codec.hop))
        decoded, found = codec(sounds)
        assert decoded.shape == sounds.shape
        assert found.codes.shape == (2, latents.shape[-1], config.quantiser.codes)
        assert decoded.std() > 0


@pytest.mark.parametrize("kind", PRESETS)
def test_context_of_every_kind(kind: str) -> None:
    codec, _ = codec_of(kind)
    frames = 2 * codec.context + 9
    at, hop = frames // 2, codec.hop
    sounds = 0.1 * torch.randn(1, hop * frames)
    latents = codec.encode(sounds)
    changed = sounds.clone()
    changed[:, hop * at : hop * (at + 1)] *= -1
    moved = (codec.encode(changed) != latents).any(1)[0].nonzero().flatten()
    assert at - codec.context <= int(moved.min()) < at < int(moved.max()) <= at + codec.context
    other = latents.clone()
    other[..., at] += 1
    heard = (codec.decode(other) != codec.decode(latents))[0].nonzero().flatten()
    assert hop * (at - codec.context) <= int(heard.min()) < hop * at
    assert hop * (at + 1) <= int(heard.max()) < hop * (at + codec.context + 1)


@pytest.mark.parametrize("kind", ["seanet", "dac"])
def test_pieces_of_strided_codecs_are_the_whole(kind: str) -> None:
    codec, _ = codec_of(kind)
    samples = codec.hop * 40 + 3
    sound = 0.1 * torch.randn(1, samples)
    whole = codec.codes(sound)
    codes = np.concatenate(list(encode_pieces(codec, [sound.numpy()], 9)), 1)
    assert (codes != whole.numpy()).mean() < 1e-3
    wanted = codec.decode(codec.latents_from(whole), samples).detach().numpy()
    pieces = decode_pieces(codec, lambda first, last: whole[:, first:last].numpy(), 0, samples, 9)
    np.testing.assert_allclose(np.concatenate(list(pieces), 1), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["seanet", "dac"])
def test_a_step_of_strided_codecs(kind: str) -> None:
    """Every weight has a gradient; sounds are brought to the codec's rate."""
    codec, config = codec_of(kind)
    learner = CodecLearner(codec, config).train()
    batch = {name: rows[:2] for name, rows in music_mask()[1].items()}
    assert learner.mixtures(batch["stems"].float(), None).shape == (4, config.preset.rate // 2)
    loss, _ = learner(batch, Draw(0, 0, 0, 2, 2, CPU))
    loss.backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in codec.parameters())


def test_the_snake() -> None:
    snake, x = Snake(2), torch.linspace(-3, 3, 50).expand(1, 2, 50)
    with torch.no_grad():
        snake.frequency[1] = 2
        found = snake(x)
    torch.testing.assert_close(found[0, 0], x[0, 0] + x[0, 0].sin() ** 2)
    torch.testing.assert_close(found[0, 1], x[0, 1] + (2 * x[0, 1]).sin() ** 2 / 2)
    assert (found.diff(dim=-1) >= 0).all()


def settings(**more: Any) -> dict[str, Any]:
    return {"lines": {"representation": False, "generative": False, "music": True, **more}}


def test_the_codec_is_trained_where_it_is_asked_for() -> None:
    assert validate(settings()).trained() == ["music/mask"]
    asked = validate(settings(codec=True))
    assert asked.trained() == ["music/mask", "music/codec"]
    assert asked.evaluations_on() == ["music_transfer", "sound_coding"]
    without = validate(settings(codec=True) | {"music": {"codec": {"quantiser": {"kind": "none"}}}})
    assert without.evaluations_on() == ["music_transfer"]
    with pytest.raises(ConfigurationError, match="codec is on, music is off"):
        validate({"lines": {"codec": True}})


def test_windows_of_the_codec_fit_songs() -> None:
    long = {"music": {"codec": {"seconds": 7}}}
    validate(settings() | long)
    with pytest.raises(ConfigurationError, match=r"music\.codec\.seconds is 7"):
        validate(settings(codec=True) | long)
    with pytest.raises(ConfigurationError, match="all 0"):
        validate(settings() | {"music": {"codec": {"shares": {"wave": 0, "spectra": 0, "mel": 0}}}})
