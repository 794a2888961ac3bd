"""The physics prior: it knows the playroom's laws, its trust keeps its bounds, and exceptions leave the rule alone."""

from __future__ import annotations

import pytest
import torch

from sensorium.cognition.physics import TrustedPrior


def test_trust_starts_at_nine_tenths_and_keeps_its_bounds(monkeypatch):
    prior, contexts = TrustedPrior(5, 3, 8, seed=0), torch.eye(3)
    torch.testing.assert_close(prior.trust(contexts), torch.full((3, 1), 0.9))
    with torch.no_grad():
        prior.trust.theta.copy_(torch.tensor([-50.0, 0.0, 50.0]))
    torch.testing.assert_close(prior.trust(contexts)[:, 0], torch.tensor([0.3, 0.9, 1.0]))
    monkeypatch.setattr(torch, "sigmoid", lambda x: x)  # mutation: without the clamp the bounds are gone
    assert prior.trust(contexts).min() < 0.3
    assert prior.trust(contexts).max() > 1.0


def test_the_share_that_holds_is_identified():
    """The law holds by half, exactly: any trust explains it with some correction, the penalty leaves one."""
    generator = torch.Generator().manual_seed(0)
    law, state = torch.randn(200, 2, generator=generator), torch.randn(200, 5, generator=generator)
    found = {}
    for penalty in (0.0, 0.1):
        prior, context = TrustedPrior(7, 1, 8, seed=0), torch.ones(200, 1)
        optimiser = torch.optim.Adam(prior.parameters(), lr=0.03)
        for _ in range(500):
            moved, share = prior(torch.zeros_like(law), law, torch.cat([state, law], dim=1), context)
            loss = (moved - 0.5 * law).square().mean() + penalty * share.square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        found[penalty] = prior.trust(torch.ones(1, 1)).item()
    assert found[0.1] == pytest.approx(0.5, abs=0.05)
    assert abs(found[0.0] - 0.5) > 0.1  # mutation: without the penalty the trust stands where training left it
