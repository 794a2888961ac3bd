"""A ball between walls whose dynamics are known, and forecasters of it: evaluations of forecasts, without a training.

The ball is pushed by actions and by chance, the more the hotter it is; walls throw it back, which no linear map does.
A world state is (x, y, vx, vy, heat).
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from sensorium.data.recording import Split
from sensorium.forecasting.config import StateDynamicsConfig
from sensorium.forecasting.evaluation.forecasts import Forecaster
from sensorium.perception.embed import EmbeddedRecordings

CONFIG = StateDynamicsConfig(context=4, horizon=6)
FRAMES, ENSEMBLE = 40, 40
SPLITS: tuple[Split, ...] = ("training",) * 40 + ("validation",) * 12 + ("test",) * 24
NAMES = ("ball_x", "ball_y", "ball_vx", "ball_vy")


def step(states: np.ndarray, actions: np.ndarray, noise: np.ndarray, *, walls: bool = True) -> np.ndarray:
    """The states [..., 5] one frame later, under actions [..., 2] and chance [..., 3]."""
    place, speed, heat = states[..., :2], states[..., 2:4], states[..., 4:]
    speed = 0.97 * speed + 0.03 * actions + 0.05 * heat * noise[..., :2]
    place = place + speed
    if walls:
        beyond = (place < 0) | (place > 1)
        place = np.where(place < 0, -place, np.where(place > 1, 2 - place, place))
        speed = np.where(beyond, -speed, speed)
    return np.concatenate([place, speed, heat + 0.005 * noise[..., 2:]], -1)


def recording(number: int) -> dict[str, np.ndarray]:
    """The ball's states, with the truth that is read from them."""
    rng = np.random.default_rng(number)
    actions = rng.uniform(-1, 1, (FRAMES, 2)).astype(np.float32)
    now = np.concatenate([rng.uniform(0.2, 0.8, 2), rng.uniform(-0.15, 0.15, 2), rng.choice([0.05, 0.5], 1)])
    states = np.empty((FRAMES, 5), np.float32)
    for frame in range(FRAMES):
        now = step(now, actions[frame], rng.standard_normal(3))
        states[frame] = now
    return {"state": states, "action": actions, "truth.state": states[:, :4].copy()}


class KnownForecaster(Forecaster):
    """Forecasts by the ball's own dynamics; without weights, no change, as untrained networks forecast.

    Args:
        walls: whether it knows of them.
        knows: whether it knows anything; otherwise it is untrained.
    """

    def __init__(self, *, walls: bool = True, knows: bool = True) -> None:
        self._walls, self._knows = walls, knows
        names = [f"ball-{number:03d}" for number in range(len(SPLITS))]
        entries = [{"name": name, "split": split, "frames": FRAMES} for name, split in zip(names, SPLITS, strict=True)]
        details = {"recordings": entries, "state_names": list(NAMES), "body": 0}
        self._fields = {name: recording(number) for number, name in enumerate(names)}
        source: Any = SimpleNamespace(manifest=Path("manifest.json"), details=details)
        self.recordings = EmbeddedRecordings(source, self._fields)
        self.names, self.things = list(NAMES), ["ball"]

    def embedded(self, split: Split, most: int | None = None) -> EmbeddedRecordings:
        """The first `most` recordings of a split."""
        chosen = self.recordings.names(split)[:most]
        return EmbeddedRecordings(self.recordings, {name: self._fields[name] for name in chosen})

    def project(self, states: np.ndarray) -> np.ndarray:
        """The axes are those of the states."""
        return states

    def forecast(
        self,
        states: np.ndarray,
        actions: np.ndarray | None,
        given: int,
        *,
        untrained_seed: int | None = None,
        noise: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of an ensemble; each frame of the context is forecast from the one before."""
        assert actions is not None
        assert noise is None
        rng, known = np.random.default_rng(0), self._knows and untrained_seed is None
        now = np.repeat(states[None, :, 0], ENSEMBLE, 0)
        means, variances = [], []
        for time in range(1, actions.shape[1]):
            if known:
                now = step(now, actions[:, time], rng.standard_normal((*now.shape[:2], 3)), walls=self._walls)
            means.append(now.mean(0))
            variances.append(now.var(0) + 1e-4 if known else np.ones_like(means[-1]))
            if time < given:
                now = np.repeat(states[None, :, time], ENSEMBLE, 0)
        return np.stack(means, 1).astype(np.float32), np.stack(variances, 1).astype(np.float32)


def bench_of(section: Any = CONFIG) -> Any:
    """A bench whose only part is the section of the state dynamics."""
    return SimpleNamespace(parts=SimpleNamespace(section=lambda *_: section), untrained_seed=None)
