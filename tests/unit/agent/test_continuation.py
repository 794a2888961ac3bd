"""Ends of episodes reach the agent: it predicts them, its returns stop there, and so do its dreams."""

from __future__ import annotations

import pytest
import torch
from test_agent import CLONING, DYNAMICS, IMAGINATION, agent, cloner, draw, world
from test_playing import FRAMES, Parts

from sensorium.agent.agent import Actor, Agent
from sensorium.agent.imagination_learner import ImaginationLearner

NEVER = -40.0  # a logit


def ending() -> Agent:
    """An agent of recordings that say where episodes end."""
    torch.manual_seed(0)
    shapes = {"video": 4, "grid": True, "audio": 0, "channels": 3, "action": {"kind": "continuous", "size": 2}}
    start = {"config": DYNAMICS.model_dump(mode="json"), "shapes": shapes}
    model = Agent(CLONING, {"dynamics": start, "continues": True})
    model.dynamics.describe(torch.zeros(4, 3), torch.full((4, 3), 0.6), torch.full((4, 3), 0.09))
    return model


def set_logit(model: Agent, logit: float) -> None:
    """Let the agent predict the same for every state."""
    assert model.continuation is not None
    for layer in model.continuation.distances:
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.constant_(layer.bias, logit)


def test_worlds_without_ends_have_the_agent_that_they_had() -> None:
    with_ends, without = ending().state_dict(), agent().state_dict()
    assert {name.split(".")[0] for name in set(with_ends) - set(without)} == {"continuation"}
    assert all(torch.equal(with_ends[name], tensor) for name, tensor in without.items())
    assert "continue" not in cloner(agent()).observed
    assert cloner(ending()).observed == ("dynamics", "action", "reward", "continue")
    assert torch.equal(agent().continuing(torch.randn(3, 5, 32)), torch.ones(3, 5))


def test_ends_at_a_distance_are_compared_with_what_came_then() -> None:
    learner, going = cloner(ending()), (torch.rand(3, 11) < 0.8).float()

    class Known(torch.nn.Module):
        def forward(self, states: torch.Tensor, distance: int) -> torch.Tensor:
            return 40 * (going.roll(-distance, 1)[:, :8, None] - 0.5)

    learner.agent.continuation = Known()
    states = torch.zeros(3, 8, 32)
    assert learner.ends(states, {"continue": going}).tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    assert learner.ends(states, {"continue": going.roll(1, 1)}).min() > 1


def test_ends_are_learned_with_everything_else() -> None:
    learner, batch = cloner(ending()), world(4) | {"continue": torch.ones(4, 11)}
    loss, metrics = learner(batch, draw(4))
    assert metrics["continue"] == pytest.approx(torch.tensor(2.0).log().item())
    loss.backward()
    assert learner.agent.continuation is not None
    assert all(layer.bias.grad.abs().sum() > 0 for layer in learner.agent.continuation.distances)


def test_returns_stop_where_the_world_ends() -> None:
    model = ending()
    torch.nn.init.normal_(model.reward.distances[0].weight, std=0.2)
    shapes = {"dim": 32, "distances": CLONING.distances, "action": {"kind": "continuous", "size": 2}}
    actor = Actor(IMAGINATION, shapes)
    torch.nn.init.normal_(actor.value.distances[0].weight, std=0.2)
    learner = ImaginationLearner(actor, model, IMAGINATION)
    batch = {name: value[:, : IMAGINATION.context] for name, value in world(5).items() if name in ("latent", "action")}

    def returned() -> tuple[torch.Tensor, torch.Tensor]:
        return learner.embed(batch, draw(5))[..., 4], learner.imagine(batch, draw(5)).rewards

    set_logit(model, NEVER)
    returns, rewards = returned()
    torch.testing.assert_close(returns, rewards)
    set_logit(model, -NEVER)
    returns, rewards = returned()
    assert (returns - rewards).abs().min() > 1e-4


@pytest.mark.parametrize(("probability", "over"), [(0.4, True), (0.6, False)])
def test_dreams_end_where_an_end_is_likelier(probability: float, over: bool) -> None:
    parts = Parts()
    environment = parts.dream(rewarded=True)
    environment._continuing = lambda state: torch.tensor([probability])
    assert not environment.reset(0).terminated
    seen = environment.step(parts.beginning(0).actions[0, 0].numpy())
    assert (seen.terminated, seen.done) == (over, FRAMES == 1)
