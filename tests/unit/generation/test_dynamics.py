"""The dynamics transformer: causal in time, actions act where they should, agent tokens are seen by nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from sensorium.config import TOKENIZER_STRIDE
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dynamics import Dynamics, linear_estimate
from sensorium.settings import validate

FRAMES, TOKENS, CHANNELS = 5, 6, 3
SHAPES = {"video": 4, "grid": True, "audio": 2, "channels": CHANNELS, "action": {"kind": "continuous", "size": 2}}
CONFIG = DynamicsConfig(dim=16, heads=2, key_heads=1, layers=4, time_every=2, registers=1, window=4)


def build(action: dict | None = None) -> Dynamics:
    torch.manual_seed(0)
    dynamics = Dynamics(CONFIG, SHAPES | ({"action": action} if action else {}))
    for layer in (dynamics.read_out, dynamics.read_scene):  # they start at zero, and then nothing would show
        torch.nn.init.normal_(layer.weight)
    return dynamics.eval()


def predict(dynamics: Dynamics, tokens, tau, action, labelled=None, size=None):
    sizes = torch.full_like(tau, 1 / 64) if size is None else size
    return dynamics(tokens, tau, sizes, action, labelled)[0]


@pytest.fixture
def inputs():
    torch.manual_seed(1)
    return torch.randn(2, FRAMES, TOKENS, CHANNELS), torch.rand(2, FRAMES), torch.randn(2, FRAMES, 2)


@pytest.mark.parametrize("changed", range(FRAMES))
@pytest.mark.parametrize("what", [0, 1, 2], ids=("tokens", "tau", "action"))
def test_a_frame_changes_itself_and_later_ones_only(inputs, what, changed):
    dynamics = build()
    other = [part.clone() for part in inputs]
    other[what][:, changed] += 0.3
    difference = (predict(dynamics, *inputs) - predict(dynamics, *other)).abs().amax((0, 2, 3))
    assert difference[:changed].eq(0).all()
    assert difference[changed:].gt(1e-6).all()


def test_frames_after_a_past_are_told_what_a_dream_tells_them(inputs):
    """More frames than the window holds; each noised one as the newest of a past of its own."""
    dynamics, (past, _, moves) = build(), inputs
    noised, signal, tau = torch.randn_like(past), 0.8 + 0.2 * torch.rand(2, FRAMES), torch.rand(2, FRAMES)
    finest, size = torch.full_like(tau, 1 / 64), torch.full_like(tau, 1 / 4)
    action = torch.cat([moves, torch.randn(2, 1, 2)], 1)
    read = dynamics.begin_past()
    assert dynamics(past, signal, finest, moves, past=read) == (None, None)
    together = dynamics(noised, tau, size, action[:, 1:], past=read)[0]
    for frame in range(FRAMES):
        window = [
            torch.cat([before[:, : frame + 1], new[:, [frame]]], 1)
            for before, new in ((past, noised), (signal, tau), (finest, size))
        ]
        alone = dynamics(*window, action[:, : frame + 2])[0][:, -1]
        torch.testing.assert_close(together[:, frame], alone, atol=2e-6, rtol=1e-5)


def test_of_kept_frames_only_an_agent_is_told(inputs):
    """Nothing else needs a prediction of them; what comes next is told the same."""
    dynamics, (tokens, tau, action) = build(), inputs
    size, agent = torch.full_like(tau, 1 / 64), torch.randn(2, dynamics.dim)
    begun, rest = tokens[:, :3], tokens[:, 3:5]
    told = []
    for listening in (None, agent):
        memory = dynamics.remember()
        first = dynamics(begun, tau[:, :3], size[:, :3], action[:, :3], agent=listening, memory=memory, keep=3)
        next_ = dynamics(rest, tau[:, 3:5], size[:, 3:5], action[:, 3:5], agent=listening, memory=memory, keep=1)
        told.append((first, next_))
    (silent, after), (heard, after_heard) = told
    assert silent == (None, None)
    assert heard[1].shape[:2] == (2, 3)
    assert after[0].shape[1] == 1
    torch.testing.assert_close(after[0], after_heard[0][:, 1:], atol=2e-6, rtol=1e-5)


def test_a_scene_is_seen_in_every_frame_and_not_heard(inputs):
    """Whatever the window; its sound leaves nothing, and who is given none sees none."""
    dynamics, (tokens, tau, action) = build(), inputs
    size, frame = torch.full_like(tau, 1 / 64), torch.randn(2, TOKENS, CHANNELS)
    plain, seen = (dynamics(tokens, tau, size, action, scene=scene)[0] for scene in (None, dynamics.look(frame)))
    assert (seen - plain).abs().amax((0, 3)).gt(1e-6).all()
    other = frame.clone()
    other[:, SHAPES["video"] :] += 1
    assert torch.equal(dynamics.look(other), dynamics.look(frame))
    assert torch.equal(dynamics.look(frame[:, : SHAPES["video"]]), dynamics.look(frame))
    assert dynamics.look(frame)[:, SHAPES["video"] :].eq(0).all()


def test_every_token_of_a_frame_sees_the_action(inputs):
    dynamics = build()
    tokens, tau, action = inputs
    difference = (
        (predict(dynamics, tokens, tau, action) - predict(dynamics, tokens, tau, action + 1)).abs().amax((0, 3))
    )
    assert difference.gt(1e-6).all()


def test_unlabelled_windows_have_no_action(inputs):
    dynamics = build()
    tokens, tau, action = inputs
    some = predict(dynamics, tokens, tau, action, torch.tensor([True, False]))
    assert torch.allclose(some[0], predict(dynamics, tokens, tau, action)[0], atol=1e-6)
    assert torch.allclose(some[1], predict(dynamics, tokens, tau, None)[1], atol=1e-6)
    assert not torch.allclose(some[1], predict(dynamics, tokens, tau, torch.zeros_like(action))[1], atol=1e-3) or bool(
        dynamics.action.bias.abs().max() < 1e-3
    )


def test_discrete_actions(inputs):
    dynamics = build({"kind": "discrete", "size": 6})
    tokens, tau, _ = inputs
    first, second = (predict(dynamics, tokens, tau, torch.full((2, FRAMES), number)) for number in (0, 5))
    assert first.shape == tokens.shape
    assert not torch.allclose(first, second, atol=1e-4)


def test_unknown_kind_of_action():
    with pytest.raises(ValueError, match="pedal"):
        build({"kind": "pedal", "size": 1})


def test_linear_estimate_at_its_ends():
    """Clean frames stay; pure noise becomes the last clean frame, or the mean where nothing is known."""
    tokens, change = torch.randn(1, 4, TOKENS, CHANNELS), torch.full((TOKENS, CHANNELS), 0.1)
    tau = torch.tensor([[1.0, 0, 0, 1]])
    estimate = linear_estimate(tokens, tau, change)[0]
    assert torch.allclose(estimate[:, 3], tokens[:, 3], atol=1e-6)
    assert torch.allclose(estimate[:, 0], tokens[:, 0])
    assert torch.allclose(estimate[:, 1], tokens[:, 0])
    assert torch.allclose(estimate[:, 2], tokens[:, 0])
    assert torch.equal(linear_estimate(tokens, torch.zeros(1, 4), change)[0], torch.zeros_like(tokens))


def test_linear_estimate_is_the_posterior_mean_of_a_random_walk():
    """Against least squares on z1 = z0 + step, both seen through noise."""
    torch.manual_seed(0)
    rows, change, tau = 400_000, 0.2, torch.tensor([0.8, 0.4])
    first = torch.randn(rows)
    clean = torch.stack([first, first + change**0.5 * torch.randn(rows)], 1)
    noised = (1 - tau) * torch.randn(rows, 2) + tau * clean
    fitted = noised @ torch.linalg.lstsq(noised, clean[:, 1:]).solution
    estimate = linear_estimate(noised[..., None, None], tau.expand(rows, 2), torch.tensor([[change]]))[0][:, 1, 0]
    assert (fitted - estimate).abs().mean() < 5e-3


def test_standardise_and_restore():
    dynamics = build()
    mean, deviation = torch.tensor([1.0, 2, 3]).expand(TOKENS, 3), torch.tensor([0.5, 1, 2]).expand(TOKENS, 3)
    dynamics.describe(mean, deviation, torch.ones(TOKENS, 3))
    assert torch.equal(dynamics.change[0], torch.tensor([4, 1, 0.25]))
    tokens = torch.randn(2, 7, TOKENS, CHANNELS)
    assert torch.allclose(dynamics.restore(dynamics.standardise(tokens)), tokens, atol=1e-6)
    assert torch.equal(dynamics.standardise(torch.tensor([1.5, 2, 5]))[0], torch.tensor([1.0, 0, 1]))


def test_the_step_size_is_heard(inputs):
    dynamics = build()
    tokens, tau, action = inputs
    fine, coarse = (predict(dynamics, tokens, tau, action, size=torch.full_like(tau, d)) for d in (1 / 64, 0.5))
    assert not torch.allclose(fine, coarse, atol=1e-4)


def test_agent_tokens_see_everything_before_and_are_seen_by_nobody(inputs):
    dynamics = build()
    tokens, tau, action = inputs
    size, agent = torch.full_like(tau, 1 / 64), torch.randn(2, CONFIG.dim)
    prediction, read = dynamics(tokens, tau, size, action, agent=agent)
    assert read.shape == (2, FRAMES, 2, CONFIG.dim)
    assert torch.allclose(prediction, predict(dynamics, tokens, tau, action), atol=1e-5)
    other = tokens.clone()
    other[:, 2] += 1
    change = (dynamics(other, tau, size, action, agent=agent)[1] - read).abs().amax((0, 2, 3))
    assert change[:2].eq(0).all()
    assert change[2:].gt(1e-6).all()


def test_streams_are_cut_apart_in_order():
    tokens = torch.arange(TOKENS).view(1, 1, TOKENS, 1).expand(1, 1, TOKENS, CHANNELS)
    parts = build().split(tokens)
    assert parts["video"][0, 0, :, 0].tolist() == [0, 1, 2, 3]
    assert parts["audio"][0, 0, :, 0].tolist() == [4, 5]


def test_a_world_without_sound_and_without_a_grid(inputs):
    torch.manual_seed(0)
    dynamics = Dynamics(CONFIG, SHAPES | {"video": 6, "audio": 0, "grid": False})
    assert predict(dynamics, *inputs).shape == inputs[0].shape
    assert list(dynamics.streams) == ["video"]


def test_the_paper_sized_preset_builds():
    """As many parameters as Dreamer 4's dynamics, grouped keys apart; on the meta device, which holds shapes alone."""
    preset = yaml.safe_load((Path(__file__).parents[3] / "config/h200.yaml").read_text())
    config = validate(preset)
    tokens = (config.data.size // TOKENIZER_STRIDE) ** 2
    shapes = SHAPES | {"video": tokens, "audio": 4, "channels": config.tokenizers.video.channels}
    with torch.device("meta"):
        dynamics = Dynamics(config.dynamics, shapes)
    assert tokens == 256
    assert 1.3e9 < sum(parameter.numel() for parameter in dynamics.parameters()) < 1.7e9
