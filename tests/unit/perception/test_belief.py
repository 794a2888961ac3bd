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
from sensorium.evaluation.statistics import LeakError, baseline_values
from sensorium.perception.config import WorldStateConfig
from sensorium.perception.evaluation.belief import Belief
from sensorium.settings import Config, validate

FRAMES, HIDDEN = 12, 6
BENCH: Any = Bench(torch.device("cpu"), SimpleNamespace(micro_batch=None))  # type: ignore[arg-type]
PLACES = np.array([True, True, False, False])


def fold(place: Any) -> Any:
    """Where a body is that flies to `place` in a room whose walls, at -1 and 1, throw it back."""
    return abs((place - 1) % 4 - 2) - 1


class MemoryFusion(nn.Module):
    """State [place, speed] of a frame: as seen; without sight, what its kind of memory predicts."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, vision: Tensor, audio: None, body: None, present: Tensor) -> Tensor:
        states, place, speed = [], vision[:, 0], torch.zeros_like(vision[:, 0])
        for frame in range(vision.shape[1]):
            seen = present[:, frame, :1]
            flown = place + speed
            kept = {"extrapolates": fold(flown), "flies on": flown, "forgets": torch.zeros_like(place)}[self.kind]
            turned = torch.where((flown.abs() > 1) & (self.kind == "extrapolates"), -speed, speed)
            speed = torch.where(seen, vision[:, frame] - place, turned)
            place = torch.where(seen, vision[:, frame], kept)
            states.append(torch.cat([place, speed], -1))
        return torch.stack(states, 1)


def windows(seed: int, walls: bool = True, count: int = 240) -> tuple[Sample, list[np.ndarray | None]]:
    """Bodies in flight, each at its own speed; sight shows their places with a little noise."""
    rng = np.random.default_rng(seed)
    speed = rng.normal(0, 0.15, (count, 1, 2))
    place = rng.uniform(-1, 1, (count, 1, 2)) + speed * np.arange(FRAMES)[:, None]
    place = fold(place) if walls else place
    truth = np.concatenate([place, np.broadcast_to(speed, place.shape)], -1)
    seen = (place + rng.normal(0, 0.01, place.shape)).astype(np.float32)
    groups = np.array([f"r{seed}-{number // 8}" for number in range(count)])
    return Sample(groups, np.zeros(count, np.int64), {"truth.state": truth}), [seen, None, None]


def of(walls: bool) -> Belief:
    (train, known), (test, shown) = windows(0, walls), windows(1, walls)
    return Belief(BENCH, (train, test), [known, shown], PLACES)


@pytest.fixture(scope="module")
def belief() -> Belief:
    return of(walls=True)


def measured(belief: Belief, kind: str) -> dict[str, Any]:
    fusion: Any = MemoryFusion(kind)
    untrained: Any = {"untrained 0": MemoryFusion("forgets")}
    return belief.metric(fusion, untrained, WorldStateConfig(hidden=HIDDEN))


def test_a_memory_that_knows_the_walls_beats_every_linear_forecast(belief: Belief) -> None:
    metric = measured(belief, "extrapolates")
    assert metric["passed"]
    assert baseline_values(metric)["last seen, held"] < metric["value"] <= metric["ceiling"]
    assert metric["references"]["true place when last seen"] == pytest.approx(
        baseline_values(metric)["last seen, held"], abs=0.05
    )
    assert set(baseline_values(metric)) == {
        "mean",
        "last seen, held",
        "untrained 0",
        "last seen, forecast",
        "state when last seen, body since",
        "encoder's grid when last seen, body",
    }


def test_in_straight_flight_a_linear_forecast_is_as_good() -> None:
    """Place and speed when last seen, or two seen places, suffice: a memory in the dark adds nothing."""
    metric = measured(of(walls=False), "flies on")
    assert not metric["passed"]
    for name in ("last seen, forecast", "encoder's grid when last seen, body"):
        assert baseline_values(metric)[name] > 0.9
    assert metric["value"] > 0.9


def test_a_readout_of_judged_windows_is_refused() -> None:
    """Both samples of the same recordings."""
    test, shown = windows(1)
    with pytest.raises(LeakError, match="fitted on 30 of the recordings that judge it"):
        measured(Belief(BENCH, (test, test), [shown, shown], PLACES), "extrapolates")


def test_a_memory_that_forgets_fails(belief: Belief) -> None:
    metric = measured(belief, "forgets")
    assert not metric["passed"]
    assert metric["value"] < baseline_values(metric)["last seen, forecast"]


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
