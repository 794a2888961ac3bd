"""Motion, judged on a ball whose dynamics are known: strong linear floors, and no leaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from toy_forecaster import CONFIG, SPLITS, KnownForecaster, bench_of, recording, step

from sensorium.evaluation.sample import Sample
from sensorium.evaluation.statistics import LeakError, baseline_values
from sensorium.forecasting.config import MotionConfig
from sensorium.forecasting.evaluation import motion
from sensorium.forecasting.evaluation.forecasts import Forecasts
from sensorium.forecasting.evaluation.ridge_forecast import PLACES, STATES, RidgeForecast
from sensorium.forecasting.evaluation.trajectories import ballistic

SECTION = MotionConfig(recordings=40, windows=240)
SIMPLE = {STATES, PLACES, "last position", "straight line", "gravity", "mean position", "untrained"}


def judged(monkeypatch: pytest.MonkeyPatch, forecaster: KnownForecaster) -> dict[str, Any]:
    """The result of motion for this forecaster: its metrics, and its notes."""
    monkeypatch.setattr(motion, "Forecaster", lambda bench: forecaster)
    result = motion.judge(bench_of(), SECTION)
    return {**result.metrics, "notes": result.notes}


def test_known_dynamics_pass_and_those_of_a_linear_world_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    known = judged(monkeypatch, KnownForecaster())
    for name in ("position_error", "action_effect", "likelihood", "spread_error"):
        assert known[name]["passed"], (name, known[name])
    left = known["notes"]["left_to_gain"]["position_error"]
    assert left["by reading"] < 0.01 < left["by forecasting"] < 0.2  # chance alone is left
    without_walls = judged(monkeypatch, KnownForecaster(walls=False))
    assert not without_walls["position_error"]["passed"], without_walls["position_error"]
    untrained = judged(monkeypatch, KnownForecaster(knows=False))
    assert not any(untrained[name]["passed"] for name in ("position_error", "likelihood", "spread_error"))


def test_every_baseline_is_listed_and_the_ridge_regressions_are_strong(monkeypatch: pytest.MonkeyPatch) -> None:
    result = judged(monkeypatch, KnownForecaster())
    errors = baseline_values(result["position_error"])
    assert set(errors) == SIMPLE
    assert max(errors[STATES], errors[PLACES]) < 0.8 * min(errors[name] for name in SIMPLE - {STATES, PLACES})
    assert set(baseline_values(result["likelihood"])) == {"ridge", "constant variance", "last state", "untrained"}
    assert set(baseline_values(result["spread_error"])) == {"none", "last change", "ridge"}
    assert baseline_values(result["spread_error"])["ridge"] > 0.3  # the hot move more
    training = SPLITS.count("training")
    assert result["position_error"]["fitted_on"] == result["spread_error"]["fitted_on"] == training
    assert result["action_effect"]["fitted_on"] == training
    assert result["likelihood"]["fitted_on"] == training + SPLITS.count("validation")


@pytest.mark.parametrize("split", ["test"])
def test_what_is_fitted_on_test_recordings_is_refused(monkeypatch: pytest.MonkeyPatch, split: str) -> None:
    monkeypatch.setattr(motion, "LEARNED", split)
    with pytest.raises(LeakError, match="position_error: fitted on"):
        judged(monkeypatch, KnownForecaster())


def test_the_linear_forecast_of_a_linear_system_is_exact() -> None:
    """A deterministic linear system is forecast exactly from the last given state and the actions that follow."""
    rng = np.random.default_rng(0)
    move, push = 0.5 * rng.normal(size=(3, 3)), rng.normal(size=(2, 3))
    actions, states = rng.normal(size=(200, 8, 2)), np.empty((200, 8, 3))
    states[:, 0] = rng.normal(size=(200, 3))
    for frame in range(1, 8):
        states[:, frame] = states[:, frame - 1] @ move + actions[:, frame] @ push
    groups = np.array([f"{number % 8:06d}" for number in range(200)])
    sample = Sample(groups[:100], np.zeros(100, int), {"action": actions[:100]})
    mean, variance = RidgeForecast.fit(sample, states[:100], 3)(states[100:, :3], actions[100:])
    assert np.abs(mean - states[100:, 3:]).max() < 0.05 * states.std()
    assert variance.shape == mean.shape
    assert (variance < 1e-2).all()


def test_forecasts_stand_beside_the_frames_they_forecast() -> None:
    """In a world without chance the forecast of each frame is that frame."""
    forecaster = KnownForecaster()
    fields = recording(0)
    fields["state"][:, 4] = 0
    states = [fields["state"][0]]
    for action in fields["action"][1:]:
        states.append(step(states[-1], action, np.zeros(3)))
    whole = np.stack(states)[None].astype(np.float32)
    frames = CONFIG.context + CONFIG.horizon
    known = {"state": whole[:, :frames], "action": fields["action"][None, :frames]}
    sample = Sample(np.array(["a"]), np.zeros(1, int), known)
    forecasts = Forecasts.of(forecaster, sample, CONFIG.context)
    assert forecasts.mean.shape == forecasts.future.shape == (1, CONFIG.horizon, 5)
    np.testing.assert_allclose(forecasts.mean, forecasts.future, atol=5e-3)  # a frame is 0.02 and more


def test_air_takes_its_share_of_speed() -> None:
    path = ballistic(np.full((1, 1, 2), 0.2), np.array([[[0.2, 0.0]]]), 17)[0, :, 0, 0]
    steps = np.diff(path)
    assert steps[-1] / steps[0] == pytest.approx(0.75 ** (15 / 16), abs=1e-6)
