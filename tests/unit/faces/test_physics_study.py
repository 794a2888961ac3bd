"""The physics prior: it knows the playroom's laws, its trust keeps its bounds, and exceptions leave the rule alone."""

from __future__ import annotations

import pytest
import torch

from sensorium.studies.config import PhysicsPriorConfig
from sensorium.studies.physics_prior import (
    TRUE_ROOM,
    WRONG_ROOM,
    Balls,
    MotionPredictors,
    in_free_flight,
    prediction,
    rms,
    shuffled,
    stack,
    throw,
)

CONFIG = PhysicsPriorConfig(seeds=2, scenes=60, steps=200, samples=(30, 200))


@pytest.fixture(scope="module")
def world():
    return stack([throw(seed, "training", CONFIG.scenes) for seed in CONFIG.all_seeds()])


@pytest.fixture(scope="module")
def held_out():
    return stack([throw(seed, "test", 40) for seed in CONFIG.all_seeds()])


def test_gravity_and_inertia_are_those_of_the_playroom(world):
    stones = world.of(balloons=False)
    flying = in_free_flight(stones)
    assert flying.sum() > 20
    right, wrong = (prediction(room, stones) - stones.moved for room in (TRUE_ROOM, WRONG_ROOM))
    assert rms(right[flying]) < 1  # room units: its steps are coarser than the playroom's
    assert rms(wrong[flying]) > 10


def test_nothing_enters_the_floor_and_what_lies_there_stays():
    place, still, size = torch.tensor([[50.0, 86.0], [50.0, 60.0]]), torch.zeros(2, 2), torch.tensor([10.0, 10.0])
    moved = TRUE_ROOM.moves(place, still, size, 2.0, TRUE_ROOM.gravity)
    torch.testing.assert_close(moved, torch.tensor([[0.0, 0.0], [0.0, 26.0]]))


def test_a_heavy_penalty_leaves_nothing_to_the_correction(world):
    """Of the same samples, by the same steps."""
    shares = [
        MotionPredictors(CONFIG.model_copy(update={"penalty": penalty}), TRUE_ROOM)
        .train(world)
        .predict(world)[1]
        .abs()
        .mean()
        for penalty in (0.0, 1e6)
    ]
    assert shares[1] < 0.05 * shares[0]


def test_seeds_trained_together_become_what_they_become_alone(world):
    """Two seeds at once, and the second by itself."""
    together = MotionPredictors(CONFIG, TRUE_ROOM).train(world)
    second = Balls(*(getattr(world, name)[1:] for name in Balls.__dataclass_fields__))
    alone = MotionPredictors(CONFIG.model_copy(update={"seed": CONFIG.seed + 1, "seeds": 1}), TRUE_ROOM).train(second)
    assert together.error(world)[1] == pytest.approx(alone.error(second)[0], rel=1e-3)
    assert together.error(world)[0] != pytest.approx(alone.error(second)[0], rel=1e-3)


def test_stones_are_trusted_more_than_balloons_unless_colours_mean_nothing(world, held_out):
    assert MotionPredictors(CONFIG, TRUE_ROOM).train(world).trust_auc(held_out).min() > 0.95
    assert MotionPredictors(CONFIG, TRUE_ROOM).train(shuffled(CONFIG, world)).trust_auc(held_out).mean() < 0.95


def test_an_exception_leaves_the_rule_as_it_was(world):
    stones, balloons = world.of(balloons=False), world.of(balloons=True)
    learner = MotionPredictors(CONFIG, TRUE_ROOM).train(stones)
    before, wrong = learner.error(stones), learner.error(balloons)
    learner.train(balloons, exception=True)
    assert (learner.error(stones) == before).all()
    assert (learner.error(balloons) < 0.5 * wrong).all()
    learner.train(balloons)  # mutation: by all weights
    assert (learner.error(stones) > 1.2 * before).all()
