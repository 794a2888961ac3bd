"""Fields of bodies by hand, windows that stand where they say, and who passes: those that know the bodies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from toy_forecaster import CONFIG as DYNAMICS
from toy_perception import AUDIO, FUSION, FUSION_SHAPES, VISION
from toy_world import DETAILS, ENCODER_SHAPES, SOUND_SHAPES, recording, write_recordings

from sensorium.config import PlayroomConfig
from sensorium.data.recording import RecordingSet
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.statistics import LeakError, baseline_values
from sensorium.forecasting.config import FieldsConfig
from sensorium.forecasting.evaluation import fields
from sensorium.forecasting.evaluation.body_fields import body_fields, explained, explained_by_kind, field_squares
from sensorium.forecasting.evaluation.field_windows import FieldWindows
from sensorium.forecasting.state_dynamics import StateDynamics
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.fusion import Fusion
from sensorium.training.execution import Execution

CELLS, CPU = 4, torch.device("cpu")
SECTION = FieldsConfig(recordings=20, windows=400, hidden=3, cells=CELLS)


def test_fields_hold_the_bodies_area_and_momentum_where_they_are() -> None:
    position, velocity = np.full((1, 1, 3, 2), np.nan), np.full((1, 1, 3, 2), np.nan)
    position[0, 0, 0], velocity[0, 0, 0] = (0.3, 0.6), (2.0, -1.0)
    size = np.array([[0.08, np.nan, np.nan]])
    (field,) = body_fields(position, velocity, size, 8)[0]
    assert field.shape == (3, 8, 8)
    assert field[0].sum() / 64 == pytest.approx(np.pi * 0.08**2, rel=1e-3)
    assert field[1].sum() == pytest.approx(2 * field[0].sum())
    assert field[2].sum() == pytest.approx(-field[0].sum())
    assert np.unravel_index(field[0].argmax(), (8, 8)) == (4, 2)  # row 4: y from 0.5 to 0.625
    x, y = np.meshgrid((np.arange(8) + 0.5) / 8, (np.arange(8) + 0.5) / 8)
    assert (field[0] * x).sum() / field[0].sum() == pytest.approx(0.3, abs=1e-2)
    assert (field[0] * y).sum() / field[0].sum() == pytest.approx(0.6, abs=1e-2)


def test_fields_of_bodies_add_up_and_forget_which_is_which() -> None:
    rng = np.random.default_rng(0)
    position, velocity = rng.uniform(0.2, 0.8, (2, 3, 4, 2)), rng.normal(size=(2, 3, 4, 2))
    size = rng.uniform(0.05, 0.1, (2, 4))
    whole = body_fields(position, velocity, size, 8)
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(body_fields(position[:, :, order], velocity[:, :, order], size[:, order], 8), whole)
    parts = [body_fields(position[:, :, [b]], velocity[:, :, [b]], size[:, [b]], 8) for b in range(4)]
    np.testing.assert_allclose(np.sum(parts, 0), whole)


def test_scores_by_hand() -> None:
    """The truth scores 1, the mean field 0, and halves of both kinds count alike."""
    rng = np.random.default_rng(0)
    truth, mean, weights = rng.normal(size=(50, 2, 12)), np.zeros(12), np.ones(50)
    assert explained(field_squares(truth, truth, mean).sum(1), weights) == 1
    assert explained(field_squares(np.zeros_like(truth), truth, mean).sum(1), weights) == 0
    assert explained(field_squares(0.5 * truth, truth, mean).sum(1), weights) == pytest.approx(0.75)
    still = truth.copy()
    still[..., 4:] = 0  # the momentum
    kinds = explained_by_kind(field_squares(still, truth, mean).sum(1))
    assert kinds == pytest.approx({"occupancy": 1, "momentum": 0})
    assert explained(field_squares(still, truth, mean).sum(1), weights) == pytest.approx(0.5)


class Untrained:
    """Parts of the toy world without a training: networks with fresh weights."""

    def __init__(self, recordings: RecordingSet) -> None:
        self._recordings = recordings
        shapes = {"state": FUSION.dim, "action": DETAILS["action"]}
        self._made: dict[tuple[type, int | None], Any] = {}
        self._build: dict[type, Callable[[], Any]] = {
            VisionEncoder: lambda: VisionEncoder(VISION, ENCODER_SHAPES),
            AudioEncoder: lambda: AudioEncoder(AUDIO, SOUND_SHAPES),
            Fusion: lambda: Fusion(FUSION, FUSION_SHAPES),
            StateDynamics: lambda: StateDynamics(DYNAMICS, shapes),
        }

    def recordings(self) -> RecordingSet:
        return self._recordings

    def section(self, *_: object) -> Any:
        return DYNAMICS

    def load(self, kind: type, seed: int | None = None) -> Any:
        if (kind, seed) not in self._made:
            torch.manual_seed(seed or 0)
            self._made[kind, seed] = self._build[kind]().eval()
        return self._made[kind, seed]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    made = {f"toy-{number:03d}": recording(number) for number in range(60)}
    manifest = write_recordings(
        tmp_path_factory.mktemp("toys") / "data", made, PlayroomConfig(recordings=60, size=16, frames=32)
    )
    parts: Any = Untrained(RecordingSet.open(manifest))
    return Bench(CPU, Execution(CPU, threads=1), parts)


def test_windows_stand_where_they_say(untrained: Bench) -> None:
    """Truth, actions, sight and forecasts are of the frames that they are said to be of."""
    part = FieldWindows(untrained, "test", 12, SECTION, np.random.default_rng(0))
    assert set(part.sample.groups) <= set(untrained.parts.recordings().names("test")[: SECTION.recordings])
    row, last = 5, part.frames - 1
    assert part.fields(np.array([last])).shape == (12, 1, 3 * CELLS**2)
    made, now = recording(int(part.sample.groups[row][4:])), int(part.sample.start[row]) + FUSION.frames - 1
    assert part.frames == FUSION.frames

    def truth(frame: int) -> np.ndarray:
        bodies = (made[key][None, [frame]].astype(float) for key in ("truth.position", "truth.velocity"))
        return body_fields(*bodies, made["truth.size"][None].astype(float), CELLS).reshape(-1)

    for later in (0, DYNAMICS.horizon, -SECTION.hidden):
        np.testing.assert_allclose(part.fields(np.array([last + later]))[row, 0], truth(now + later), atol=1e-6)
    np.testing.assert_array_equal(part.actions[row], made["action"][now + 1 : now + 1 + DYNAMICS.horizon].reshape(-1))
    held = np.repeat(part.judged[:, -1:], DYNAMICS.horizon, 1)  # what fresh state dynamics forecast
    np.testing.assert_allclose(part.ahead(FLOOR_SEEDS[0]), held, atol=1e-4)


def test_frames_without_sight_show_nothing(untrained: Bench) -> None:
    """What is shown in them does not change the state; what was shown before does."""
    part = FieldWindows(untrained, "test", 6, SECTION, np.random.default_rng(0))
    before = part.states(FLOOR_SEEDS[0], part.hidden)
    vision = part.sample["vision"]
    vision[:, -part.hidden :] = 0
    np.testing.assert_array_equal(part.states(FLOOR_SEEDS[0], part.hidden), before)
    vision[:, : -part.hidden] = 0
    assert np.abs(part.states(FLOOR_SEEDS[0], part.hidden) - before).max() > 1e-3


class Knowing:
    """Windows of one body in a room, whose world states are noisy pictures of its fields; as `Windows`."""

    noise = 0.3

    def __init__(self, bench: Bench, split: str, count: int, config: FieldsConfig, rng: np.random.Generator) -> None:
        self.frames, self.horizon, self.hidden, self.given = 8, 4, config.hidden, 4
        self._rng, names = rng, np.array([f"{split}-{number:03d}" for number in range(20)])
        groups = names[np.arange(count) % 20]
        place, speed = rng.uniform(0.2, 0.8, (count, 1, 1, 2)), rng.normal(0, 0.4, (count, 1, 1, 2))
        time = np.arange(-self.frames + 1, self.horizon + 1)[:, None, None] / 16
        position, velocity = place + speed * time, np.broadcast_to(speed, (count, time.size, 1, 2))
        every = body_fields(position, velocity, np.full((count, 1), 0.15), config.cells)
        self._every = every.reshape(count, time.size, -1)
        self.read = np.arange(4, 8)
        state = np.concatenate([position, velocity], -1)[:, :, 0]
        self.sample = Sample(groups, np.zeros(count, int), {"truth.state": state})
        self.actions = rng.normal(size=(count, 8))
        self.judged = self._picture(self._every[:, : self.frames])
        self._fresh = rng.normal(size=self.judged.shape)
        if bench.untrained_seed is not None:
            self.judged = self._fresh

    def _picture(self, every: np.ndarray) -> np.ndarray:
        return every + self.noise * every.std() * self._rng.normal(size=every.shape)

    def states(self, seed: int | None, hidden: int = 0) -> np.ndarray:
        states = self.judged if seed is None else self._fresh
        return states[:, -1:] if hidden else states

    def ahead(self, seed: int | None) -> np.ndarray:
        known = self._picture(self._every[:, self.frames :])
        return known if seed is None else np.repeat(self.judged[:, -1:], self.horizon, 1)

    def felt(self, first: int) -> np.ndarray:
        return np.zeros((len(self.sample), 0))

    def fields(self, frames: np.ndarray) -> np.ndarray:
        return self._every[:, frames]

    def plain(self, frames: np.ndarray) -> np.ndarray:
        return self._picture(self._every[:, frames, : CELLS**2])  # a single picture: no momentum


def judged(monkeypatch: pytest.MonkeyPatch, seed: int | None = None) -> Any:
    """The result for windows whose states are known."""
    monkeypatch.setattr(fields, "FieldWindows", Knowing)
    recordings = SimpleNamespace(has=lambda field: True, manifest=Path("manifest.json"))
    parts: Any = SimpleNamespace(recordings=lambda: recordings)
    return fields.judge(Bench(CPU, Execution(CPU), parts, SimpleNamespace(untrained_seed=seed)), SECTION)


def test_states_that_hold_the_bodies_pass_and_fresh_ones_do_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = judged(monkeypatch)
    for name, record in result.metrics.items():
        assert record["passed"], (name, record)
        assert record["ceiling"] == 1
        assert record["fitted_on"] == 20
        assert baseline_values(record)["mean field"] == 0
    untrained = {f"untrained {number}" for number in range(3)}
    plain = {"mean field", "encoder without fusion"}
    names = {name: set(baseline_values(record)) for name, record in result.metrics.items()}
    assert names["seen"] == plain | untrained
    assert names["hidden"] == plain | untrained | {"last seen, held", "last seen and body since"}
    assert names["forecast"] == plain | {
        *("last fields, held", "ridge, state to fields", "ridge, last state alone", "untrained")
    }
    assert set(result.metrics["hidden"]["references"]) == {fields.NEVER_LOST, fields.TRUE_HELD}
    assert set(result.metrics["seen"]["references"]) == {fields.TRUE_STATE}
    momentum = result.notes["by_kind"]["seen"]["encoder without fusion"]["momentum"]
    assert momentum < 0.2 < result.notes["by_kind"]["seen"]["model"]["momentum"]  # no single picture shows it
    result.figure(tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    fresh = judged(monkeypatch, 101)
    assert [name for name, record in fresh.metrics.items() if record["passed"]] == []


def test_fields_fitted_on_test_recordings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "LEARNED", "test")
    with pytest.raises(LeakError, match="seen: fitted on 20 of the recordings"):
        judged(monkeypatch)
