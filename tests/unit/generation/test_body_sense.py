"""The body sense in a dream: where it is seen is found, it is predicted from what is there, and sight follows it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from toy_generation import awake, fine_dynamics

from sensorium.generation.body_sense import BodySense, Expected, to_tokens
from sensorium.generation.conditioning import FINEST, Conditioning
from sensorium.generation.config import LAST_FRAMES, DynamicsConfig, FineConfig
from sensorium.generation.dream import Dreamer, dream
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.dynamics_learner import DynamicsLearner
from sensorium.generation.felt_place import find_place
from sensorium.generation.free_motion import find_motion
from sensorium.generation.train_dynamics import free_motion
from sensorium.randomness import Draw

GRID, CHANNELS, BODY, ROWS = 8, 12, 15, 3  # a body of two tokens
CONFIG = DynamicsConfig(
    dim=16, heads=2, key_heads=1, layers=2, time_every=2, registers=1, window=4, path="fine",
    fine=FineConfig(width=8, blocks=2, pool=2, reach=1, crop=4, body=True),
)  # fmt: skip
SHAPES = {
    "video": GRID**2, "grid": True, "audio": 2, "channels": CHANNELS, "pixels": 2,
    "action": {"kind": "continuous", "size": 2}, "body": BODY,
}  # fmt: skip


def built(config: DynamicsConfig = CONFIG, **changes: object) -> Dynamics:
    torch.manual_seed(0)
    dynamics = Dynamics(config, SHAPES | changes)
    awake(dynamics)
    if dynamics.fine.body is not None:
        where = torch.zeros(2, 2 * CHANNELS)
        where[0, 0] = where[1, 1] = 0.3
        dynamics.fine.body.describe(where, torch.zeros(2))
    return dynamics


def frames(dynamics: Dynamics, count: int = 6, seed: int = 3) -> torch.Tensor:
    shape = ROWS, count, dynamics.tokens, CHANNELS
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def sense(**changes: object) -> BodySense:
    """Its size: 3 numbers in a token of 4, a grid of 8, pictures of 1 channel."""
    torch.manual_seed(1)
    body = awake(BodySense(1, 4, 8, 1, 6, 2))
    where = torch.zeros(2, 4)
    where[0, 0] = where[1, 1] = 0.5
    body.describe(where, torch.tensor([0.1, 0.0]))
    return body


def recordings(rng: np.random.Generator, follows: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Two spots move about; 5 numbers are felt, among them twice the place of the first, or of nothing."""
    made = []
    for _ in range(8):
        walk = np.clip(np.cumsum(rng.normal(0, 0.25, (40, 2, 2)), 0) * 0.5, -0.9, 0.9)
        picture = np.zeros((40, 16, 16))
        for spot in range(2):
            column, row = np.clip(((walk[:, spot] + 1) * 8).astype(int), 0, 15).T
            picture[np.arange(40), row, column] = 1
        place = walk[:, 0] if follows else rng.uniform(-0.9, 0.9, (40, 2))
        felt = np.concatenate([rng.normal(size=(40, 2)), 2 * place + 0.2, rng.normal(size=(40, 1))], 1)
        made.append((np.square(np.diff(picture, axis=0)), felt))
    return made


def test_the_place_of_the_body_is_found_in_what_moves():
    """Beside another thing that moves, and whatever else is felt; numbers that follow nothing get no place."""
    where, offset = find_place(recordings(np.random.default_rng(0), follows=True))
    assert where[:, 2:4] == pytest.approx(np.eye(2) / 2, abs=0.06)
    assert where[:, [0, 1, 4]] == pytest.approx(0, abs=0.05)
    assert offset == pytest.approx(-0.1, abs=0.07)
    nowhere, _ = find_place(recordings(np.random.default_rng(0), follows=False))
    assert np.abs(nowhere[:, 2:4]).max() < 0.2


def test_tokens_hold_all_numbers_and_zeros_after_them():
    tokens = to_tokens(torch.arange(1.0, 16.0).expand(2, 15), CHANNELS)
    assert tokens.shape == (2, 2, CHANNELS)
    assert torch.equal(tokens[1].flatten(), torch.cat([torch.arange(1.0, 16.0), torch.zeros(9)]))


def test_maps_have_a_bump_where_the_body_is_felt():
    body = sense()
    here, there = torch.tensor([[[0.7, -0.5, 9, 0]]]), torch.tensor([[[-0.2, 0.0, -9, 0]]])
    maps = body.maps(here, there)
    assert maps.shape == (1, 2, 8, 8)
    for number, (x, y) in enumerate([(0.45, -0.25), (0.0, 0.0)]):
        centres = (torch.arange(8) + 0.5) / 4 - 1
        weight = maps[0, number] / maps[0, number].sum()
        assert float((weight.sum(0) * centres).sum()) == pytest.approx(x, abs=0.02)
        assert float((weight.sum(1) * centres).sum()) == pytest.approx(y, abs=0.02)


def predicted(
    body: BodySense, tau: float, pictures: torch.Tensor, noised: float = 0.0, sharpness: float = 1.0
) -> tuple[torch.Tensor, Expected]:
    recent = torch.zeros(1, LAST_FRAMES, 1, 4)
    change = torch.full((1, 4), 0.04)
    felt = torch.full((1, 1, 4), noised)
    return body.predict(recent, pictures, torch.ones(1, 8), change, felt, torch.full((1,), tau), sharpness)


def test_what_is_felt_next_depends_on_what_is_seen_there_alone():
    body, pictures = sense(), torch.randn(1, 2, 64, 64)
    body.offset.copy_(torch.tensor([0.6, -0.5]))  # column 51, row 16
    with torch.no_grad():
        plain = predicted(body, 0.0, pictures)[0]
        near, far = pictures.clone(), pictures.clone()
        near[:, :, 14:18, 49:53] += 1
        far[:, :, 30:] += 1
        assert not torch.allclose(predicted(body, 0.0, near)[0], plain, atol=1e-4)
        assert torch.equal(predicted(body, 0.0, far)[0], plain)


def both(chance: float = 0.0, variance: float = 0.25) -> Expected:
    """One number in two rows, usually changing by 1, free at 0.2, otherwise at 1."""
    full = [torch.full((2, 1, 1), value) for value in (0.2, 1.0, variance, chance, 1.0)]
    return Expected(*full)


def density(truth: float, chance: float = 0.5, variance: float = 0.25, tau: float = 0.0) -> list[float]:
    """Of free motion (deviation 0.3) and of a change, times their chances, of z = tau x + (1 - tau) e."""
    found = []
    for share, mean, own in ((1 - chance, 0.2, 0.09), (chance, 1.0, variance)):
        spread = (1 - tau) ** 2 + tau**2 * own if tau else own
        off = truth - (tau * mean if tau else mean)
        found.append(share * math.exp(-(off**2) / (2 * spread)) / math.sqrt(2 * math.pi * spread))
    return found


def test_what_is_felt_moves_freely_or_is_changed():
    """Its mean at sharpness 1, the likelier one at 50; noised numbers are weighed as far as they are clean."""
    noised, none = torch.tensor([0.9, 0.1]).view(2, 1, 1), torch.zeros(2)
    chance = 1 / (1 + math.exp(-0.4))
    assert both(0.4).seen(noised, none, 1.0).flatten().tolist() == pytest.approx([chance + 0.2 * (1 - chance)] * 2)
    assert both(0.4).seen(noised, none, 50.0).flatten().tolist() == pytest.approx([1.0] * 2, abs=1e-4)
    assert both(-0.4).seen(noised, none, 50.0).flatten().tolist() == pytest.approx([0.2] * 2, abs=1e-4)
    for row, z in enumerate((0.9, 0.1)):
        tau, weights = 0.8, density(z, tau=0.8)
        means = []
        for mean, own in ((0.2, 0.09), (1.0, 0.25)):
            means.append(mean + tau * own / ((1 - tau) ** 2 + tau**2 * own) * (z - tau * mean))
        wanted = sum(weight * mean for weight, mean in zip(weights, means, strict=True)) / sum(weights)
        assert float(both().seen(noised, torch.full((2,), tau), 1.0)[row]) == pytest.approx(wanted, abs=1e-5)


def test_surprise_is_that_of_the_mixture():
    sure = 1 / math.sqrt(2 * math.pi * 0.09)
    for truth in (0.2, 0.5, 1.0, 1.3):
        found = both().surprise(torch.full((2, 1, 1), truth))
        assert float(found[0]) == pytest.approx(-math.log(sum(density(truth)) / sure), abs=1e-5)


def test_training_starts_at_free_motion_between_bounds():
    torch.manual_seed(1)
    body, pictures = BodySense(1, 4, 8, 1, 6, 2), torch.randn(1, 2, 64, 64)
    step = torch.zeros(4, 4)
    step[:, 0], step[0, 1], step[1, 2], step[2, 3] = 1, 0.3, 0.9, 0.2
    body.describe_motion(step, torch.tensor([[-1.0] * 4, [0.5] * 4]))
    made, expected = predicted(body, 0.0, pictures, sharpness=50.0)
    assert made.flatten().tolist() == pytest.approx([0.3, 0.5, 0.2, 0.0])
    assert torch.equal(expected.free, expected.changed)
    assert expected.free.flatten().tolist() == pytest.approx([0.3, 0.5, 0.2, 0.0])
    far = body.predict(
        torch.full((1, LAST_FRAMES, 1, 4), -3.0), pictures, torch.ones(1, 8), torch.ones(1, 4), made, torch.zeros(1)
    )[0]
    assert (far == -1).all()


def test_only_actions_that_are_used_move_the_body():
    """As they are, or choices as one of some; none in unlabelled windows, and none where there are no actions."""
    levels, moves = torch.zeros(2, 3), torch.rand(2, 3, 2)
    labelled = torch.tensor([True, False])
    led = Conditioning(levels, levels, moves, labelled).commands(2)
    assert torch.equal(led, moves * torch.tensor([1.0, 0.0])[:, None, None])
    chosen = Conditioning(levels, levels, torch.tensor([[0, 1, 2], [2, 2, 0]])).commands(3)
    assert chosen[0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert Conditioning(levels, levels).commands(2).tolist() == torch.zeros(2, 3, 2).tolist()


def test_free_motion_is_found_where_half_of_the_steps_are_hindered():
    """Half of the steps follow the action between walls; the others are stopped, or pushed along."""
    rng, made = np.random.default_rng(0), []
    for _ in range(12):
        action, felt = rng.uniform(-1, 1, (80, 2)), np.zeros((80, 3))
        for t in range(1, 80):
            share = 1.0 if rng.random() < 0.5 else rng.uniform(-0.5, 0.7)
            place = felt[t - 1, 0] + share * 0.25 * action[t, 0]
            felt[t] = np.clip(place, -0.8, 0.8), rng.normal(), -0.5 * felt[t - 1, 2] + action[t, 1] - 0.1
        made.append((felt.astype(np.float32), action.astype(np.float32)))
    found = find_motion(made)
    assert found.step[0] == pytest.approx([1, 0.25, 0, 0], abs=0.01)
    assert found.step[2] == pytest.approx([-0.5, 0, 1, -0.1], abs=0.01)
    assert (found.low[0], found.high[0]) == pytest.approx((-0.8, 0.8))


def test_the_loss_asks_for_the_truth():
    body, clean, ones = sense(), torch.full((2, 1, 1, 1), 0.2), torch.ones(2, 1)

    def loss(prediction: float, chance: float) -> torch.Tensor:
        expected = both(chance).map(lambda part: part[:, None])
        return body.loss(torch.full_like(clean, prediction), clean, expected, clean, ones)

    assert loss(0.2, 0.0).shape == (2, 1)
    assert (loss(0.2, 0.0) < loss(0.5, 0.0)).all()
    assert (loss(0.2, -3.0) < loss(0.2, 0.0)).all()  # it moves freely
    changed = both(0.0)._replace(changed=torch.full((2, 1, 1), 0.2), variance=torch.full((2, 1, 1), 0.09))
    paid = [
        body.loss(clean, clean, each.map(lambda part: part[:, None]), clean, ones)
        for each in (changed, changed._replace(chance=torch.full((2, 1, 1), 3.0)))
    ]
    assert (paid[0] < paid[1]).all()  # a change that changes nothing costs


def test_a_body_that_is_not_dreamed_changes_nothing():
    """Equal weights, and equal predictions to the bit, whether or not the recordings have a body sense."""
    off = CONFIG.model_copy(update={"fine": CONFIG.fine.model_copy(update={"body": False})})
    plain, other = built(off, body=0), built(off)
    assert list(plain.state_dict()) == list(other.state_dict())
    tokens = frames(plain)
    assert plain.tokens == GRID**2 + 2
    dreams = [dream(each, tokens, torch.ones(ROWS, 8, 2), 2, denoising_steps=2) for each in (plain, other)]
    assert torch.equal(*dreams)


def test_dreams_feel_and_sight_follows():
    """Another felt place at the end of the context: another felt dream, and another picture, about that place."""
    dynamics = built()
    context, moves = frames(dynamics), torch.ones(ROWS, 9, 2)
    other = context.clone()
    other[:, :, -2:] += 0.5
    with torch.no_grad():
        dreams = [dream(dynamics, each, moves, 3, denoising_steps=1) for each in (context, other)]
    assert dreams[0].shape == (ROWS, 3, GRID**2 + 2 + 2, CHANNELS)
    parts = [dynamics.split(each) for each in dreams]
    for stream in ("video", "audio", "body"):
        assert not torch.allclose(parts[0][stream][:, 0], parts[1][stream][:, 0], atol=1e-4)


def test_a_stream_feels_what_its_contexts_do():
    """One frame after the other, as in dreams, and all after contexts that were read at once, as in training."""
    dynamics = built()
    tokens, tau = frames(dynamics), torch.full((ROWS, 6), 0.9)
    noised = frames(dynamics, seed=4)
    given = Conditioning(tau, torch.full_like(tau, FINEST), torch.ones(ROWS, 6, 2))
    later = Conditioning(torch.zeros(ROWS, 5), torch.full((ROWS, 5), FINEST), torch.ones(ROWS, 5, 2))
    with torch.no_grad():
        context = dynamics.read(tokens[:, :-1], Conditioning(tau[:, 1:], given.step_size[:, 1:], given.action[:, 1:]))
        at_once = dynamics.denoise(noised[:, 1:], later, context)
        memory, single = dynamics.remember(), []
        for number in range(5):
            pair = torch.cat([tokens[:, [number]], noised[:, [number + 1]]], 1)
            levels = torch.tensor([0.9, 0.0]).expand(ROWS, 2)
            how = Conditioning(levels, torch.full_like(levels, FINEST), torch.ones(ROWS, 2, 2))
            single.append(dynamics.stream(pair, how, memory, keep=1))
    assert torch.allclose(torch.cat([each.tokens for each in single], 1), at_once.tokens, atol=1e-4)
    assert torch.allclose(torch.cat([each.expected.changed for each in single], 1), at_once.expected.changed, atol=1e-5)


def test_a_dream_feels_nothing_of_the_noise_of_its_picture():
    """A frame's body comes from the frames before it; the noise that its own picture begins with is not seen."""
    dynamics = built()
    tokens, tau = frames(dynamics, 2), torch.tensor([0.9, 0.0]).expand(ROWS, 2)
    other = tokens.clone()
    other[:, 1, : GRID**2] += 1
    given = Conditioning(tau, torch.full_like(tau, FINEST), torch.ones(ROWS, 2, 2))
    with torch.no_grad():
        felt = [dynamics.stream(each, given, dynamics.remember(), keep=1).expected.changed for each in (tokens, other)]
    assert torch.equal(*felt)


def learning(crops: float) -> tuple[DynamicsLearner, dict[str, torch.Tensor], Draw]:
    torch.manual_seed(2)
    learner, batch = fine_dynamics(crops, BODY)
    awake(learner)
    rows = len(batch["latent"])
    return learner, batch, Draw(0, 0, 0, rows, rows, torch.device("cpu"))


@pytest.mark.parametrize("crops", [1.0, 0.0])
def test_what_is_felt_is_learned_from_the_body_alone(crops):
    """In both kinds of steps, and the picture's loss does not pull at what is felt."""
    learner, batch, draw = learning(crops)
    seen = []
    learner.scale.forward = lambda losses: seen.append(losses) or sum(losses.values())
    _, metrics = learner(batch, draw)
    (losses,) = seen
    assert set(metrics) >= {"video", "body"}
    body = learner.dynamics.fine.body
    felt = [body.leave.weight, body.glimpse.weight, body.hidden.weight]
    ways = torch.autograd.grad(losses["video"], [*felt, body.embed.weight], retain_graph=True, allow_unused=True)
    assert all(way is None or not way.any() for way in ways[:3])
    assert ways[3].any()
    assert all(way.any() for way in torch.autograd.grad(losses["body"], felt))


def test_sharp_dreams_feel_with_less_noise():
    dynamics = built()
    dreamer = Dreamer(dynamics, denoising_steps=1, sharpness=4.0)
    noise = frames(dynamics, 1)
    parts, begun = dynamics.split(noise), dynamics.split(dreamer._begun(noise))
    assert torch.equal(begun["body"], parts["body"] / 4)
    assert torch.equal(begun["audio"], parts["audio"])


class FollowedActions:
    """Three recordings of two numbers, whose first one follows the action."""

    def __init__(self, discrete: bool) -> None:
        rng, self.fields = np.random.default_rng(0), {}
        for name in "abc":
            moves = rng.integers(3, size=60) if discrete else rng.uniform(-1, 1, (60, 2)).astype(np.float32)
            steps = np.array([0.3, 0.0, -0.2])[moves] if discrete else 0.4 * moves[:, 1]
            felt = np.stack([5 + np.cumsum(steps), rng.normal(size=60)], 1).astype(np.float32)
            self.fields[name] = {"body": felt, "action": moves}

    def names(self, split: str) -> list[str]:
        return list(self.fields) if split == "training" else []

    def field(self, name: str, field: str) -> np.ndarray:
        return self.fields[name][field]


@pytest.mark.parametrize("discrete", [True, False])
def test_free_motion_is_that_of_standardised_numbers(discrete):
    """As tokens: two numbers in one of four channels; choices are seen one by one."""
    recordings, action = (
        FollowedActions(discrete),
        {"kind": "discrete" if discrete else "continuous", "size": 3 if discrete else 2},
    )
    mean, std = torch.tensor([[4.0, 0.5, 0.0, 0.0]]), torch.tensor([[2.0, 3.0, 0.01, 0.01]])
    body = BodySense(1, 4, 8, 1, 6, action["size"])
    body.describe_motion(*free_motion(recordings, action, mean, std))
    felt = (to_tokens(torch.from_numpy(recordings.field("b", "body")), 4) - mean) / std
    moves = torch.from_numpy(recordings.field("b", "action"))
    given = Conditioning(torch.zeros(1, 60), torch.zeros(1, 60), moves[None]).commands(action["size"])[0]
    free = body.free(felt[:-1], given[1:])
    assert torch.allclose(free[:, 0, 0], felt[1:, 0, 0], atol=0.02)
    assert not free[:, 0, 2:].any()
    far = body.free(felt[:1] + 1e3, given[:1])
    assert far[0, 0, 0] == max(float(recordings.field(name, "body")[:, 0].max()) - 4.0 for name in "abc") / 2
