"""The codec: the transform comes back, pieces are the whole, losses by hand, collapsed codecs refused, exact resume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from toy_music import CODEC, music_codec, tiny_codec, write_songs

from sensorium.data.sample_formats import to_sounds
from sensorium.models.load import load
from sensorium.music.codec import MusicCodec
from sensorium.music.codec_config import LATENTS, CodecQuantiserConfig
from sensorium.music.codec_learner import CodecLearner, code_usage
from sensorium.music.codec_losses import CodecLosses, wave_loss
from sensorium.music.codec_quantiser import LatentQuantiser
from sensorium.music.config import RATE
from sensorium.music.evaluation import transfer_scores
from sensorium.music.gradient_shares import GradientShares
from sensorium.music.mdct import Mdct
from sensorium.music.train_codec import main
from sensorium.randomness import Draw
from sensorium.training.health import UnhealthyError, Verdict
from sensorium.training.interrupt import Interrupt, StoppedEarly
from sensorium.training.learner import Batch

CPU = torch.device("cpu")


@pytest.fixture(params=["none", "fsq", "rvq"])
def made(request: pytest.FixtureRequest) -> tuple[CodecLearner, Batch]:
    """A tiny codec with fresh weights, and a batch."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    learner, batch = music_codec(request.param)
    assert isinstance(learner, CodecLearner)
    return learner.eval(), batch


# The transform -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hop", "frames"), [(320, 1), (320, 7), (64, 20)])
def test_the_transform_comes_back(hop: int, frames: int) -> None:
    torch.manual_seed(0)
    mdct, sounds = Mdct(hop), torch.randn(3, frames * hop)
    coefficients = mdct(sounds)
    assert coefficients.shape == (3, frames + 1, hop)
    torch.testing.assert_close(mdct.inverse(coefficients), sounds, rtol=0, atol=5e-6)
    torch.testing.assert_close(coefficients.square().sum((1, 2)), sounds.square().sum(1), rtol=1e-5, atol=0)


def test_a_tone_lies_at_its_coefficient() -> None:
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(9600) / RATE)
    power = Mdct(320)(tone[None])[0, 3:-3].square().mean(0)
    assert int(power.argmax()) in (26, 27)  # a coefficient is 37.5 Hz wide
    assert power[20:34].sum() > 0.999 * power.sum()


# The network ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [320, 321, 5000, 12_000])
def test_shapes(made: tuple[CodecLearner, Batch], samples: int) -> None:
    codec, sounds = made[0].codec, 0.1 * torch.randn(2, samples)
    latents = codec.encode(sounds)
    assert latents.shape == (2, LATENTS, -(-samples // 320))
    found = codec.quantise(latents)
    assert found.vectors.shape == latents.shape
    assert codec.decode(found.vectors, samples).shape == sounds.shape
    decoded, again = codec(sounds)
    torch.testing.assert_close(decoded, codec.decode(again.vectors, samples))


def test_latents_come_from_their_codes(made: tuple[CodecLearner, Batch]) -> None:
    codec = made[0].codec
    found = codec.quantise(codec.encode(0.1 * torch.randn(2, 4000)))
    if codec.quantiser.kind == "none":
        with pytest.raises(ValueError, match="no quantiser"):
            codec.latents_from(found.codes)
        return
    assert int(found.codes.min()) >= 0
    assert int(found.codes.max()) < codec.quantiser.base
    torch.testing.assert_close(codec.latents_from(found.codes), found.vectors)


def test_a_latent_sees_its_context_and_nothing_beyond(made: tuple[CodecLearner, Batch]) -> None:
    codec = made[0].codec
    assert codec.context == 1 + 1 + 2
    sounds, at = 0.1 * torch.randn(1, 320 * 30), 15
    latents = codec.encode(sounds)
    changed = sounds.clone()
    changed[:, 320 * at + 160] += 0.5
    moved = (codec.encode(changed) != latents).any(1)[0].nonzero().flatten()
    assert at - codec.context <= int(moved.min())
    assert int(moved.max()) <= at + codec.context
    other = latents.clone()
    other[..., at] += 1
    heard = (codec.decode(other) != codec.decode(latents))[0].nonzero().flatten()
    assert 320 * (at - codec.context) <= int(heard.min())
    assert int(heard.max()) < 320 * (at + codec.context + 1)
    assert int(heard.max() - heard.min()) > 320 * codec.context


def test_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="24000 samples a second, not for 44100"):
        MusicCodec(CODEC, {"rate": 44_100})


# Codes ---------------------------------------------------------------------------------------------------------------


def test_bits_of_a_latent() -> None:
    assert CodecQuantiserConfig().bits == 79  # 34 numbers of 5 levels: 78.94
    assert CodecQuantiserConfig(kind="rvq").bits == 80
    assert CodecQuantiserConfig(kind="none").bits == 0
    assert CodecQuantiserConfig(channels=3, levels=2).bits == 3


def test_later_stages_make_the_error_smaller() -> None:
    torch.manual_seed(0)
    quantiser = LatentQuantiser(CodecQuantiserConfig(kind="rvq", stages=6, words=64, dim=4))
    vectors = torch.randn(400, 4)
    with torch.no_grad():
        errors = [
            float((quantiser.residual.decode(quantiser.residual(vectors).codes[:, :stages]) - vectors).square().mean())
            for stages in (1, 2, 4, 6)
        ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * errors[0]


def test_usage_by_hand() -> None:
    even = torch.arange(8)[:, None].expand(8, 2)
    assert code_usage(even, 8) == pytest.approx(1)
    assert code_usage(torch.zeros(8, 2, dtype=torch.int64), 8) == 0
    half = torch.stack((torch.arange(8), torch.zeros(8, dtype=torch.int64)), -1)
    assert code_usage(half, 8) == pytest.approx(0.5)


# The objective -------------------------------------------------------------------------------------------------------


def test_losses_are_what_the_evaluation_measures() -> None:
    torch.manual_seed(0)
    sounds, noise = 0.1 * torch.randn(3, 12_288), 0.02 * torch.randn(3, 12_288)
    found = CodecLosses(RATE)(sounds + noise, sounds)
    assert wave_loss(sounds + noise, sounds).mean() == pytest.approx(-1.4, abs=0.02)  # 14 dB
    decoded, truth = (sounds + noise).numpy(), sounds.numpy()
    torch.testing.assert_close(
        found["spectra"].double(),
        torch.from_numpy(transfer_scores.resolution_distance(decoded, truth)),
        rtol=1e-4,
        atol=1e-5,
    )
    torch.testing.assert_close(
        20 * found["mel"], torch.from_numpy(transfer_scores.mel_distance(decoded, truth)), rtol=1e-4, atol=1e-5
    )
    assert all(float(each.max()) < 1e-6 for name, each in CodecLosses(RATE)(sounds, sounds).items() if name != "wave")


def balanced(scale: float, steps: int = 200) -> Tensor:
    """Gradient at the output of two losses, one of which has a scale of its own, after some steps."""
    torch.manual_seed(0)
    balance, target = GradientShares({"first": 3.0, "second": 1.0}), torch.randn(8, 5)
    for _ in range(steps):
        output = torch.zeros(8, 5, requires_grad=True)
        loss, metrics = balance.combine(
            output,
            lambda found: {
                "first": scale * (found - target).square().sum(1),
                "second": (found * target.flip(1)).sum(1),
            },
        )
        balance.observe(metrics)
    loss.backward()
    assert output.grad is not None
    return output.grad * 8


def test_shares_of_the_gradient_do_not_depend_on_the_scale_of_a_loss() -> None:
    torch.testing.assert_close(balanced(1.0), balanced(1000.0), rtol=1e-4, atol=1e-6)
    torch.manual_seed(0)
    target = torch.randn(8, 5)
    size = target.square().sum(1).mean().sqrt()
    expected = -0.75 * target / size + 0.25 * target.flip(1) / size
    torch.testing.assert_close(balanced(1000.0), expected, rtol=1e-4, atol=1e-6)


def test_weights_do_not_depend_on_how_a_batch_is_divided(made: tuple[CodecLearner, Batch]) -> None:
    """Gradients and observed norms of two micro-batches are those of the whole batch."""
    learner, batch = made
    learner.balance.squares.copy_(torch.tensor([1e-3, 0.3, 0.02]))
    learner.train()
    draw = Draw(0, 3, 0, 6, 6, CPU)

    def gradient(parts: list[slice]) -> tuple[dict[str, float], Tensor]:
        learner.zero_grad()
        norms = dict.fromkeys(learner.observed, 0.0)
        for part in parts:
            rows = batch["stems"][part]
            loss, metrics = learner({"stems": rows}, draw.rows(part.start, part.stop))
            (loss * len(rows) / 6).backward()
            norms = {name: norms[name] + float(metrics[name]) * len(rows) / 6 for name in norms}
        weight = learner.codec.network.read.weight.grad
        assert weight is not None
        return norms, weight.clone()

    whole, parts = gradient([slice(0, 6)]), gradient([slice(0, 2), slice(2, 6)])
    assert parts[0] == pytest.approx(whole[0], rel=1e-4)
    torch.testing.assert_close(parts[1], whole[1], rtol=1e-3, atol=1e-6)


def test_stems_are_varied_in_training_alone(made: tuple[CodecLearner, Batch]) -> None:
    learner, batch = made
    stems = to_sounds(batch["stems"])
    plain = learner.mixtures(stems, None)
    torch.testing.assert_close(plain, (stems[:, 0::2] + stems[:, 1::2]).flatten(0, 1))
    draw = Draw(0, 3, 0, 6, 6, CPU)
    varied = learner.mixtures(stems, draw)
    assert not torch.allclose(varied, plain)
    torch.testing.assert_close(learner.mixtures(stems[2:4], draw.rows(2, 4)), varied[4:8])
    assert torch.equal(learner(batch, draw)[0], learner(batch, Draw(9, 9, 0, 6, 6, CPU))[0])


def test_collapsed_codecs_are_refused(made: tuple[CodecLearner, Batch]) -> None:
    learner, batch = made
    with torch.no_grad():
        for weight in learner.codec.network.to_latents[1].parameters():
            weight.zero_()
        gates = {gate.name: gate for gate in learner.gates(batch)}
    assert not gates["snr_db"].passed
    assert gates["latent_spread" if learner.codec.quantiser.kind == "none" else "code_usage"].value < 1e-6
    with pytest.raises(UnhealthyError, match="snr_db"):
        Verdict({}, list(gates.values())).check()


def test_sounds_for_the_log(made: tuple[CodecLearner, Batch]) -> None:
    shown = made[0].show(made[1])
    assert {name: sound.samples.shape for name, sound in shown.items()} == {  # type: ignore[union-attr]
        "truth": (RATE // 2,),
        "decoded": (RATE // 2,),
    }


# The stage -----------------------------------------------------------------------------------------------------------


def train(songs: Path, output: Path, kind: str) -> Path:
    """Train by the command; the weights."""
    section = tiny_codec(kind).model_dump(mode="json") | {"training": {"steps": 6, "batch": 2, "warmup": 0}}
    argv = ["--config", json.dumps(section), "--songs", str(songs), "--output", str(output)]
    main([*argv, "--device", "cpu", "--threads", "1", "--workers", "0"])
    return output / "model.safetensors"


@pytest.mark.parametrize("kind", ["fsq", "rvq"])
def test_a_codec_that_was_stopped_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    songs = write_songs(tmp_path / "songs")
    monkeypatch.setattr(Verdict, "check", lambda verdict: None)
    straight = train(songs, tmp_path / "straight", kind)
    calls = iter([None, None, "a signal", "a signal"])
    with monkeypatch.context() as patch:
        patch.setattr(Interrupt, "reason", lambda *_: next(calls))
        with pytest.raises(StoppedEarly, match="after step 3 of 6"):
            train(songs, tmp_path / "stopped", kind)
    weights = [load_file(path) for path in (straight, train(songs, tmp_path / "stopped", kind))]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    codec = load(MusicCodec, straight.parent / "manifest.json")
    assert codec(torch.zeros(1, 640))[0].isfinite().all()
