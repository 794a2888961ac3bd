"""The physics prior: it knows the playroom's laws, its trust keeps its bounds, and exceptions leave the rule alone."""

from __future__ import annotations

import pytest
import torch

from sensorium.config import PhysicsPriorConfig
from sensorium.models.physics import TrustedPrior
from sensorium.studies import physics_prior
from sensorium.studies.physics_prior import TRUE_ROOM, WRONG_ROOM, Learner, alone, throw

CONFIG = PhysicsPriorConfig(seeds=2, scenes=60, steps=200, samples=(30, 200))


@pytest.fixture(scope="module")
def world():
    return throw(0, "training", CONFIG.scenes)


def test_gravity_and_inertia_are_those_of_the_playroom(world):
    flying = physics_prior.free_flight(world.of(balloons=False))
    assert len(flying.moved) > 10
    assert alone(TRUE_ROOM, flying) < 1  # room units: its steps are coarser than the playroom's
    assert alone(WRONG_ROOM, flying) > 10


def test_nothing_enters_the_floor_and_what_lies_there_stays():
    place, still, size = torch.tensor([[50.0, 86.0], [50.0, 60.0]]), torch.zeros(2, 2), torch.tensor([10.0, 10.0])
    moved = TRUE_ROOM.moves(place, still, size, 2.0, TRUE_ROOM.gravity)
    torch.testing.assert_close(moved, torch.tensor([[0.0, 0.0], [0.0, 26.0]]))


def test_trust_starts_at_nine_tenths_and_keeps_its_bounds(monkeypatch):
    prior, contexts = TrustedPrior(5, 3, 8, seed=0), torch.eye(3)
    torch.testing.assert_close(prior.trust(contexts), torch.full((3, 1), 0.9))
    with torch.no_grad():
        prior.theta.copy_(torch.tensor([-50.0, 0.0, 50.0]))
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


def test_stones_are_trusted_more_than_balloons_unless_colours_mean_nothing(world):
    test = throw(0, "test", 40)
    assert Learner(CONFIG, 0, TRUE_ROOM).train(world).trust_auc(test) > 0.95
    assert physics_prior.broken(CONFIG, 0, world, test)["shuffled_auc"] < 0.95


def test_an_exception_leaves_the_rule_as_it_was(world):
    stones, balloons = world.of(balloons=False), world.of(balloons=True)
    learner = Learner(CONFIG, 0, TRUE_ROOM).train(stones)
    before, wrong = learner.error(stones), learner.error(balloons)
    learner.train(balloons, exception=True)
    assert learner.error(stones) == before
    assert learner.error(balloons) < 0.5 * wrong
    learner.train(balloons)  # mutation: by all weights
    assert learner.error(stones) > 1.2 * before
