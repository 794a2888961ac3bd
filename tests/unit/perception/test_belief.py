"""Belief through lost sight: a memory that extrapolates passes; one that forgets fails."""

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
from sensorium.evaluation.statistics import baseline_values
from sensorium.perception.config import WorldStateConfig
from sensorium.perception.evaluation.belief import Belief
from sensorium.settings import Config, validate

FRAMES, HIDDEN = 12, 6
BENCH: Any = Bench(torch.device("cpu"), SimpleNamespace(micro_batch=None))  # type: ignore[arg-type]
PLACES = np.array([True, True, False, False])


class MemoryFusion(nn.Module):
    """State [place, speed] of a frame: as seen; without sight, what its kind of memory predicts."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, vision: Tensor, audio: None, body: None, present: Tensor) -> Tensor:
        states, place, speed = [], vision[:, 0], torch.zeros_like(vision[:, 0])
        for frame in range(vision.shape[1]):
            seen = present[:, frame, :1]
            kept = {"extrapolates": place + speed, "holds": place, "forgets": torch.zeros_like(place)}[self.kind]
            speed = torch.where(seen, vision[:, frame] - place, speed)
            place = torch.where(seen, vision[:, frame], kept)
            states.append(torch.cat([place, speed], -1))
        return torch.stack(states, 1)


def windows(seed: int, count: int = 240) -> tuple[Sample, list[np.ndarray | None]]:
    """Bodies in straight flight, each at its own speed; sight shows their places with a little noise."""
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
    fusion: Any = MemoryFusion(kind)
    untrained: Any = {"untrained 0": MemoryFusion("forgets")}
    return belief.metric(fusion, untrained, WorldStateConfig(hidden=HIDDEN))


def test_extrapolation_beats_copying_the_last_seen_frame(belief: Belief) -> None:
    metric = measured(belief, "extrapolates")
    assert metric["passed"]
    assert baseline_values(metric)["last seen, held"] < 0.9 < metric["value"] <= metric["ceiling"]
    assert metric["references"]["last seen, forecast"] > 0.9  # straight flight needs no more than place and speed
    assert metric["references"]["true place when last seen"] == pytest.approx(metric["floor"], abs=0.05)


def test_a_memory_that_forgets_fails(belief: Belief) -> None:
    metric = measured(belief, "forgets")
    assert not metric["passed"]
    assert metric["value"] < baseline_values(metric)["last seen, held"]


def test_copying_the_last_seen_frame_degrades_with_time(belief: Belief) -> None:
    fusion: Any = MemoryFusion("extrapolates")
    curve = belief.curve(fusion, FRAMES)
    assert list(curve) == ["1", "2", "4", "8"]  # of windows of 12 frames
    held = [row["last seen, held"] for row in curve.values()]
    assert held == sorted(held, reverse=True)
    assert all(row["belief"] > row["last seen, held"] for row in curve.values())


def test_a_window_without_any_sight_is_refused() -> None:
    assert Config().evaluations.world_state.hidden < Config().fusion.frames
    with pytest.raises(ConfigurationError, match=r"hidden is 16: it must be below fusion\.frames \(16\)"):
        validate({"evaluations": {"world_state": {"hidden": 16}}})
