"""Films continued without learned representations, beside scikit-learn and closed forms."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge

from sensorium.evaluation.baselines import pictures, ridge_of_films
from sensorium.evaluation.baselines.forecasts import forecasts
from sensorium.evaluation.baselines.pictures import Fade, Films

GIVEN, HORIZON, SHAPE = 3, 4, (3, 4, 4)


def films(seed: int, count: int, noise: float = 0.0) -> Films:
    """Films that decay towards 0.5, and are pushed by their actions."""
    rng = np.random.default_rng(seed)
    actions = rng.normal(size=(count, GIVEN + HORIZON, 2)).astype(np.float32)
    push = np.random.default_rng(0).normal(size=(2, *SHAPE)) * 0.05
    frame, frames = 0.5 + rng.normal(size=(count, *SHAPE)) * 0.1, []
    for t in range(GIVEN + HORIZON):
        frame = 0.5 + 0.8 * (frame - 0.5) + np.tensordot(actions[:, t], push, 1)
        frames.append(frame + noise * rng.normal(size=frame.shape))
    return Films(np.stack(frames, 1).astype(np.float32), actions, frozenset({f"{seed}"}))


def test_recorded_frames_become_pictures() -> None:
    recorded = np.random.default_rng(0).integers(0, 256, (5, 2, 4, 6, 3), np.uint8)
    shown = pictures.pictures(recorded)
    assert shown.shape == (5, 2, 3, 4, 6)
    assert shown == pytest.approx(np.moveaxis(recorded, -1, 2) / 255, abs=1e-6)
    assert Films(recorded, None, frozenset()).mean() == pytest.approx(shown.mean((0, 1)), abs=1e-6)


def test_the_mean_picture_is_that_of_its_split_alone() -> None:
    held = {"a": np.full((4, 2, 2, 3), 51, np.uint8), "b": np.full((8, 2, 2, 3), 102, np.uint8)}
    splits = {"training": ["a", "b"], "test": ["c"]}
    recordings: Any = SimpleNamespace(names=splits.get, field=lambda name, _: held[name])
    assert pictures.mean_picture(recordings, every=2) == pytest.approx(np.full((3, 2, 2), (0.2 + 2 * 0.4) / 3))


def test_held_half_and_to_and_fro() -> None:
    context = np.arange(4.0)[None, :, None]
    assert pictures.held(context, 3).ravel().tolist() == [3, 3, 3]
    assert pictures.half_and_half(context, np.array([1.0]), 2).ravel().tolist() == [2, 2]
    assert pictures.to_and_fro(context, 8).ravel().tolist() == [2, 1, 0, 1, 2, 3, 2, 1]
    assert pictures.to_and_fro(context[:, :1], 2).ravel().tolist() == [0, 0]


def test_what_is_replayed_follows_training_contexts() -> None:
    training = films(1, 20)
    shown = pictures.replayed(training, 6, GIVEN, np.random.default_rng(0))
    assert shown.shape == (6, HORIZON, *SHAPE)
    assert all((training.frames[:, GIVEN:] == film).all((1, 2, 3, 4)).any() for film in shown)


def test_the_weights_of_the_fade_are_those_of_linear_regression() -> None:
    training = films(1, 60, noise=0.05)
    fade = Fade(training, GIVEN)
    mean = training.frames.mean((0, 1))
    last, usual = training.frames[:, GIVEN - 1] - mean, training.frames[:, :GIVEN].mean(1) - mean
    parts = np.stack([last.ravel(), usual.ravel()], 1)
    for ahead in range(HORIZON):
        wanted = (training.frames[:, GIVEN + ahead] - mean).ravel()
        known = LinearRegression(fit_intercept=False).fit(parts, wanted).coef_
        assert fade.weights[ahead] == pytest.approx(known, abs=1e-3)
    test = films(2, 5)
    expected = mean + fade.weights[1, 0] * (test.frames[:, 2] - mean)
    expected += fade.weights[1, 1] * (test.frames[:, :3].mean(1) - mean)
    assert fade(test.frames[:, :GIVEN])[:, 1] == pytest.approx(expected, abs=1e-5)


def test_the_ridge_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many components as there are numbers, on what the fade leaves."""
    monkeypatch.setattr(ridge_of_films, "PENALTIES", (0.1,))
    training, test = films(1, 80, noise=0.02), films(2, 7, noise=0.02)
    fade = Fade(training, GIVEN)
    (found,) = ridge_of_films.continued(fade, training, films(3, 20), (test,), GIVEN)
    axes = PCA(48).fit(training.frames[:, GIVEN - 1].reshape(80, -1)).components_

    def rows(part: Films) -> np.ndarray:
        seen = (part.frames[:, :GIVEN].reshape(len(part), GIVEN, -1) - fade.mean.ravel()) @ axes.T
        moves = (part.actions.reshape(len(part), -1) - usual) / spread
        return np.concatenate([seen.reshape(len(part), -1), moves], 1)

    assert training.actions is not None
    usual, spread = (getattr(training.actions.reshape(80, -1), name)(0) for name in ("mean", "std"))
    for ahead in range(HORIZON):
        left, faded = (
            part.frames[:, GIVEN + ahead] - fade.frame(part.frames[:, :GIVEN], ahead) for part in (training, test)
        )
        known = Ridge(alpha=0.1 * 80).fit(rows(training), left.reshape(80, -1)).predict(rows(test))
        expected = test.frames[:, GIVEN + ahead] - faded + known.reshape(7, *SHAPE)
        assert found[:, ahead] == pytest.approx(expected, abs=2e-3)


def test_the_ridge_follows_the_actions_and_the_fade_cannot() -> None:
    training, test = films(1, 200), films(2, 50)
    shown = dict(forecasts(training, films(3, 20), test, GIVEN, np.random.default_rng(0)))
    errors = {name: float(np.square(film - test.frames[:, GIVEN:]).mean()) for name, film in shown.items()}
    assert min(errors, key=lambda name: errors[name]) == "ridge"
    assert errors["ridge"] < 0.2 * errors["fade"]
    assert errors["fade"] < min(errors[name] for name in ("last frame", "mean picture"))
    assert all(film.shape == (50, HORIZON, *SHAPE) for film in shown.values())


def test_forecasts_read_nothing_after_the_context() -> None:
    training, test = films(1, 60), films(2, 9)
    blind = Films(
        np.where(np.arange(GIVEN + HORIZON)[:, None, None, None] < GIVEN, test.frames, 9), test.actions, test.recordings
    )
    first, second = (
        dict(forecasts(training, films(3, 20), part, GIVEN, np.random.default_rng(0))) for part in (test, blind)
    )
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_keys_have_no_order() -> None:
    """Actions that are numbers of keys are told apart, so their effect need not grow with the number."""
    rng = np.random.default_rng(0)
    effect = np.array([0.0, 0.3, -0.3])

    def played(count: int) -> Films:
        keys = rng.integers(0, 3, (count, 3))
        frames = np.stack([np.zeros(count), np.zeros(count), effect[keys[:, 2]]], 1)[..., None] + 1e-3 * rng.normal(
            size=(count, 3, 5)
        )
        return Films(frames.astype(np.float32), keys, frozenset())

    training, test = played(300), played(40)
    (found,) = ridge_of_films.continued(Fade(training, 2), training, played(40), (test,), 2)
    assert np.abs(found[:, 0] - test.frames[:, 2]).max() < 0.1


def test_dressed_forecasts_have_the_errors_of_whole_windows() -> None:
    rng = np.random.default_rng(0)
    errors = np.array([-0.1, 0.2])[:, None, None] * np.ones((2, 3, 4))
    ensemble = pictures.dressed(np.full((5, 3, 4), 0.5), errors, 200, rng)
    assert ensemble.shape == (200, 5, 3, 4)
    assert set(np.round(np.unique(ensemble), 6)) == {0.4, 0.7}
    assert np.ptp(ensemble, axis=(2, 3)).max() == 0
    assert ensemble.mean() == pytest.approx(0.55, abs=0.02)
    assert pictures.dressed(np.full((1, 1, 1), 0.95), errors[:, :1, :1], 50, rng).max() == 1
