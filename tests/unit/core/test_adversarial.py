"""Losses of a model and its critic: one backward pass for both players, by hand, in float32; what a critic may be."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from toy_adversarial import DuelConfig, DuelLearner, PointCritic, SoundDuel

from sensorium.config.critic import RivalryConfig, SoundCriticConfig
from sensorium.models.critics import Critic, Opinion, SoundCritic
from sensorium.schedules import ramp
from sensorium.training.adversarial import (
    OBJECTIVES,
    Hearing,
    accuracies,
    critic_gates,
    feature_distance,
    hear,
    model_losses,
    rivalry,
    squared_slope,
)
from sensorium.training.learner import check_rivals


def score(critic: Critic, samples: Tensor) -> Tensor:
    return critic(samples).scores[0]


def two_passes(kind: str, generator: nn.Module, critic: PointCritic, noise: Tensor, real: Tensor) -> list[Tensor]:
    """Gradients of both players by the textbook: a pass for each, the other's gradients thrown away."""
    made, target = generator(noise), score(critic, real)
    fake = score(critic, made)
    model = {
        "least_squares": (fake - 1).square().mean(),
        "hinge": -fake.mean(),
        "relativistic": functional.softplus(target.detach() - fake).mean(),
    }[kind]
    features = critic(made).features[0], critic(real).features[0].detach()
    matching = ((features[0] - features[1]).abs().mean(1) / (features[1].abs().mean(1) + 1e-4)).mean()
    of_generator = torch.autograd.grad(model + 2 * matching, list(generator.parameters()))
    made = generator(noise).detach()
    target, fake = score(critic, real), score(critic, made)
    loss = {
        "least_squares": ((target - 1).square() + fake.square()).mean(),
        "hinge": (functional.relu(1 - target) + functional.relu(1 + fake)).mean(),
        "relativistic": functional.softplus(fake - target).mean(),
    }[kind]
    for samples in (real, made):
        samples = samples.clone().requires_grad_()
        (slope,) = torch.autograd.grad(score(critic, samples).sum(), samples, create_graph=True)
        loss = loss + 0.5 / 2 * 4 * slope.square().sum(1).mean()
    return [*of_generator, *torch.autograd.grad(loss, list(critic.parameters()))]


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_one_backward_pass_gives_both_players_the_gradients_of_two(kind: str) -> None:
    torch.manual_seed(0)
    generator, critic = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2)), PointCritic(16)
    noise, real = torch.randn(8, 2), torch.randn(8, 2) * 2
    config = RivalryConfig(objective=kind, penalty=0.5, penalty_every=4)
    rivalry(critic, real, generator(noise), config, 4)[0].backward()
    found = [parameter.grad for parameter in (*generator.parameters(), *critic.parameters())]
    expected = two_passes(kind, generator, critic, noise, real)
    assert all(gradient.count_nonzero() for gradient in expected[:-1])
    assert max(float((one - other).abs().max()) for one, other in zip(found, expected, strict=True)) < 1e-6


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_neither_player_feels_the_loss_of_the_other(kind: str) -> None:
    """Exactly: bit for bit the gradients of two passes over the same losses."""
    torch.manual_seed(0)
    generator, critic = nn.Linear(2, 2), PointCritic(8)
    noise, real = torch.randn(8, 2), torch.randn(8, 2)
    players = [list(generator.parameters()), list(critic.parameters())]

    def gradients(*names: str) -> list[Tensor]:
        made = generator(noise)
        heard = hear(critic, real, made, kind)
        found = model_losses(critic, made, heard.truth, kind) | {"critic": heard.loss}
        for parameter in (*players[0], *players[1]):
            parameter.grad = None
        torch.stack([found[name].mean() for name in names]).sum().backward()
        return [p.grad if p.grad is not None else torch.zeros_like(p) for player in players for p in player]

    own = "adversarial", "feature_matching"
    both, model, opponent = gradients(*own, "critic"), gradients(*own), gradients("critic")
    assert all(torch.equal(one, other) for one, other in zip(both, [*model[:2], *opponent[2:]], strict=True))
    assert not any(gradient.count_nonzero() for gradient in (*model[2:], *opponent[:2]))
    assert all(gradient.count_nonzero() for gradient in model[:2])


def test_losses_by_hand() -> None:
    real, made = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 0.6])
    expected = {
        "least_squares": ((1 + 1 + 1 + 0.36) / 2, (4 + 0.16) / 2),
        "hinge": ((0 + 1 + 0 + 1.6) / 2, 0.2),
        "relativistic": (
            (math.log1p(math.exp(-3)) + math.log1p(math.exp(0.6))) / 2,
            (math.log1p(math.exp(3)) + math.log1p(math.exp(-0.6))) / 2,
        ),
    }
    for kind, (critic, model) in expected.items():
        losses = OBJECTIVES[kind]
        assert float(losses.critic(real, made).mean()) == pytest.approx(critic)
        assert float(losses.model(made, real).mean()) == pytest.approx(model)
    assert [float(value) for value in accuracies([real], [made], 0.5)] == [0.5, 0.5]
    assert [float(value) for value in accuracies([real], [made], 0.0)] == [0.5, 0.5]
    assert [float(value) for value in accuracies([real], [made], None)] == [0.5, 0.5]
    assert [float(value) for value in accuracies([real + 1], [made - 1], 0.5)] == [1.0, 1.0]
    layer = torch.tensor([[1.0, 3.0], [10.0, 30.0]])
    assert feature_distance([layer + 1], [layer]).tolist() == pytest.approx([1 / 2, 1 / 20], rel=1e-3)


class Plane(Critic):
    """A linear critic: its slope is its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([3.0, -4.0]))

    def forward(self, samples: Tensor) -> Opinion:
        """One score a row."""
        return Opinion((samples @ self.weight[:, None],), ())


@pytest.mark.parametrize("gradients", [True, False])
def test_the_slope_of_a_plane_is_its_weight(gradients: bool) -> None:
    critic = Plane()
    with torch.set_grad_enabled(gradients), torch.autocast("cpu", dtype=torch.bfloat16):  # as at a validation
        slope = squared_slope(critic, torch.randn(5, 2))
    assert slope.dtype == torch.float32
    assert float(slope.detach()) == pytest.approx(25.0)
    slope.backward()
    torch.testing.assert_close(critic.weight.grad, 2 * critic.weight.detach())


def test_the_slope_is_computed_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    critic, sounds = SoundCritic(SoundCriticConfig(channels=4, ffts=(64,))), 0.1 * torch.randn(3, 500)
    exact = squared_slope(critic, sounds)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(squared_slope(critic, sounds), exact)


def test_the_slope_is_taken_in_one_of_some_steps_and_weighs_as_much() -> None:
    torch.manual_seed(0)
    critic, real, made = Plane(), torch.randn(8, 2), torch.randn(8, 2)
    lazy, never = (RivalryConfig(objective="hinge", penalty=weight, penalty_every=4) for weight in (0.1, 0.0))
    added = []
    for number in range(8):
        with_slope, without = (rivalry(critic, real, made, config, number) for config in (lazy, never))
        added.append(float((with_slope[0] - without[0]).detach()))
        assert ("critic_slope" in with_slope[1]) == (number % 4 == 0)
    assert added == pytest.approx([0.1 / 2 * 4 * 50, 0, 0, 0] * 2, rel=1e-5)
    assert "critic_slope" not in rivalry(critic, real, made, lazy, None)[1]


def test_the_model_listens_from_a_step_on_and_more_and_more() -> None:
    assert [ramp(number, 2, 3) for number in range(8)] == [0, 0, 0.25, 0.5, 0.75, 1, 1, 1]
    assert [ramp(number, 0, 0) for number in range(2)] == [1, 1]
    critic, made = PointCritic(4), torch.randn(8, 2, requires_grad=True)
    config, sizes = RivalryConfig(start=2, ramp=1), []
    for number in (1, 2, 3, None):
        loss, _ = rivalry(critic, made.detach() + 1, made, config, number)
        sizes.append(float(torch.autograd.grad(loss, made)[0].norm()))
    assert sizes[0] == 0
    assert sizes[1] == pytest.approx(sizes[2] / 2)
    assert sizes[2] == sizes[3] > 0


@pytest.mark.parametrize(
    ("real", "made", "failed"),
    [(0.5, 0.5, ["critic_accuracy"]), (0.56, 0.56, []), (0.9, 0.98, []), (0.99, 0.97, ["critic_error"])],
)
def test_a_critic_that_sleeps_or_wins_fails_its_gate(real: float, made: float, failed: list[str]) -> None:
    gates = critic_gates(Hearing(torch.zeros(1), torch.tensor(real), torch.tensor(made), Opinion((), ())))
    assert [gate.name for gate in gates if not gate.passed] == failed
    assert all("training.critic.lr" in gate.advice for gate in gates)


def test_a_critic_of_sounds_judges_each_alone_and_hears_phases() -> None:
    torch.manual_seed(0)
    critic, sounds = SoundCritic(SoundCriticConfig(channels=4, ffts=(128, 64))), 0.1 * torch.randn(3, 900)
    opinion, alone = critic(sounds), critic(sounds[1:2])
    assert [len(values) for values in (opinion.scores, opinion.features)] == [2, 10]
    for whole, single in zip((*opinion.scores, *opinion.features), (*alone.scores, *alone.features), strict=True):
        torch.testing.assert_close(whole[1:2], single)
    spectrum = torch.fft.rfft(sounds)
    turned = torch.fft.irfft(spectrum * torch.exp(1j * torch.rand(spectrum.shape[1])), n=900)
    assert (score(critic, turned) - opinion.scores[0]).abs().max() > 1e-4
    slope = squared_slope(critic, sounds)
    slope.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in critic.parameters())
    assert squared_slope(critic, torch.zeros(2, 900)).isfinite()  # silence


def test_a_critic_of_sounds_learns_to_find_noise() -> None:
    torch.manual_seed(0)
    critic, time = SoundCritic(SoundCriticConfig(channels=4, ffts=(128,))), torch.arange(800) / 8000
    optimiser = torch.optim.AdamW(critic.parameters(), lr=3e-3)
    for _ in range(60):
        real = 0.1 * torch.sin(2 * math.pi * (200 + 600 * torch.rand(8, 1)) * time)
        heard = hear(critic, real, real + 0.01 * torch.randn(8, 800), "least_squares")
        optimiser.zero_grad()
        heard.loss.mean().backward()
        optimiser.step()
    assert float(heard.real + heard.made) / 2 > 0.8


@pytest.mark.parametrize("sizes", [(), (100,), (16,), (2**15,)])
def test_spectra_that_cannot_be_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="powers of two"):
        SoundCriticConfig(ffts=sizes)


def test_rivals_that_cannot_be_trained_apart_are_refused() -> None:
    learner = DuelLearner(DuelConfig())
    check_rivals(learner)
    check_rivals(SoundDuel())
    learner.rivals = ("crtic",)
    with pytest.raises(ValueError, match=r"DuelLearner names a rival 'crtic', which has no weights"):
        check_rivals(learner)
    learner.rivals = ("points",)
    with pytest.raises(ValueError, match=r"'points' is part of the exported model"):
        check_rivals(learner)
    for bad in (nn.BatchNorm1d(16), nn.Dropout(0.1)):
        learner = DuelLearner(DuelConfig())
        learner.critic.last = nn.Sequential(bad, nn.Linear(16, 1))
        with pytest.raises(ValueError, match=rf"{type(bad).__name__}; a critic must judge rows one by one"):
            check_rivals(learner)
