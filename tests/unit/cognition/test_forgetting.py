"""Consolidation: a Fisher information that is really one, and a study that notices when it is not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sensorium.cognition.consolidation import Consolidation, DeadFisherError, fisher


def test_the_fisher_information_of_a_logistic_unit_is_that_of_the_books():
    """One weight w, two classes with logits (w x, 0): F = mean of p (1 - p) x^2."""
    network = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[0.7], [0.0]]))
    x = torch.randn(20000, 1, generator=torch.Generator().manual_seed(0))
    found = fisher(network, x, torch.Generator().manual_seed(1))["weight"][0, 0]
    p = torch.sigmoid(0.7 * x)
    torch.testing.assert_close(found, (p * (1 - p) * x**2).mean(), rtol=0.03, atol=0)


def test_a_certain_network_has_no_fisher_information_and_is_refused():
    network = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1e4], [-1e4]]))
    with pytest.raises(DeadFisherError, match="protects nothing"):
        fisher(network, torch.ones(8, 1), torch.Generator().manual_seed(0))


def test_the_penalty_is_zero_at_the_anchor_and_grows_by_importance():
    network, memory = nn.Linear(2, 1, bias=False), Consolidation()
    assert memory.penalty(network) == 0
    memory.remember(network, {"weight": torch.tensor([[4.0, 0.0]])})
    assert memory.penalty(network) == 0
    with torch.no_grad():
        network.weight += torch.tensor([[3.0, 5.0]])
    torch.testing.assert_close(memory.penalty(network), torch.tensor(18.0))
