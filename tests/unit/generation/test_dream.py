"""Dreams: with the ring they are those of passes over whole windows, however long they last."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from sensorium.generation.conditioning import FINEST, Conditioning
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dream import Dreamer, dream, euler_step
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.memory import Memory
from sensorium.randomness import Draw, stable_seed

TOKENS, CHANNELS, WINDOW = 6, 3, 3
SHAPES = {"video": 4, "grid": True, "audio": 2, "channels": CHANNELS, "action": {"kind": "continuous", "size": 2}}
CONFIG = DynamicsConfig(dim=16, heads=2, layers=4, time_every=2, window=WINDOW)


@pytest.fixture
def dynamics() -> Dynamics:
    torch.manual_seed(0)
    model = Dynamics(CONFIG, SHAPES)
    for layer in (model.read_out, model.paths.filtered.read_scene):
        torch.nn.init.normal_(layer.weight, std=0.1)
    model.describe(torch.full((6, 3), 0.2), torch.full((6, 3), 0.7), torch.full((6, 3), 0.1))
    return model.eval()


def noise(seed: int, purpose: str, frame: int, rows: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(stable_seed(seed, purpose, frame))
    return torch.randn(rows, 1, TOKENS, CHANNELS, generator=generator)


@torch.no_grad()
def without_memory(dynamics: Dynamics, context, actions, horizon: int, steps: int, share: float) -> torch.Tensor:
    """The same dream, every pass over all frames from the first one."""
    clean, scene = dynamics.standardise(context), dynamics.encode_scene(context[:, 0])
    for frame in range(context.shape[1], context.shape[1] + horizon):
        past = [(1 - share) * clean[:, [t]] + share * noise(0, "context", t, len(clean)) for t in range(frame)]
        new = noise(0, "frame", frame, len(clean))
        tau, step_size = (torch.full((len(clean), frame + 1), value) for value in (1 - share, FINEST))
        step_size[:, -1] = 1 / steps
        for step in range(steps):
            tau[:, -1] = step / steps
            frames = torch.cat([*past, new], 1)
            given = Conditioning(tau, step_size, actions[:, : frame + 1], scene=scene)
            new = euler_step(new, dynamics.denoise(frames, given).tokens[:, -1:], step / steps, (step + 1) / steps)
        clean = torch.cat([clean, new], 1)
    return dynamics.restore(clean[:, context.shape[1] :])


@pytest.mark.parametrize("given", [1, 2, 7])
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_the_ring_dreams_what_the_windowed_forward_dreams(dynamics, given, share):
    torch.manual_seed(1)
    context, actions = torch.randn(2, given, TOKENS, CHANNELS), torch.randn(2, given + 40, 2)
    dreamt = dream(dynamics, context, actions, 40, denoising_steps=2, context_noise=share)
    expected = without_memory(dynamics, context, actions, 40, 2, share)
    torch.testing.assert_close(dreamt, expected, atol=1e-5, rtol=1e-5)


def test_keeping_a_frame_first_changes_nothing(dynamics):
    context, actions = torch.randn(2, 3, TOKENS, CHANNELS), torch.randn(2, 13, 2)
    dreamer = Dreamer(dynamics, agent=torch.randn(1, 16))
    dreamer.begin(context, actions[:, :3])
    frames = []
    for move in actions[:, 3:].unbind(1):
        assert dreamer.keep().shape == (2, 1, 16)
        frames.append(dreamer.step(move))
    torch.testing.assert_close(torch.cat(frames, 1), dream(dynamics, context, actions, 10), atol=1e-5, rtol=1e-5)


def test_the_agent_reads_what_it_would_in_a_window(dynamics):
    agent, context, actions = torch.randn(1, 16), torch.randn(2, 9, TOKENS, CHANNELS), torch.randn(2, 9, 2)
    dreamer = Dreamer(dynamics, agent=agent, context_noise=0.0)
    dreamer.begin(context, actions)
    ones = torch.ones(2, 9)
    given = Conditioning(ones, FINEST * ones, actions, scene=dynamics.encode_scene(context[:, 0]))
    states = dynamics.denoise(dynamics.standardise(context), given, agent=agent).agent
    torch.testing.assert_close(dreamer.keep(), states[:, -1], atol=1e-5, rtol=1e-5)


def test_a_frame_takes_as_many_passes_as_steps(dynamics, monkeypatch):
    passes, stream = [], dynamics.stream
    monkeypatch.setattr(dynamics, "stream", lambda *a: passes.append(a[0].shape[1]) or stream(*a))
    dreamer = Dreamer(dynamics, denoising_steps=4)
    dreamer.begin(torch.randn(1, 8, TOKENS, CHANNELS), torch.randn(1, 8, 2))
    assert passes == [7]  # the prompt at once
    dreamer.step(torch.randn(1, 2))
    dreamer.step(torch.randn(1, 2))
    assert passes[1:] == [2, 1, 1, 1, 2, 1, 1, 1]


def test_a_dream_remembers_how_it_began(dynamics):
    """Long after its first frame has left the window, which is three frames wide."""
    context, actions = torch.randn(2, 8, TOKENS, CHANNELS), torch.randn(2, 58, 2)
    blind = dynamics.paths.filtered.read_scene.requires_grad_(False)
    effects = []
    for place in (0, 1):
        changed = context.clone()
        changed[:, place, : SHAPES["video"]] += 1
        late = [dream(dynamics, frames, actions, 50)[:, -10:] for frames in (context, changed)]
        effects.append((late[0] - late[1]).square().mean().sqrt())
    blind.weight.zero_()
    other = context.clone()
    other[:, 0, : SHAPES["video"]] += 1
    forgotten = [dream(dynamics, frames, actions, 50)[:, -10:] for frames in (context, other)]
    assert effects[0] > 1e-2
    assert effects[1] < effects[0] / 10
    assert (forgotten[0] - forgotten[1]).square().mean().sqrt() < effects[0] / 10


def test_memory_does_not_grow(dynamics):
    dreamer = Dreamer(dynamics, denoising_steps=1)
    dreamer.begin(torch.randn(1, 2, TOKENS, CHANNELS), torch.randn(1, 2, 2))

    def held() -> int:
        memory = dreamer._memory
        rings = [tensor for ring in memory.caches.values() for tensor in (ring._keys, ring._values)]
        return sum(tensor.numel() for tensor in (*rings, *memory.carry.filtered.posterior, memory.carry.filtered.stem))

    dreamer.step(torch.randn(1, 2))
    before, places = held(), [ring._keys.data_ptr() for ring in dreamer._memory.caches.values()]
    for _ in range(50):
        dreamer.step(torch.randn(1, 2))
    assert held() == before
    assert [ring._keys.data_ptr() for ring in dreamer._memory.caches.values()] == places


def test_a_dream_is_repeatable(dynamics):
    context, actions = torch.randn(2, 2, TOKENS, CHANNELS), torch.randn(2, 8, 2)
    dreamt = dream(dynamics, context, actions, 6, denoising_steps=2)
    assert dreamt.shape == (2, 6, TOKENS, CHANNELS)
    assert torch.equal(dreamt, dream(dynamics, context, actions, 6, denoising_steps=2))
    assert not torch.equal(dreamt, dream(dynamics, context, actions, 6, denoising_steps=2, seed=1))


def test_an_action_changes_the_dream_from_its_frame_on(dynamics):
    context, actions = torch.randn(2, 2, TOKENS, CHANNELS), torch.randn(2, 5, 2)
    other = actions.clone()
    other[:, 3] += 1  # led to the second dreamed frame
    difference = (dream(dynamics, context, actions, 3) - dream(dynamics, context, other, 3)).abs().amax((0, 2, 3))
    assert difference[0] == 0
    assert difference[1:].gt(1e-6).all()


def test_what_hardly_changes_stays_and_what_moves_is_dreamed(dynamics):
    """The sound, whose tokens are the last two, is never still."""
    context, actions = torch.randn(2, 2, TOKENS, CHANNELS), torch.randn(2, 3, 2)
    given = Dreamer(dynamics)
    given.begin(context, actions[:, :2])
    last, free = context[:, -1:], given.step(actions[:, 2])
    size = ((free - last) / 0.7).square().div(dynamics.change).mean(-1).sqrt()[:, 0]  # 0.7: std of the tokens
    middle = float(size[:, :4].flatten().sort().values[3:5].mean())
    for stillness, still in ((0.0, 0), (middle, 4), (1e6, 8)):
        dreamer = Dreamer(dynamics, stillness=stillness)
        dreamer.begin(context, actions[:, :2])
        dreamed = dreamer.step(actions[:, 2])
        stays = size < stillness
        stays[:, 4:] = False
        torch.testing.assert_close(dreamed[:, 0], torch.where(stays[..., None], last[:, 0], free[:, 0]))
        assert int(stays.sum()) == still


def test_without_actions(dynamics):
    assert dream(dynamics, torch.randn(1, 2, TOKENS, CHANNELS), None, 3).shape == (1, 3, TOKENS, CHANNELS)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"denoising_steps": 3}, "power of two"), ({"context_noise": 1.0}, "1.0"), ({"stillness": -0.5}, "-0.5")],
)
def test_bad_arguments(dynamics, wrong, named):
    with pytest.raises(ValueError, match=named):
        Dreamer(dynamics, **wrong)


def test_the_order_of_calls(dynamics):
    dreamer = Dreamer(dynamics)
    with pytest.raises(ValueError, match="begin"):
        dreamer.step(None)
    dreamer.begin(torch.randn(1, 2, TOKENS, CHANNELS), None)
    dreamer.keep()
    with pytest.raises(ValueError, match="kept already"):
        dreamer.keep()


def test_a_dream_is_the_same_whether_it_begins_in_one_pass_or_in_several(monkeypatch) -> None:
    config = DynamicsConfig(dim=32, heads=2, key_heads=1, layers=2, time_every=2, registers=1, window=6)
    shapes = {"video": 4, "grid": True, "audio": 2, "channels": 3, "action": {"kind": "continuous", "size": 2}}
    dynamics = Dynamics(config, shapes).eval()
    torch.nn.init.normal_(dynamics.read_out.weight, std=0.1)
    torch.nn.init.normal_(dynamics.paths.filtered.read_scene.weight, std=0.1)
    context, actions, stream = torch.randn(7, 5, 6, 3), torch.rand(7, 8, 2), dynamics.stream
    sizes: list[int] = []

    def dreamed() -> torch.Tensor:
        dreamer = Dreamer(dynamics, seed=3)
        dreamer.begin(context, actions[:, :5])
        return torch.cat([dreamer.step(actions[:, frame]) for frame in range(5, 8)], dim=1)

    def small(frames: torch.Tensor, *args: object) -> object:
        if frames.shape[1] > 2:
            sizes.append(len(frames))
            if len(frames) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
        return stream(frames, *args)

    whole, joined, left = dreamed(), Memory.joined, []

    def watched(parts: Sequence[Memory]) -> Memory:
        memory = joined(parts)
        left.append(sum(len(part.caches) for part in parts))
        return memory

    monkeypatch.setattr(dynamics, "stream", small)
    monkeypatch.setattr(Memory, "joined", watched)
    torch.testing.assert_close(dreamed(), whole, atol=1e-5, rtol=1e-5)
    assert sizes == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    assert left == [0]  # no ring is in memory twice once they are joined
    training = Dreamer(dynamics, seed=Draw(0, 0, 0, 7, 7, torch.device("cpu")))
    with pytest.raises(torch.OutOfMemoryError):  # the trainer cuts the micro-batch
        training.begin(context, actions[:, :5])
