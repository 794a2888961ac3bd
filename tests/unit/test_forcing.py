"""The equations of diffusion forcing, against Gaussian data where everything is known in closed form."""

from __future__ import annotations

import pytest
import torch

from sensorium.config import DynamicsConfig, VideoTokenizerConfig
from sensorium.models.dream import dream, euler_step
from sensorium.models.dynamics import Dynamics
from sensorium.models.tokenizers import VideoTokenizer
from sensorium.objectives.forcing import DynamicsLearner, corrupt, ramp, signal_levels
from sensorium.randomness import Draw

MEAN, DEVIATION = 0.7, 0.5  # of the Gaussian data


def draw(rows: int, step: int = 0) -> Draw:
    return Draw(0, step, 0, rows, rows, torch.device("cpu"))


def posterior_mean(noised: torch.Tensor, tau: float | torch.Tensor) -> torch.Tensor:
    """E[z1 | z~] for z1 ~ N(MEAN, DEVIATION^2) and z~ = (1 - tau) z0 + tau z1."""
    gain = tau * DEVIATION**2 / ((1 - tau) ** 2 + (tau * DEVIATION) ** 2)
    return MEAN + gain * (noised - tau * MEAN)


def test_corrupt_at_its_ends():
    clean, noise = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    assert torch.equal(corrupt(clean, noise, torch.ones(2, 3)), clean)
    assert torch.equal(corrupt(clean, noise, torch.zeros(2, 3)), noise)
    tau = torch.tensor([[0.0, 0.5, 1.0]]).expand(2, 3)
    mixed = corrupt(clean, noise, tau)
    assert torch.allclose(mixed[:, 1], (clean[:, 1] + noise[:, 1]) / 2)
    assert torch.equal(mixed[:, 2], clean[:, 2])


def test_ramp():
    assert torch.allclose(ramp(torch.tensor([0.0, 0.5, 1.0])), torch.tensor([0.1, 0.55, 1.0]))


@pytest.mark.parametrize("tau", [0.0, 0.25, 0.6, 0.9])
def test_the_posterior_mean_minimises_the_x_prediction_loss(tau):
    """Fit x = a z~ + b by least squares, which is what the loss asks of an unbounded network."""
    torch.manual_seed(0)
    clean = (MEAN + DEVIATION * torch.randn(200_000)).double()
    noised = corrupt(clean.view(-1, 1, 1, 1), torch.randn(200_000, 1, 1, 1).double(), torch.full((200_000, 1), tau))
    inputs = torch.stack([noised.flatten(), torch.ones_like(clean)], 1)
    fitted = inputs @ torch.linalg.lstsq(inputs, clean).solution
    assert (fitted - posterior_mean(noised.flatten(), tau)).abs().mean() < 5e-3


def test_euler_reaches_the_exact_flow():
    """With the exact posterior mean the flow maps N(0, 1) to the data: z0 -> MEAN + DEVIATION z0."""
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)
    exact, errors = MEAN + DEVIATION * noise, []
    for steps in (4, 32, 256):
        z = noise
        for step in range(steps):
            z = euler_step(z, posterior_mean(z, step / steps), step / steps, (step + 1) / steps)
        errors.append((z - exact).abs().max().item())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01


@pytest.mark.parametrize(("tau", "target"), [(0.0, 0.25), (0.25, 0.5), (0.5, 1.0)])
def test_a_step_keeps_the_trajectory(tau, target):
    """Told the truth, the step lands on the same straight line, with the noise that the sample implies."""
    clean, noise = torch.randn(1, 1, 4, 5), torch.randn(1, 1, 4, 5)
    z = corrupt(clean, noise, torch.full((1, 1), tau))
    expected = corrupt(clean, noise, torch.full((1, 1), target))
    assert torch.allclose(euler_step(z, clean, tau, target), expected, atol=1e-6)


@pytest.mark.parametrize(("tau", "target"), [(1.0, 1.0), (0.5, 0.5), (0.5, 0.2), (-0.1, 0.5)])
def test_steps_that_are_none(tau, target):
    with pytest.raises(ValueError, match="tau"):
        euler_step(torch.zeros(1), torch.zeros(1), tau, target)


def test_signal_levels():
    tau, predicted = signal_levels(draw(4000), 6)
    assert (tau[~predicted] >= 0.8).all()
    assert 0.45 < predicted.float().mean() < 0.55
    assert tau.shape == (4000, 6)
    assert tau.min() >= 0
    assert tau.max() <= 1
    assert 0.3 < (tau == 0).float().mean() < 0.4  # dreams start from pure noise, so it is trained on
    assert 0.5 < (tau > 0.8).float().mean() < 0.6  # and from a context that is nearly clean
    assert abs(torch.corrcoef(tau[:, :2].T)[0, 1]) < 0.06  # frames are independent
    assert torch.equal(tau[1000:1010], signal_levels(draw(4000).rows(1000, 1010), 6)[0])


def learner(unlabelled: float = 0.0) -> DynamicsLearner:
    torch.manual_seed(0)
    config = DynamicsConfig(dim=16, heads=2, layers=2, time_every=2, registers=1, frames=4)
    tokenizer = VideoTokenizer(VideoTokenizerConfig(width=4, channels=3), {"size": 16})
    shapes = {"tokens": 4, "channels": 3, "action": {"kind": "continuous", "size": 2}}
    return DynamicsLearner(Dynamics(config, shapes), unlabelled, tokenizer)


def moving(rows: int, step: int = 0) -> dict[str, torch.Tensor]:
    """Tokens that move by their actions, so the actions are all there is to know."""
    generator = torch.Generator().manual_seed(step)
    action = torch.randn(rows, 4, 2, generator=generator)
    start = torch.randn(rows, 1, 4, 3, generator=generator)
    latent = start + torch.cat([action, -action[..., :1]], -1).cumsum(1)[:, :, None]
    return {"latent": (0.3 * latent).half(), "action": action}


def test_loss_does_not_depend_on_the_micro_batch():
    model, batch = learner(0.3), moving(8)
    torch.nn.init.normal_(model.model.read_out.weight)
    whole = model(batch, draw(8))[0]
    parts = [
        model({name: value[start : start + 2] for name, value in batch.items()}, draw(8).rows(start, start + 2))[0]
        for start in range(0, 8, 2)
    ]
    assert torch.allclose(whole, torch.stack(parts).mean(), atol=1e-6)


def test_unlabelled_windows_do_not_see_their_actions():
    batch = moving(64)
    other = batch | {"action": torch.randn(64, 4, 2)}
    for unlabelled, differs in ((0.999999, False), (0.0, True)):
        model = learner(unlabelled)
        torch.nn.init.normal_(model.model.read_out.weight)
        assert (model(batch, draw(64))[0] != model(other, draw(64))[0]) == differs


def test_the_tokenizer_is_neither_trained_nor_saved():
    model = learner()
    assert all(name.startswith("dynamics.") for name in model.state_dict())
    assert all(name.startswith("dynamics.") for name, _ in model.named_parameters())


def test_it_learns_what_actions_do_and_only_then_passes_its_gates():
    model = learner()
    model.model.describe(torch.zeros(3), torch.full((3,), 0.6), torch.full((3,), 0.09))
    test = moving(64, 1_000_000)
    assert not all(gate.passed for gate in model.eval().gates(test))
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(400):
        loss = model(moving(64, step), draw(64, step))[0]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert [gate.name for gate in model.gates(test) if not gate.passed] == []
    latent, action = test["latent"].float(), test["action"]
    true, shuffled = (dream(model.model, latent[:, :2], moves, 2) for moves in (action, action.roll(1, 0)))
    errors = [
        (dreamt - latent[:, 2:]).square().mean() for dreamt in (true, shuffled, latent[:, 1:2].expand(-1, 2, -1, -1))
    ]
    assert errors[0] < 0.5 * errors[1]
    assert errors[0] < 0.5 * errors[2]
    assert model.show(test)["dream"].pixels.shape == (3, 2 * 4 * 16, 4 * 16)
