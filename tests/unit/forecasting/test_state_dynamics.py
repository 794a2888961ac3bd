"""State dynamics: axes, closed-loop forecasts, noise, learning of a known system, gates, and the evaluations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_perception import FUSION
from toy_world import DETAILS, ToyWorld, fit, recording, write_model

from sensorium.artifacts import ArtifactError
from sensorium.config import PlayroomConfig, canonical_json
from sensorium.data.recording import RecordingSet
from sensorium.data.sources import playroom
from sensorium.data.windows import Windows
from sensorium.evaluation.scores import correlation, cosine, explained, products, rank_moments
from sensorium.evaluation.statistics import baseline_values
from sensorium.forecasting import train_state_dynamics
from sensorium.forecasting.config import CausalConfig, MotionConfig, StateDynamicsConfig
from sensorium.forecasting.evaluation import calibration, causal, motion, trajectories
from sensorium.forecasting.state_dynamics import Forecast, StateDynamics
from sensorium.forecasting.state_dynamics_learner import StateDynamicsLearner, likelihood
from sensorium.models.load import load
from sensorium.perception.fusion import Fusion
from sensorium.randomness import Draw, sample_indices

CONFIG = StateDynamicsConfig(width=48, context=4, horizon=4)
MODULES = {"motion": motion, "causal": causal}
UNCHANGED = "what happened, unchanged"
WIDER = CONFIG.model_copy(update={"width": 64})
SHAPES: dict[str, Any] = {"state": 6, "action": {"kind": "continuous", "size": 2}}
CPU = torch.device("cpu")


def system(rows: int = 64, frames: int = 8, seed: int = 0) -> dict[str, Tensor]:
    """Points that actions move, seen through a fixed linear map."""
    generator = torch.Generator().manual_seed(seed)
    action = torch.randn(rows, frames, 2, generator=generator)
    place = 3 * torch.randn(rows, 1, 2, generator=generator) + action.cumsum(1)
    noise = 0.1 * torch.randn(rows, frames, 2, generator=generator)
    weights = torch.randn(4, 6, generator=torch.Generator().manual_seed(9))
    return {"state": torch.cat([place, place.square() / 5 + noise], -1) @ weights + 2, "action": action}


def measured(learner: StateDynamicsLearner, states: Tensor) -> StateDynamicsLearner:
    """The learner with axes measured on states [B, T, D]."""
    flat, steps = states.flatten(0, 1).double(), states.diff(dim=1).flatten(0, 1).double()
    learner.dynamics.describe(flat.mean(0), steps.T @ steps / len(steps), flat.var(0).mean())
    return learner


def draw(rows: int) -> Draw:
    return Draw(0, 0, 0, rows, rows, CPU)


def fresh(seed: int = 0) -> StateDynamics:
    """An untrained network whose output layer is not zero."""
    torch.manual_seed(seed)
    model = StateDynamics(CONFIG, SHAPES)
    torch.nn.init.normal_(model.tell.weight, std=0.1)
    return model


def test_axes_decorrelate_changes_and_are_invertible() -> None:
    states = system()["state"]
    model = measured(StateDynamicsLearner(CONFIG, SHAPES), states).dynamics
    projected = model.project(states)
    torch.testing.assert_close(model.states(projected), states, atol=1e-4, rtol=1e-4)
    steps = projected.diff(dim=1).flatten(0, 1)
    covariance = steps.T @ steps / len(steps)
    assert float(covariance.diagonal().mean()) == pytest.approx(1, abs=1e-4)
    assert float((covariance - covariance.diagonal().diag()).abs().max()) < 1e-3


def test_an_untrained_model_forecasts_no_change() -> None:
    batch = system(8)
    forecast = StateDynamics(CONFIG, SHAPES)(batch["state"], batch["action"], 4)
    assert torch.equal(forecast.mean[:, :3], batch["state"][:, :3])
    assert torch.equal(forecast.mean[:, 3:], batch["state"][:, 3:4].expand(-1, 4, -1))
    assert forecast.log_variance.abs().max() == 0


def test_forecasts_depend_on_the_context_and_earlier_actions_alone() -> None:
    model, batch = fresh(), system(8)
    forecast = model(batch["state"], batch["action"], 4).mean
    later = batch["state"].clone()
    later[:, 4:] += 5
    assert torch.equal(model(later, batch["action"], 4).mean, forecast)
    assert torch.equal(model(batch["state"][:, :4], batch["action"], 4).mean, forecast)
    other = batch["action"].clone()
    other[:, 6:] += 1
    changed = model(batch["state"], other, 4).mean
    assert torch.equal(changed[:, :5], forecast[:, :5])
    assert not torch.allclose(changed[:, 5], forecast[:, 5], atol=1e-3)


def test_the_noise_of_a_window_gives_the_window_again() -> None:
    """With the errors of the one-frame forecasts as noise, the closed loop gives the true frames."""
    model, batch = fresh(), system(8)
    noise = batch["state"][:, 1:] - model(batch["state"], batch["action"], 8).mean
    again = model(batch["state"], batch["action"], 4, noise)
    torch.testing.assert_close(again.mean + noise, batch["state"][:, 1:], atol=1e-4, rtol=1e-4)


def test_no_actions_and_discrete_actions() -> None:
    states = system(8)["state"]
    actionless = StateDynamics(CONFIG, {**SHAPES, "action": None})
    assert actionless(states, None, 4).mean.shape == (8, 7, 6)
    keys = StateDynamics(CONFIG, {**SHAPES, "action": {"kind": "discrete", "size": 3}})
    assert keys(states, torch.zeros(8, 8, dtype=torch.int64), 4).mean.shape == (8, 7, 6)


def test_likelihood_is_that_of_a_gaussian() -> None:
    mean, variance, truth = torch.randn(5), torch.rand(5) + 0.1, torch.randn(5)
    density = torch.distributions.Normal(mean, variance.sqrt()).log_prob(truth)
    ours = likelihood(mean, variance.log(), truth) + 0.5 * np.log(2 * np.pi)
    torch.testing.assert_close(ours, -density)


def test_the_likelihood_moves_no_mean() -> None:
    """Where true states are read, so that no forecast feeds another, means learn from their squared error alone."""
    batch = system(8)
    learner = measured(StateDynamicsLearner(CONFIG.model_copy(update={"context": 8}), SHAPES), batch["state"])
    torch.nn.init.normal_(learner.dynamics.tell.weight, std=0.1)
    bias = learner.dynamics.tell.bias
    (both,) = torch.autograd.grad(learner(batch, draw(8))[0], bias)
    truth, forecast = learner._forecast(batch, batch["action"])
    (error,) = torch.autograd.grad((forecast.mean - truth).square().mean(), bias)
    assert error[:6].abs().min() > 1e-4
    torch.testing.assert_close(both[:6], error[:6])
    assert both[6:].abs().min() > 1e-4  # variances learn from the likelihood


def test_it_learns_a_system_and_passes_its_gates() -> None:
    """Training passes every gate that the untrained model fails."""
    torch.manual_seed(0)
    learner = measured(StateDynamicsLearner(CONFIG, SHAPES), system(256)["state"])
    test = system(64, seed=1000)
    with torch.no_grad():
        refused = {gate.name for gate in learner.gates(test) if not gate.passed}
    assert refused >= {"gain_over_persistence", "effective_rank", "heeds_actions"}
    fit([learner], 200, lambda step: learner(system(64, seed=step), draw(64))[0], lr=5e-3)
    with torch.no_grad():
        gates = {gate.name: gate for gate in learner.gates(test)}
    assert all(gate.passed for gate in gates.values()), gates
    assert gates["gain_over_persistence"].value > 0.5


def test_a_collapsed_model_is_refused() -> None:
    """The gates refuse a model with far too small variances, and one that always forecasts the mean of all states."""
    learner = measured(StateDynamicsLearner(CONFIG, SHAPES), system(256)["state"])
    torch.nn.init.constant_(learner.dynamics.tell.bias[6:], -8.0)
    with torch.no_grad():
        assert "inside_90" in {gate.name for gate in learner.gates(system(64)) if not gate.passed}

    def mean_of_all(projected: Tensor, action: Tensor | None, given: int, noise: Tensor | None = None) -> Forecast:
        zeros = torch.zeros_like(projected[:, 1:])
        return Forecast(zeros, zeros)

    learner.dynamics.forward = mean_of_all  # type: ignore[method-assign]
    with torch.no_grad():
        assert "gain_over_mean" in {gate.name for gate in learner.gates(system(64)) if not gate.passed}


@pytest.fixture(scope="module")
def dynamics_manifest(world: ToyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State dynamics trained on the toy world's recordings, as its stage embeds them."""
    torch.manual_seed(0)
    recordings = RecordingSet.open(world.data)
    shapes = {"state": FUSION.dim, "action": DETAILS["action"]}
    learner = StateDynamicsLearner(WIDER, shapes)
    fusion = load(Fusion, world.fusion)
    embedded = train_state_dynamics.embed(recordings, world.perception.encoder, world.perception.listener, fusion, CPU)
    train_state_dynamics.describe(learner, embedded)
    windows = Windows(embedded, "training", ("state", "action"), 8)

    def loss(step: int) -> Tensor:
        return learner(windows.batch(sample_indices(0, step, 64, len(windows))), draw(64))[0]

    fit([learner], 200, loss, lr=3e-3)
    inputs = {"data": world.data, "vision": world.vision, "audio": world.audio, "fusion": world.fusion}
    folder = tmp_path_factory.mktemp("trained") / "state_dynamics"
    return write_model(folder, learner.dynamics, "state_dynamics", WIDER, shapes, **inputs)


def evaluate(
    world: ToyWorld, dynamics_manifest: Path, folder: Path, *more: str, name: str = "motion"
) -> dict[str, Any]:
    """Run `sensorium motion` or `causal` by its command line; its result."""
    section = {
        "motion": MotionConfig(recordings=30, windows=400),
        "causal": CausalConfig(learned_from=30, rooms=20, windows=60),
    }
    arguments = ["--config", canonical_json(section[name]), "--device", "cpu", "--threads", "1"]
    for key in ("data", "vision", "audio", "fusion", "state-dynamics"):
        arguments += [f"--{key}", str(dynamics_manifest if key == "state-dynamics" else getattr(world, key))]
    MODULES[name].main([*arguments, "--output", str(folder / "r.json"), "--figure", str(folder / "f.png"), *more])
    return json.loads((folder / "r.json").read_text())


def test_motion_passes_what_was_trained_and_fails_what_was_not(
    world: ToyWorld, dynamics_manifest: Path, tmp_path: Path
) -> None:
    result = evaluate(world, dynamics_manifest, tmp_path)
    trained = result["metrics"]
    assert set(trained) == {"position_error", "action_effect", "likelihood", "spread_error"}
    for metric, record in trained.items():
        # variances by a ridge regression have a better likelihood here than those that were learned in 200 steps
        assert record["passed"] or metric == "likelihood", (metric, record)
        assert record["low"] <= record["value"] <= record["high"]
    likelihoods = baseline_values(trained["likelihood"])
    assert trained["likelihood"]["value"] < min(likelihoods[name] for name in ("last state", "untrained"))
    assert trained["position_error"]["references"]["other actions"] > trained["position_error"]["value"]
    assert 0.35 < result["calibration"]["world state"]["50%"] < 0.75
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    for seed in ("101", "102"):
        untrained = evaluate(world, dynamics_manifest, tmp_path, "--untrained-seed", seed)["metrics"]
        assert [metric for metric, record in untrained.items() if record["passed"]] == []


def test_causal_passes_what_was_trained_and_fails_what_was_not(
    world: ToyWorld, dynamics_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the toy world nothing moves by itself, so all answers to `but_for` are the same, and it is omitted."""
    monkeypatch.setattr(playroom, "simulate", toy_room)
    result = evaluate(world, dynamics_manifest, tmp_path, name="causal")
    effect, abduction = (result["metrics"][name] for name in ("shape_effect", "abduction"))
    effects = baseline_values(effect)
    assert set(effects) == {"no effect", "observational regressor", causal.LINEAR, "other actions"}
    # where actions move things by a linear map but for walls, a ridge regression from state and actions is hard to beat
    assert max(effects[name] for name in ("no effect", "other actions")) < effect["value"] - 0.1
    assert effect["fitted_on"] == abduction["fitted_on"] == 60  # thirty rooms, and as many with the hand of another
    assert result["happened"] == result["due_to_the_hand"] > 0
    assert "but_for" not in result["metrics"]
    assert abduction["value"] < min(baseline_values(abduction)[name] for name in ("its own actions", UNCHANGED))
    untrained = evaluate(world, dynamics_manifest, tmp_path, "--untrained-seed", "101", name="causal")["metrics"]
    assert [metric for metric, record in untrained.items() if record["passed"]] == []


def test_a_simulator_that_does_not_repeat_itself_is_caught(
    world: ToyWorld, dynamics_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        playroom, "simulate", lambda config, number, change=None: toy_room(config, number + bool(change))
    )
    with pytest.raises(ArtifactError, match="does not repeat its first"):
        evaluate(world, dynamics_manifest, tmp_path, name="causal")


def toy_room(config: PlayroomConfig, number: int, change: playroom.Intervention | None = None) -> dict[str, np.ndarray]:
    """A room of the toy world in place of the playroom's."""
    return recording(number, None if change is None else change.actions)


def test_responsibility_passes_for_informed_answers_and_fails_for_others() -> None:
    """Answers with information about the truth pass; random, constant and inverted ones fail."""
    rng = np.random.default_rng(0)
    stayed = rng.random(200) < 0.4
    groups = [f"{number:06d}" for number in range(200)]
    informed, guess = stayed + 0.5 * rng.standard_normal(200), rng.standard_normal(200)
    floors = dict.fromkeys(("other actions", "what happened", "weakness of the commands"), np.stack([guess, stayed], 1))
    for answer, passes in ((informed, True), (guess, False), (np.zeros(200), False), (-informed, False)):
        record = causal.responsibility({**floors, "model": np.stack([answer, stayed], 1)}, groups, set(), 0)
        assert record["passed"] == passes, record
    assert record["value"] < 0.2


def test_areas_and_cosines_by_hand() -> None:
    """Areas with weights and ties; cosines of parallel and of zero changes."""
    samples = np.array([[3.0, 1], [1.0, 0], [2.0, 1], [2.0, 0]])
    assert causal.area(samples, np.ones(4)) == pytest.approx(3.5 / 4)
    assert causal.area(samples, np.array([1.0, 1, 0, 1])) == 1
    assert causal.area(samples, np.array([0.0, 1, 0, 1])) == 0.5  # no positive was drawn
    assert causal.area(np.stack([np.zeros(4), samples[:, 1]], 1), np.ones(4)) == 0.5
    change = np.random.default_rng(0).normal(size=(6, 3, 2))
    assert cosine(products(2 * change, change), np.ones(6)) == pytest.approx(1)
    assert cosine(products(0 * change, change), np.ones(6)) == 0
    assert explained(products(change, change).sum((0, 1))) == pytest.approx(1)
    assert explained(products(2 * change, change).sum((0, 1))) == pytest.approx(0)


def test_motion_refuses_models_of_other_recordings(world: ToyWorld, dynamics_manifest: Path, tmp_path: Path) -> None:
    other = tmp_path / "manifest.json"
    other.write_text(dynamics_manifest.read_text().replace('"data":', '"other":', 1))
    with pytest.raises(ArtifactError, match="not made from"):
        evaluate(world, other, tmp_path)


def test_simple_predictions_by_hand() -> None:
    """A straight line goes on straight; free fall follows half g t squared and ends at the floor."""
    line = np.arange(5.0)[None, :, None, None] * [0.1, -0.2]
    assert np.allclose(trajectories.straight(line, 3)[0, :, 0], [[0.5, -1.0], [0.6, -1.2], [0.7, -1.4]])
    fall = trajectories.ballistic(np.full((1, 1, 2), 0.2), np.zeros((1, 1, 2)), 40)[0, :, 0]
    assert (fall[:, 0] == 0.2).all()
    assert fall[3, 1] - 0.2 == pytest.approx(0.5 * 1.6 * (4 / 16) ** 2, rel=0.3)
    assert fall[-1, 1] == pytest.approx(0.96)
    assert (np.diff(fall[:, 1]) >= 0).all()


def test_coverage_likelihood_and_ranks_by_hand() -> None:
    rng = np.random.default_rng(0)
    variance = rng.uniform(0.5, 2, (4000, 3))
    square = variance * rng.standard_normal((4000, 3)) ** 2
    assert calibration.coverage(square, variance) == pytest.approx({"50%": 0.5, "90%": 0.9}, abs=0.02)
    assert (
        calibration.negative_log_likelihood(square, variance).mean()
        < calibration.negative_log_likelihood(square, np.ones(3)).mean()
    )
    moments = rank_moments(variance, np.sqrt(variance) + 100 * np.arange(3), within_columns=True)
    assert correlation(moments, np.ones(4000)) == pytest.approx(1)
    assert correlation(rank_moments(np.ones((9, 2)), rng.random((9, 2)), within_columns=True), np.ones(9)) == 0
