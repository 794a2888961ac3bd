"""The dynamics transformer: causal in time, actions act where they should, no token sees the agent tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from sensorium.config import TOKENIZER_STRIDE
from sensorium.generation.conditioning import FINEST, Conditioning
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.kalman import kalman_filter
from sensorium.settings import validate

FRAMES, TOKENS, CHANNELS = 5, 6, 3
SHAPES = {"video": 4, "grid": True, "audio": 2, "channels": CHANNELS, "action": {"kind": "continuous", "size": 2}}
CONFIG = DynamicsConfig(dim=16, heads=2, key_heads=1, layers=4, time_every=2, registers=1, window=4)


def build(action: dict | None = None) -> Dynamics:
    torch.manual_seed(0)
    dynamics = Dynamics(CONFIG, SHAPES | ({"action": action} if action else {}))
    for layer in (
        dynamics.read_out,
        dynamics.paths.filtered.read_scene,
    ):  # they start at zero, which would hide all differences
        torch.nn.init.normal_(layer.weight)
    return dynamics.eval()


def given(tau, action, step_size=None, **others) -> Conditioning:
    return Conditioning(tau, torch.full_like(tau, FINEST) if step_size is None else step_size, action, **others)


def predict(dynamics: Dynamics, tokens, tau, action, **others):
    return dynamics.denoise(tokens, given(tau, action, **others)).tokens


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


def test_frames_after_their_context_are_predicted_as_in_a_window(inputs):
    """More frames than the window holds; each noised frame is the newest one after its own context."""
    dynamics, (past, _, moves) = build(), inputs
    noised, signal, tau = torch.randn_like(past), 0.8 + 0.2 * torch.rand(2, FRAMES), torch.rand(2, FRAMES)
    finest, step_size = torch.full_like(tau, FINEST), torch.full_like(tau, 1 / 4)
    action = torch.cat([moves, torch.randn(2, 1, 2)], 1)
    context = dynamics.read(past, given(signal, moves))
    together = dynamics.denoise(noised, given(tau, action[:, 1:], step_size), context).tokens
    for frame in range(FRAMES):
        frames, levels, sizes = (
            torch.cat([before[:, : frame + 1], new[:, [frame]]], 1)
            for before, new in ((past, noised), (signal, tau), (finest, step_size))
        )
        alone = predict(dynamics, frames, levels, action[:, : frame + 2], step_size=sizes)[:, -1]
        torch.testing.assert_close(together[:, frame], alone, atol=2e-6, rtol=1e-5)


def test_a_stream_predicts_only_the_frames_that_it_does_not_keep(inputs):
    """With agent tokens, which need all layers, the predictions are the same, and all frames have agent states."""
    dynamics, (tokens, tau, action) = build(), inputs
    agent, first, later = torch.randn(2, dynamics.dim), slice(0, 3), slice(3, 5)
    predictions = []
    for watching in (None, agent):
        memory = dynamics.remember()
        kept, next_ = (
            dynamics.stream(tokens[:, part], given(tau[:, part], action[:, part]), memory, keep, watching)
            for part, keep in ((first, 3), (later, 1))
        )
        assert kept.tokens.shape == (2, 0, TOKENS, CHANNELS)
        assert next_.tokens.shape == (2, 1, TOKENS, CHANNELS)
        predictions.append((kept, next_))
    (_, plain), (watched, beside) = predictions
    assert watched.agent.shape == (2, 3, 2, CONFIG.dim)
    assert beside.agent.shape == (2, 2, 2, CONFIG.dim)
    torch.testing.assert_close(plain.tokens, beside.tokens, atol=2e-6, rtol=1e-5)


def test_a_compiled_stream_is_one_graph_and_predicts_the_same(inputs):
    dynamics, (tokens, tau, action) = build(), inputs
    graphs, streamed = [], []

    def backend(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    for compiled in (False, True):
        if compiled:
            dynamics.compile(backend=backend, fullgraph=True)
        memory = dynamics.remember()
        with torch.no_grad():
            dynamics.stream(tokens[:, :3], given(tau[:, :3], action[:, :3]), memory, keep=3)
            streamed.append(dynamics.stream(tokens[:, 3:], given(tau[:, 3:], action[:, 3:]), memory, keep=1).tokens)
    assert graphs
    torch.testing.assert_close(streamed[1], streamed[0])


def test_a_scene_changes_every_frame_and_its_sound_is_ignored(inputs):
    """However short the window; without a scene nothing is added."""
    dynamics, (tokens, tau, action) = build(), inputs
    frame = torch.randn(2, TOKENS, CHANNELS)
    scene = dynamics.encode_scene(frame)
    plain, seen = (predict(dynamics, tokens, tau, action, scene=features) for features in (None, scene))
    assert (seen - plain).abs().amax((0, 3)).gt(1e-6).all()
    other = frame.clone()
    other[:, SHAPES["video"] :] += 1
    assert torch.equal(dynamics.encode_scene(other), scene)
    assert torch.equal(dynamics.encode_scene(frame[:, : SHAPES["video"]]), scene)
    assert scene[:, SHAPES["video"] :].eq(0).all()


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
    some = predict(dynamics, tokens, tau, action, labelled=torch.tensor([True, False]))
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


def test_the_filter_at_its_ends():
    """Clean frames stay; pure noise becomes the last clean frame, or the mean if there is none."""
    tokens, change = torch.randn(1, 4, TOKENS, CHANNELS), torch.full((TOKENS, CHANNELS), 0.1)
    tau = torch.tensor([[1.0, 0, 0, 1]])
    estimate = kalman_filter(tokens, tau, change).mean
    assert torch.allclose(estimate[:, 3], tokens[:, 3], atol=1e-6)
    assert torch.allclose(estimate[:, 0], tokens[:, 0])
    assert torch.allclose(estimate[:, 1], tokens[:, 0])
    assert torch.allclose(estimate[:, 2], tokens[:, 0])
    assert torch.equal(kalman_filter(tokens, torch.zeros(1, 4), change).mean, torch.zeros_like(tokens))


def test_the_filter_gives_the_posterior_mean_of_a_random_walk():
    """Against least squares on z1 = z0 + step, both observed through noise."""
    torch.manual_seed(0)
    rows, change, tau = 400_000, 0.2, torch.tensor([0.8, 0.4])
    first = torch.randn(rows)
    clean = torch.stack([first, first + change**0.5 * torch.randn(rows)], 1)
    noised = (1 - tau) * torch.randn(rows, 2) + tau * clean
    fitted = noised @ torch.linalg.lstsq(noised, clean[:, 1:]).solution
    posterior = kalman_filter(noised[..., None, None], tau.expand(rows, 2), torch.tensor([[change]]))
    assert (fitted - posterior.mean[:, 1, 0]).abs().mean() < 5e-3
    error = (fitted[:, 0] - clean[:, 1]).square().mean()
    assert posterior.variance[0, 1, 0, 0].item() == pytest.approx(error.item(), rel=0.02)


def test_standardise_and_restore():
    dynamics = build()
    mean, std = torch.tensor([1.0, 2, 3]).expand(TOKENS, 3), torch.tensor([0.5, 1, 2]).expand(TOKENS, 3)
    dynamics.describe(mean, std, torch.ones(TOKENS, 3))
    assert torch.equal(dynamics.change[0], torch.tensor([4, 1, 0.25]))
    tokens = torch.randn(2, 7, TOKENS, CHANNELS)
    assert torch.allclose(dynamics.restore(dynamics.standardise(tokens)), tokens, atol=1e-6)
    assert torch.equal(dynamics.standardise(torch.tensor([1.5, 2, 5]))[0], torch.tensor([1.0, 0, 1]))


def test_the_step_size_matters(inputs):
    dynamics = build()
    tokens, tau, action = inputs
    fine, coarse = (predict(dynamics, tokens, tau, action, step_size=torch.full_like(tau, d)) for d in (FINEST, 0.5))
    assert not torch.allclose(fine, coarse, atol=1e-4)


def test_agent_tokens_see_the_past_and_no_token_sees_them(inputs):
    dynamics = build()
    tokens, tau, action = inputs
    agent = torch.randn(2, CONFIG.dim)
    prediction, states = dynamics.denoise(tokens, given(tau, action), agent=agent)[:2]
    assert states.shape == (2, FRAMES, 2, CONFIG.dim)
    assert torch.allclose(prediction, predict(dynamics, tokens, tau, action), atol=1e-5)
    other = tokens.clone()
    other[:, 2] += 1
    change = (dynamics.denoise(other, given(tau, action), agent=agent).agent - states).abs().amax((0, 2, 3))
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
