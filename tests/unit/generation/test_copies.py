"""Mixtures of copies: means, likelihoods and their gradients against closed forms."""

from __future__ import annotations

import torch

from sensorium.generation.copies import Sources, mean_copy, surprise, surrounded

SIZE, REACH, SPREAD = 5, 1, 0.3


def sources(dtype: torch.dtype = torch.float64) -> Sources:
    picture, other = torch.rand(2, 2, 3, SIZE, SIZE, dtype=dtype)
    return Sources(surrounded(picture, REACH), [other], REACH)


def beside(mixed: Sources) -> torch.Tensor:
    return torch.stack(list(mixed), dim=1)  # [B, K, c, H, W]


def test_sources_are_shifts_in_order_and_the_others():
    torch.manual_seed(0)
    mixed = sources()
    shown, picture = list(mixed), mixed.padded[:, :, REACH:-REACH, REACH:-REACH]
    assert len(shown) == len(mixed) == 10
    assert torch.equal(shown[mixed.still], picture)
    assert torch.equal(shown[mixed.still + 1][..., :-1], picture[..., 1:])  # shows what is one pixel to the right
    assert torch.equal(shown[mixed.still + 3][..., :-1, :], picture[..., 1:, :])  # one pixel below
    assert torch.equal(shown[-1], mixed.others[0])


def test_the_mean_is_the_weighted_sum():
    torch.manual_seed(0)
    mixed = sources()
    weights = torch.rand(2, 10, SIZE, SIZE, dtype=torch.float64).softmax(1)
    torch.testing.assert_close(mean_copy(weights, mixed), (weights[:, :, None] * beside(mixed)).sum(1))


def test_the_surprise_is_that_of_the_mixture():
    torch.manual_seed(0)
    mixed, logits = sources(), torch.randn(2, 10, SIZE, SIZE, dtype=torch.float64)
    correction, truth = torch.randn(2, 2, 3, SIZE, SIZE, dtype=torch.float64) * 0.1
    distance = (truth[:, None] - beside(mixed) - correction[:, None]).square().sum(2)
    expected = -torch.logsumexp(logits.log_softmax(1) - distance / (2 * SPREAD**2), dim=1)
    torch.testing.assert_close(surprise(logits, correction, truth, mixed, SPREAD), expected)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    mixed, logits = sources(), torch.randn(2, 10, SIZE, SIZE, dtype=torch.float64, requires_grad=True)
    correction, truth = torch.randn(2, 2, 3, SIZE, SIZE, dtype=torch.float64) * 0.1
    correction.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: mean_copy(x.softmax(1), mixed), logits)
    assert torch.autograd.gradcheck(lambda x, e: surprise(x, e, truth, mixed, SPREAD), (logits, correction))


def test_impossible_sources_give_no_gradient_and_no_nan():
    """Logits and errors so far apart that exponentials underflow."""
    mixed, logits = sources(torch.float32), torch.zeros(2, 10, SIZE, SIZE)
    logits[:, 1:] = -300
    logits.requires_grad_()
    nats = surprise(logits, torch.zeros(2, 3, SIZE, SIZE), next(iter(mixed)) + 0.0, mixed, 0.01)
    nats.sum().backward()
    assert nats.abs().max() < 1e-3
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().max() < 1e-3
