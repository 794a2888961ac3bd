"""Codes of numbers, returns and the policy's loss, each against what is known exactly."""

from __future__ import annotations

import pytest
import torch

from sensorium.agent.reinforcement import lambda_returns, preference_loss
from sensorium.agent.scalars import BINS, code_loss, expected_value, symexp, symexp_bins, symlog, two_hot


def test_symlog_and_symexp_undo_each_other():
    numbers = torch.tensor([-1e6, -3.0, -1e-3, 0.0, 0.5, 7.0, 1e8], dtype=torch.float64)
    assert torch.allclose(symexp(symlog(numbers)), numbers, rtol=1e-9)
    assert symlog(torch.tensor(torch.e - 1)).item() == pytest.approx(1)


def test_bins_are_symmetric_about_zero():
    bins = symexp_bins()
    assert len(bins) == BINS
    assert torch.equal(bins, -bins.flip(0))
    assert bins[BINS // 2] == 0
    assert (bins.diff() > 0).all()


def test_a_code_has_two_neighbours_and_gives_the_number_back():
    bins = symexp_bins()
    numbers = torch.cat([torch.linspace(-2, 2, 401), torch.tensor([-5e3, 1e6, 4e8]), bins[::10]])
    codes = two_hot(numbers, bins)
    assert torch.allclose(codes.sum(-1), torch.ones(len(numbers)))
    assert ((codes > 0).sum(-1) <= 2).all()
    assert torch.allclose((codes.double() * bins.double()).sum(-1), numbers.double(), rtol=1e-5, atol=1e-6)
    places = codes.argmax(-1)
    assert ((codes > 0).nonzero()[:, 1] - places[(codes > 0).nonzero()[:, 0]]).abs().max() == 1
    assert two_hot(torch.tensor([1e30]), bins)[0, -1] == 1  # what lies beyond counts as the outermost


def test_the_mean_of_codes_is_the_code_of_the_mean():
    """A reward of 1 in three frames of ten is predicted as 0.3, not as the mean of its symlog."""
    bins, rewards = symexp_bins(), torch.tensor([1.0] * 3 + [0.0] * 7)
    learned = two_hot(rewards, bins).mean(0)  # what minimises the cross-entropy
    assert expected_value(learned.clamp_min(1e-30).log(), bins).item() == pytest.approx(0.3, abs=1e-6)


def test_even_chances_mean_exactly_zero():
    assert expected_value(torch.zeros(4, BINS), symexp_bins()).tolist() == [0.0] * 4


def test_the_code_loss_is_lowest_at_the_number():
    bins = symexp_bins()
    logits = torch.zeros(BINS, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.3)
    for _ in range(300):
        optimiser.zero_grad()
        code_loss(logits, torch.tensor(2.7), bins).backward()
        optimiser.step()
    assert expected_value(logits.detach(), bins).item() == pytest.approx(2.7, rel=0.01)


@pytest.mark.parametrize("mixing", [0.0, 0.6, 1.0])
def test_lambda_returns_are_the_mixture_of_all_horizons(mixing: float):
    """Against the definition: n-step returns, weighted (1 - lambda) lambda^(n - 1), the longest with the rest."""
    torch.manual_seed(0)
    rewards, values = torch.randn(3, 6, dtype=torch.float64), torch.randn(3, 7, dtype=torch.float64)
    goes_on, discount = torch.rand(3, 6, dtype=torch.float64), 0.9

    def steps(start: int, count: int) -> torch.Tensor:
        total, weight = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
        for step in range(start, start + count):
            total = total + weight * rewards[:, step]
            weight = weight * discount * goes_on[:, step]
        return total + weight * values[:, start + count]

    returns = lambda_returns(rewards, values, goes_on, discount, mixing)
    for start in range(6):
        longest = 6 - start
        expected = mixing ** (longest - 1) * steps(start, longest)
        for count in range(1, longest):
            expected = expected + (1 - mixing) * mixing ** (count - 1) * steps(start, count)
        assert torch.allclose(returns[:, start], expected)


def test_an_end_hides_what_comes_after():
    rewards, values = torch.tensor([[1.0, 5.0]]), torch.tensor([[9.0, 9.0, 9.0]])
    returns = lambda_returns(rewards, values, torch.tensor([[0.0, 1.0]]), 0.9, 0.95)
    assert returns[0, 0] == 1


def bandit() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits of a four-armed bandit, pulls, their advantages, a prior."""
    logits = torch.tensor([0.3, -0.5, 1.1, 0.0], dtype=torch.float64, requires_grad=True)
    pulls = torch.tensor([0, 0, 1, 2, 2, 2, 3])
    advantage = torch.tensor([2.0, -1.0, -0.1, 0.0, 40.0, -3.0, 1e-6], dtype=torch.float64)
    return logits, pulls, advantage, torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)


def test_the_gradient_on_a_bandit_is_the_closed_form():
    """d ln pi(a) / d logits = onehot(a) - pi, and d KL[pi || p] / d logits_k = pi_k (ln pi_k / p_k - KL)."""
    logits, pulls, advantage, prior = bandit()
    chances = logits.log_softmax(-1)
    divergence = (chances.exp() * (chances - prior.log())).sum().expand(len(pulls))
    preference_loss(chances[pulls], advantage, divergence, balance=0.6, prior_weight=0.3).backward()
    pi = chances.detach().exp()
    good, bad = (
        torch.nn.functional.one_hot(pulls[which], 4).double().mean(0) for which in (advantage >= 0, advantage < 0)
    )
    distance = (pi * (pi / prior).log()).sum()
    expected = 0.4 * (bad - pi) - 0.6 * (good - pi) + 0.3 * pi * ((pi / prior).log() - distance)
    assert torch.allclose(logits.grad, expected)


def test_only_the_sign_of_an_advantage_matters():
    logits, pulls, advantage, _ = bandit()
    chances, still = logits.log_softmax(-1)[pulls], torch.zeros(7, dtype=torch.float64)
    losses = [preference_loss(chances, other, still, 0.5, 0.3) for other in (advantage, 1000 * advantage)]
    assert losses[0] == losses[1]
    assert losses[0] != preference_loss(chances, -advantage, still, 0.5, 0.3)


def test_an_empty_set_adds_nothing():
    chances, still = torch.tensor([-1.0, -2.0]), torch.zeros(2)
    assert preference_loss(chances, torch.tensor([1.0, 2.0]), still, 0.5, 0.0).item() == pytest.approx(0.75)
    assert preference_loss(chances, torch.tensor([-1.0, -2.0]), still, 0.5, 0.0).item() == pytest.approx(-0.75)
