"""The equations of shortcut forcing, against Gaussian data where everything is known in closed form."""

from __future__ import annotations

import pytest
import torch

from sensorium.generation.dream import euler_step
from sensorium.generation.shortcut_forcing import (
    Levels,
    bootstrap_target,
    context_signal,
    corrupt,
    ramp_weight,
    signal_levels,
)
from sensorium.randomness import Draw

MEAN, STD = 0.7, 0.5  # of the Gaussian data


def draw(rows: int, step: int = 0) -> Draw:
    return Draw(0, step, 0, rows, rows, torch.device("cpu"))


def posterior_mean(noised: torch.Tensor, tau: float | torch.Tensor) -> torch.Tensor:
    """E[z1 | z~] for z1 ~ N(MEAN, STD^2) and z~ = (1 - tau) z0 + tau z1."""
    gain = tau * STD**2 / ((1 - tau) ** 2 + (tau * STD) ** 2)
    return MEAN + gain * (noised - tau * MEAN)


def test_corrupt_at_its_ends():
    clean, noise = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    assert torch.equal(corrupt(clean, noise, torch.ones(2, 3)), clean)
    assert torch.equal(corrupt(clean, noise, torch.zeros(2, 3)), noise)
    tau = torch.tensor([[0.0, 0.5, 1.0]]).expand(2, 3)
    mixed = corrupt(clean, noise, tau)
    assert torch.allclose(mixed[:, 1], (clean[:, 1] + noise[:, 1]) / 2)
    assert torch.equal(mixed[:, 2], clean[:, 2])


def test_ramp_weight():
    assert torch.allclose(ramp_weight(torch.tensor([0.0, 0.5, 1.0])), torch.tensor([0.1, 0.55, 1.0]))


@pytest.mark.parametrize("tau", [0.0, 0.25, 0.6, 0.9])
def test_the_posterior_mean_minimises_the_x_prediction_loss(tau):
    """Fit x = a z~ + b by least squares, which is what the loss asks of an unbounded network."""
    torch.manual_seed(0)
    clean = (MEAN + STD * torch.randn(200_000)).double()
    noised = corrupt(clean.view(-1, 1, 1, 1), torch.randn(200_000, 1, 1, 1).double(), torch.full((200_000, 1), tau))
    inputs = torch.stack([noised.flatten(), torch.ones_like(clean)], 1)
    fitted = inputs @ torch.linalg.lstsq(inputs, clean).solution
    assert (fitted - posterior_mean(noised.flatten(), tau)).abs().mean() < 5e-3


def test_euler_reaches_the_exact_flow():
    """With the exact posterior mean the flow maps N(0, 1) to the data: z0 -> MEAN + STD z0."""
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)
    exact, errors = MEAN + STD * noise, []
    for steps in (4, 32, 256):
        z = noise
        for step in range(steps):
            z = euler_step(z, posterior_mean(z, step / steps), step / steps, (step + 1) / steps)
        errors.append((z - exact).abs().max().item())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01


@pytest.mark.parametrize(("tau", "target"), [(0.0, 0.25), (0.25, 0.5), (0.5, 1.0)])
def test_a_step_keeps_the_trajectory(tau, target):
    """Given the truth, the step lands on the same straight line, with the noise that the sample implies."""
    clean, noise = torch.randn(1, 1, 4, 5), torch.randn(1, 1, 4, 5)
    z = corrupt(clean, noise, torch.full((1, 1), tau))
    expected = corrupt(clean, noise, torch.full((1, 1), target))
    assert torch.allclose(euler_step(z, clean, tau, target), expected, atol=1e-6)


@pytest.mark.parametrize(("tau", "target"), [(1.0, 1.0), (0.5, 0.5), (0.5, 0.2), (-0.1, 0.5)])
def test_steps_that_are_none(tau, target):
    with pytest.raises(ValueError, match="tau"):
        euler_step(torch.zeros(1), torch.zeros(1), tau, target)


def flow(z: torch.Tensor, tau: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The exact flow of Gaussian data from level tau to a higher one: quantiles are kept."""

    def std(level: torch.Tensor) -> torch.Tensor:
        return ((1 - level) ** 2 + (level * STD) ** 2).sqrt()

    return target * MEAN + (z - tau * MEAN) * std(target) / std(tau)


def shortcut(z: torch.Tensor, tau: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """x-prediction of the best shortcut model of Gaussian data: its one step of size d lands on the exact flow."""
    tau, size = tau[..., None, None].double(), size[..., None, None].double()
    return z + (1 - tau) * (flow(z, tau, tau + size) - z) / size


def levels(rows: int) -> Levels:
    return signal_levels(draw(rows), 4, torch.ones(rows, dtype=torch.bool))


def test_at_the_optimum_one_step_equals_two_of_half_the_size():
    torch.manual_seed(0)
    wanted, noised = levels(500), torch.randn(500, 4, 2, 3).double()
    target = bootstrap_target(shortcut, noised, wanted)
    exact = shortcut(noised, wanted.tau, wanted.step_size)
    assert wanted.bootstrapped.all()
    assert torch.allclose(target, exact, atol=1e-9)


def test_the_target_is_that_of_the_loss_in_velocities():
    """|x - target|^2 is the paper's (1 - tau)^2 |(x - z~) / (1 - tau) - (b' + b'') / 2|^2, for any model."""
    torch.manual_seed(0)
    wanted, noised, student = levels(200), torch.randn(200, 4, 2, 3), torch.randn(200, 4, 2, 3)

    def model(z: torch.Tensor, tau: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
        return torch.sin(3 * z) + (tau * size.sqrt())[..., None, None]

    tau, half = wanted.tau[..., None, None], wanted.step_size[..., None, None] / 2
    first = (model(noised, wanted.tau, wanted.step_size / 2) - noised) / (1 - tau)
    between = noised + first * half
    second = (model(between, wanted.tau + wanted.step_size / 2, wanted.step_size / 2) - between) / (1 - tau - half)
    in_velocities = (1 - tau).square() * ((student - noised) / (1 - tau) - (first + second) / 2).square()
    in_data = (student - bootstrap_target(model, noised, wanted)).square()
    assert torch.allclose(in_data, in_velocities, rtol=1e-3, atol=1e-4)


def test_a_wrong_teacher_is_not_self_consistent():
    """The negative control: the posterior mean is no shortcut model, so long steps of it miss."""
    wanted, noised = levels(100), torch.randn(100, 4, 2, 3).double()

    def mean(z: torch.Tensor, tau: torch.Tensor, _size: torch.Tensor) -> torch.Tensor:
        return posterior_mean(z, tau[..., None, None].double())

    target = bootstrap_target(mean, noised, wanted)
    assert (target - mean(noised, wanted.tau, wanted.step_size)).abs().max() > 0.05


def test_signal_levels():
    nobody = torch.zeros(4000, dtype=torch.bool)
    found = signal_levels(draw(4000), 6, nobody)
    assert found.tau.shape == (4000, 6)
    assert 0.68 < (found.tau == 0).float().mean() < 0.74  # dreams start from pure noise, so it is trained on most
    assert found.tau.min() >= 0
    assert 0.97 < found.tau.max() < 1
    assert abs(torch.corrcoef(found.tau[:, :2].T)[0, 1]) < 0.06  # frames are independent
    assert not found.bootstrapped.any()
    part = signal_levels(draw(4000).rows(1000, 1010), 6, nobody[:10])
    assert torch.equal(found.tau[1000:1010], part.tau)


def test_context_frames_are_nearly_clean():
    signal = context_signal(draw(4000), 6)
    assert signal.min() >= 0.8
    assert signal.max() <= 1
    assert 0.89 < signal.mean() < 0.91
    assert abs(torch.corrcoef(signal[:, :2].T)[0, 1]) < 0.06
    assert torch.equal(signal[1000:1010], context_signal(draw(4000).rows(1000, 1010), 6))


def test_levels_of_the_bootstrap_lie_on_their_grids():
    found = signal_levels(draw(4000), 6, torch.ones(4000, dtype=torch.bool))
    assert found.bootstrapped.all()
    sizes, counts = found.step_size.unique(return_counts=True)
    assert sizes.tolist() == [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]
    assert counts.min() > 0.8 * counts.max()  # uniform in log d
    steps = found.tau / found.step_size
    assert torch.equal(steps, steps.round())
    assert (found.tau + found.step_size).max() <= 1
