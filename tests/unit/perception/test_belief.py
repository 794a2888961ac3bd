"""Belief through lost sight: one who reckons on passes, one who forgets and one who only holds what was seen do not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sensorium.config import ConfigurationError
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.sample import Sample
from sensorium.perception.config import WorldStateConfig
from sensorium.perception.evaluation.belief import Belief
from sensorium.settings import Config, validate

FRAMES, HIDDEN = 12, 6
BENCH: Any = Bench(torch.device("cpu"), SimpleNamespace(micro_batch=None))  # type: ignore[arg-type]
PLACES = np.array([True, True, False, False])


class Mind(nn.Module):
    """State [place, speed] of a frame: as seen, and without sight as its kind of memory has it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, vision: Tensor, audio: None, body: None, present: Tensor) -> Tensor:
        states, place, speed = [], vision[:, 0], torch.zeros_like(vision[:, 0])
        for frame in range(vision.shape[1]):
            seen = present[:, frame, :1]
            kept = {"reckons": place + speed, "holds": place, "forgets": torch.zeros_like(place)}[self.kind]
            speed = torch.where(seen, vision[:, frame] - place, speed)
            place = torch.where(seen, vision[:, frame], kept)
            states.append(torch.cat([place, speed], -1))
        return torch.stack(states, 1)


def windows(seed: int, count: int = 240) -> tuple[Sample, list[np.ndarray | None]]:
    """Bodies that fly straight, at speeds of their own; what is seen is where they are, a little wrong."""
    rng = np.random.default_rng(seed)
    speed = rng.normal(0, 0.15, (count, 1, 2))
    place = rng.normal(0, 1, (count, 1, 2)) + speed * np.arange(FRAMES)[:, None]
    truth = np.concatenate([place, np.broadcast_to(speed, place.shape)], -1)
    seen = (place + rng.normal(0, 0.01, place.shape)).astype(np.float32)
    groups = np.array([f"r{number // 8}" for number in range(count)])
    return Sample(groups, np.zeros(count, np.int64), {"truth.state": truth}), [seen, None, None]


@pytest.fixture(scope="module")
def belief() -> Belief:
    (train, known), (test, shown) = windows(0), windows(1)
    return Belief(BENCH, (train, test), [known, shown], PLACES)


def measured(belief: Belief, kind: str) -> dict[str, Any]:
    mind: Any = Mind(kind)
    untrained: Any = {"untrained 0": Mind("forgets")}
    return belief.metric(mind, untrained, WorldStateConfig(hidden=HIDDEN))


def test_who_reckons_on_knows_more_than_what_was_seen_last(belief: Belief) -> None:
    metric = measured(belief, "reckons")
    assert metric["passed"]
    assert metric["floors"]["last seen, held"] < 0.9 < metric["value"] <= metric["ceiling"]
    assert metric["references"]["last seen, forecast"] > 0.9  # straight flight needs no more than place and speed
    assert metric["references"]["true place when last seen"] == pytest.approx(metric["floor"], abs=0.05)


def test_who_forgets_or_takes_the_untrained_way_fails(belief: Belief) -> None:
    metric = measured(belief, "forgets")
    assert not metric["passed"]
    assert metric["value"] < metric["floors"]["last seen, held"]


def test_the_longer_sight_is_lost_the_less_is_left_of_what_was_seen_last(belief: Belief) -> None:
    mind: Any = Mind("reckons")
    curve = belief.curve(mind, FRAMES)
    assert list(curve) == ["1", "2", "4", "8"]  # of windows of 12 frames
    held = [row["last seen, held"] for row in curve.values()]
    assert held == sorted(held, reverse=True)
    assert all(row["belief"] > row["last seen, held"] for row in curve.values())


def test_something_must_be_seen_first() -> None:
    assert Config().evaluations.world_state.hidden < Config().fusion.frames
    with pytest.raises(ConfigurationError, match=r"hidden is 16: it must be below fusion\.frames \(16\)"):
        validate({"evaluations": {"world_state": {"hidden": 16}}})
