"""The study of agents: what it concludes, and that its stages fit together."""

from __future__ import annotations

import json

from sensorium.agent.config import AgentConfig, AgentReturnConfig, CloningConfig, ImaginationConfig
from sensorium.agent.evaluation.agent_return import CHOSEN
from sensorium.config import PlayroomConfig, Training
from sensorium.evaluation.statistics import baseline_values
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.tokenizer_config import VideoTokenizerConfig
from sensorium.studies.agent_returns import POLICIES, judge, play_seed, seeded
from sensorium.studies.config import AgentReturnsConfig
from sensorium.training.health import Verdict

FEW = Training(steps=3, batch=4, warmup=1)


def lives(agent: list[float], held: tuple[float, float, float] = (8, 11, 7)) -> list[tuple[dict[str, float], float]]:
    """What was earned in three seeds; `held`: by the one action that is held."""
    earned = ((9, 8, 6, 10, 50), (14, 7, 6, 11, 55), (5, 9, 6, 9, 52))
    others = [dict(zip(POLICIES[1:], sums, strict=True)) for sums in earned]
    return [
        ({"agent": value, **sums, "hold 3": still}, 6.0) for value, sums, still in zip(agent, others, held, strict=True)
    ]


def test_better_than_every_baseline_in_every_seed_passes() -> None:
    found = judge([0, 1, 2], lives([20.0, 22.0, 19.0]))
    metric = found.metrics["episode_return"]
    assert metric["passed"]
    assert (metric["floor"], metric["floor_name"], metric["n"]) == ((9 + 14 + 5) / 3, "cloned policy", 3)
    assert not found.controls["untrained_policy"]["passed"]
    assert [row["seed"] for row in found.tables[0].rows] == ["0", "1", "2", "all"]
    assert [row["action"] for row in found.tables[1].rows] == ["hold 3"]


def test_a_constant_action_that_earns_more_is_the_floor() -> None:
    """Three times the clone's return is no success where one key earns as much."""
    metric = judge([0, 1, 2], lives([20.0, 22.0, 19.0], held=(22.0, 21.0, 24.0))).metrics["episode_return"]
    assert (metric["floor_name"], metric["passed"]) == ("hold 3", False)
    assert baseline_values(metric).keys() == {"hold 3", *POLICIES} - {"agent", "recorded policy", "best"}


def test_better_on_average_alone_does_not_pass() -> None:
    """One lucky seed is no proof."""
    assert not judge([0, 1, 2], lives([60.0, 13.0, 5.0])).metrics["episode_return"]["passed"]


def test_a_seed_is_that_of_the_training_where_there_is_one() -> None:
    assert json.loads(seeded(PlayroomConfig(), 5))["seed"] == 5
    assert json.loads(seeded(CloningConfig(), 5))["training"]["seed"] == 5


def test_the_stages_fit_together(monkeypatch) -> None:
    """From recordings to returns with hardly any training, so nothing is asked of the gates."""
    monkeypatch.setattr(Verdict, "check", lambda self: None)
    config = AgentReturnsConfig(
        data=PlayroomConfig(task="touch", size=16, frames=24, recordings=16, shards=2),
        tokenizer=VideoTokenizerConfig(width=8, training=FEW),
        dynamics=DynamicsConfig(dim=16, layers=2, heads=2, training=FEW),
        agent=AgentConfig(
            cloning=CloningConfig(distances=2, training=FEW), imagination=ImaginationConfig(horizon=3, training=FEW)
        ),
        play=AgentReturnConfig(episodes=8, windows=20),
    )
    sums, untrained = play_seed(config, 3)
    held = [name for name in sums if name.startswith("hold ")]
    assert set(sums) == {*POLICIES, *held}
    assert len(held) == 9
    assert sums[CHOSEN] in [sums[name] for name in held]
    assert max(sums["best"], untrained) <= 24
