"""The fine path: what it copies, crops as parts of the whole, and contexts as in streams."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from toy_generation import awake

from sensorium.config import ConfigurationError
from sensorium.generation.conditioning import FINEST, Conditioning
from sensorium.generation.config import LAST_FRAMES, DynamicsConfig, FineConfig
from sensorium.generation.dream import dream
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.fine_path import Crop, FinePath, on_grid
from sensorium.generation.patch_tokenizer import PatchTokenizer

GRID, CHANNELS, AUDIO, FRAMES = 8, 12, 2, 5
FINE = FineConfig(width=8, blocks=2, pool=2, reach=2, crop=4)
CONFIG = DynamicsConfig(
    dim=16, heads=2, key_heads=1, layers=4, time_every=2, registers=1, window=4, path="fine", fine=FINE
)
SHAPES = {
    "video": GRID**2,
    "grid": True,
    "audio": AUDIO,
    "channels": CHANNELS,
    "pixels": 2,
    "action": {"kind": "continuous", "size": 2},
}


def build(**changes: object) -> Dynamics:
    torch.manual_seed(0)
    dynamics = Dynamics(CONFIG, SHAPES | changes)
    tokenizer = PatchTokenizer(2, 2 * GRID)
    dynamics.describe_pixels(tokenizer.colour, tokenizer.mean)
    awake(dynamics)
    return dynamics


def frames(rows: int = 2, count: int = FRAMES) -> torch.Tensor:
    return torch.randn(rows, count, GRID**2 + AUDIO, CHANNELS, generator=torch.Generator().manual_seed(3))


def given(tau: torch.Tensor, **others: object) -> Conditioning:
    moves = torch.randn(*tau.shape, 2, generator=torch.Generator().manual_seed(4))
    return Conditioning(tau, torch.full_like(tau, FINEST), moves, **others)


def test_training_begins_with_the_last_frame():
    """As good as copied: sources at other places have what the start's logit leaves them."""
    torch.manual_seed(0)
    dynamics = Dynamics(CONFIG, SHAPES)
    tokens = frames()
    tau = torch.ones(2, FRAMES)
    tau[:, -1] = 0
    made = dynamics.denoise(tokens, given(tau), sharpness=4.0).tokens[:, -1, : GRID**2]
    torch.testing.assert_close(made, tokens[:, -2, : GRID**2], atol=1e-4, rtol=1e-4)


def test_clean_frames_stay():
    tokens = frames()
    made = build().denoise(tokens, given(torch.ones(2, FRAMES))).tokens
    torch.testing.assert_close(made, tokens, atol=1e-4, rtol=1e-4)


def test_frames_after_their_context_are_those_of_a_stream():
    dynamics, tokens, tau = build(), frames(), torch.rand(2, FRAMES)
    noised, clean = torch.randn_like(tokens), torch.ones(2, FRAMES)
    scene = dynamics.encode_scene(tokens[:, 0])
    past = given(clean, scene=scene)
    newest = Conditioning(tau, past.step_size, past.action.flip(0), scene=scene)
    together = dynamics.denoise(noised, newest, dynamics.read(tokens, past)).tokens
    memory = dynamics.remember()
    for number in range(FRAMES):
        at = slice(number, number + 1)
        pair = Conditioning(
            torch.cat([clean[:, at], tau[:, at]], 1),
            past.step_size[:, :2],
            torch.cat([past.action[:, at], newest.action[:, at]], 1),
            scene=scene,
        )
        streamed = dynamics.stream(torch.cat([tokens[:, at], noised[:, at]], 1), pair, memory, keep=1).tokens
        torch.testing.assert_close(streamed, together[:, at], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("what", ["recent", "scene", "action", "far past"])
def test_a_frame_sees(what):
    """The far past is beyond the frames that the blocks see: it comes through the transformer alone."""
    dynamics, tokens = build(), frames()
    tau = torch.ones(2, FRAMES)
    tau[:, -1] = 0
    condition = given(tau, scene=dynamics.encode_scene(frames()[:, 0]))

    def predict(tokens: torch.Tensor, condition: Conditioning) -> torch.Tensor:
        return dynamics.denoise(tokens, condition).tokens[:, -1, : GRID**2]

    before, other = predict(tokens, condition), tokens.clone()
    if what == "scene":
        condition = given(tau, scene=condition.scene + 1)
    elif what == "action":
        condition = Conditioning(tau, condition.step_size, condition.action + 1, scene=condition.scene)
    else:
        other[:, -2 if what == "recent" else -2 - LAST_FRAMES, : GRID**2] += 1
    assert (predict(other, condition) - before).abs().amax((0, 2)).gt(1e-6).all()


def test_a_crop_is_that_part_of_the_whole():
    """Away from its border, where the blocks see less."""
    torch.manual_seed(0)
    path = awake(FinePath(FineConfig(width=8, blocks=2, pool=1, reach=2), 24, CHANNELS, 2, 16))
    noised, recent, scene = torch.randn(2, 576, 12), torch.randn(2, LAST_FRAMES, 576, 12), torch.randn(2, 576, 12)
    condition, tau = torch.randn(2, 16), torch.rand(2)
    crop = Crop(torch.tensor([0, 4]), torch.tensor([3, 2]), 18)
    expected = crop.cut_tokens(path.predict(path.look(noised, recent, scene, condition), None, tau)[0])
    made = path.predict(path.look(crop.cut_tokens(noised), recent, scene, condition, crop), None, tau)[0]
    inner = Crop(torch.tensor([8, 8]), torch.tensor([8, 8]), 2)
    assert not torch.allclose(made, expected, atol=1e-3)
    torch.testing.assert_close(inner.cut_tokens(made), inner.cut_tokens(expected), atol=1e-4, rtol=1e-4)


def test_a_sharp_prediction_is_one_of_the_copies():
    dynamics, tokens = build(), frames()
    tau = torch.zeros(2, FRAMES)
    fine = dynamics.fine
    nn.init.zeros_(fine.correct.weight)
    nn.init.normal_(fine.choose.weight, std=5.0)
    sharp = dynamics.denoise(tokens, given(tau), sharpness=1e4)
    shown = fine.show(on_grid(sharp.tokens[:, :, : GRID**2].flatten(0, 1)))
    nearest = torch.stack([(shown - copy).abs().amax(1) for copy in sharp.mixture.sources]).amin(0)
    assert nearest.max() < 1e-3
    mean = dynamics.denoise(tokens, given(tau)).tokens
    assert (mean - sharp.tokens).abs().max() > 0.05


def test_a_noised_frame_is_weighed_as_its_doubt_says(monkeypatch):
    """The posterior mean of N(m, v), given z = tau x + (1 - tau) e; m is what pure noise would give: there is no doubt
    about the source.
    """
    dynamics, noised = build(), frames()
    nn.init.zeros_(dynamics.fine.choose.weight)
    dynamics.fine.choose.bias.data.unflatten(0, (-1, 4))[3] = 1e4
    nn.init.zeros_(dynamics.fine.doubt.weight)
    nn.init.constant_(dynamics.fine.doubt.bias, math.log(0.25))
    tau, predict = torch.full((2, FRAMES), 0.5), dynamics.fine.predict
    made = []
    for level in (torch.zeros(2 * FRAMES), tau.flatten()):  # the same features, and the head at both levels

        def at_level(looked, coarse, _tau, sharpness, level=level):
            return predict(looked, coarse, level, sharpness)

        monkeypatch.setattr(dynamics.fine, "predict", at_level)
        made.append(dynamics.denoise(noised, given(tau)).tokens[:, :, : GRID**2])
    gain = 0.5 * 0.25 / (0.5**2 + 0.5**2 * 0.25)
    expected = made[0] + gain * (noised[:, :, : GRID**2] - 0.5 * made[0])
    torch.testing.assert_close(made[1], expected, atol=1e-4, rtol=1e-4)


def test_what_is_copied_is_weighed_by_the_noised_frame():
    """The posterior mean over the sources, by brute force, token by token: p(k | z) ~ w_k N(z; tau m_k, spread)."""
    torch.manual_seed(0)
    path = awake(FinePath(FINE.model_copy(update={"pool": 1, "crop": 2}), 4, CHANNELS, 2, 16))
    path.describe(torch.eye(CHANNELS) + 0.3 * torch.randn(CHANNELS, CHANNELS), torch.randn(CHANNELS))
    nn.init.zeros_(path.choose.weight)  # one prior for all four pixels of a token
    path.choose.bias.data = torch.randn(path.sources).repeat_interleave(4)
    recent, scene, tau = torch.randn(2, LAST_FRAMES, 16, 12), torch.randn(2, 16, 12), torch.tensor([0.3, 0.8])
    looked = path.look(torch.randn(2, 16, 12), recent, scene, torch.randn(2, 16))
    made, mixture = path.predict(looked, None, tau, sharpness=2.0)
    noised, level = looked.noised, tau[:, None, None, None]
    correction = path.predict(looked, None, torch.zeros(2), sharpness=2.0)[0]

    def tokens(picture: torch.Tensor) -> torch.Tensor:
        pixels = nn.functional.pixel_unshuffle(picture, 2) - path.offset[:, None, None]
        return torch.einsum("ij,bjhw->bihw", path.to_tokens, pixels)

    prior = (2 * mixture.logits[:, :, ::2, ::2]).log_softmax(1)
    copies = torch.stack([tokens(copy) for copy in mixture.sources], 1)  # [2, K, C, 4, 4]
    added = on_grid(correction) - (prior.exp()[:, :, None] * copies).sum(1)
    means = copies + added[:, None]
    h = looked.features
    for block in path.blocks[1:]:
        h = block(h, looked.condition)
    normed = path.norm(h.movedim(1, -1)).movedim(-1, 1)
    variance = path.doubt(nn.functional.silu(normed)).clamp(-10, 2).exp()
    spread = (1 - level).square() + level.square() * variance
    nats = -(noised[:, None] - level[:, None] * means).square().sum(2) / (2 * spread)
    mean = ((prior + nats).softmax(1)[:, :, None] * means).sum(1)
    expected = mean + level * variance / spread * (noised - level * mean)
    torch.testing.assert_close(on_grid(made), expected, atol=1e-3, rtol=1e-3)
    assert (on_grid(correction) - mean).abs().max() > 0.1


@pytest.mark.parametrize("sharpness", [1.0, 4.0])
def test_sharp_dreams_begin_with_less_noise(sharpness, monkeypatch):
    """Of video; sound is drawn as ever."""
    dynamics, tokens, seen = build(), frames(64, 2), []
    stream = dynamics.stream

    def watch(frames: torch.Tensor, *others: object) -> object:
        seen.append(frames[:, -1])
        return stream(frames, *others)

    monkeypatch.setattr(dynamics, "stream", watch)
    dream(dynamics, tokens, torch.zeros(64, 3, 2), 1, denoising_steps=1, sharpness=sharpness)
    noise = seen[-1]
    assert noise[:, : GRID**2].std() == pytest.approx(1 / sharpness, rel=0.05)
    assert noise[:, GRID**2 :].std() == pytest.approx(1, rel=0.1)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigurationError, match=r"fine.pool is 3: it must divide the 8"):
        FinePath(FineConfig(pool=3), GRID, CHANNELS, 2, 16)
    with pytest.raises(ConfigurationError, match=r"fine.crop is 9: at most the 8 tokens"):
        FinePath(FineConfig(pool=4, crop=9), GRID, CHANNELS, 2, 16)
    with pytest.raises(ValueError, match=r"crops are trained after 3 frames"):
        DynamicsConfig(path="fine", dreamed=0, window=2, frames=3, long_frames=3)
    with pytest.raises(ValueError, match="12 channels"):
        FinePath(FINE, GRID, CHANNELS, 5, 16)
    with pytest.raises(ValueError, match="square"):
        Dynamics(CONFIG, SHAPES | {"video": 60})
    with pytest.raises(ValueError, match=r"set dynamics\.path"):
        Dynamics(DynamicsConfig(), SHAPES).describe_pixels(torch.eye(12), torch.zeros(12))


def test_a_sharp_dream_makes_no_small_corrections():
    """Of 0.03 of full scale none at sharpness 4, larger ones less 0.03 where they are largest; the mean makes all."""
    path = awake(FinePath(FINE.model_copy(update={"pool": 1, "crop": 2}), 4, CHANNELS, 2, 16))
    path.describe(torch.diag(torch.rand(CHANNELS) + 0.5), torch.rand(CHANNELS))
    shown = torch.zeros(1, 3, 8, 8)
    shown[0, 0, 0, 0], shown[0, 1, 0, 0], shown[0, 2, 5, 5], shown[0, 0, 7, 1] = 0.4, -0.2, -0.1, 0.029

    def tokens(picture: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ij,bjhw->bihw", path.to_tokens, nn.functional.pixel_unshuffle(picture, 2))

    wanted = torch.zeros(1, 3, 8, 8)
    wanted[0, 0, 0, 0], wanted[0, 1, 0, 0], wanted[0, 2, 5, 5] = 0.37, -0.2 * 0.37 / 0.4, -0.07
    torch.testing.assert_close(path._paid_for(shown, tokens(shown), 4.0), tokens(wanted))
    assert path._paid_for(shown, tokens(shown), 1.0).equal(tokens(shown))
