"""Where things will be: a linear readout of positions, applied to world states that the state dynamics forecast.

The readout maps world states to positions (the variables NAME_x, NAME_y of the truth). It is fitted on training
recordings. The test windows begin with true world states; after these the model continues from its own forecasts.
Errors are root mean square distances in the truth's own unit of length: room widths in the playroom.
`position_error` counts all things, `body_error` all but the hand, which the actions steer. Floors: a ridge regression
from the last world state in the context and the actions to the next world states, which are read alike; the same
straight to positions; the last position in the context, held; a straight line through the positions in the context;
free fall with drag and walls from the last position and velocity, all by the readout; the mean position of the training
recordings; an untrained network, which forecasts no change. Ceiling: the readout of the true world states.
Reference: the actions of another recording. `action_effect` is the increase of the error under those actions; its
floor is 0.
`likelihood` is the mean negative log likelihood of a true world state, on the model's axes. Floors: the ridge
regression, with variances by another from the last change; the model's means with variances that depend on axis and
frames ahead alone, measured on validation recordings; the same for the last state, held; the untrained network.
Ceiling: those variances, scaled by each frame's own true error.
`spread_error` is Spearman's correlation of the forecast standard deviation and the true error of the world state,
within each frame ahead. Floors: 0, the size of the last change in the context, and the ridge regression with its own
spread and error. Ceiling: errors drawn from the forecast itself.
The ridge regressions are fitted on all windows of the readout's recordings, and their penalty is chosen there.

Reported without being metrics, because calibration alone is no skill: the share of truths within the 50 % and the 90 %
intervals, of the world state and of positions (there with the readout's own error, measured on validation recordings),
and the likelihood of positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sensorium.data.recording import Split
from sensorium.evaluation.baselines.regression import Ridge
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench
from sensorium.evaluation.sample import of_other_recordings, with_actions_of
from sensorium.evaluation.scores import correlation, mean, root_mean
from sensorium.evaluation.statistics import measure
from sensorium.forecasting.config import MotionConfig, StateDynamicsConfig
from sensorium.forecasting.evaluation import motion_figures
from sensorium.forecasting.evaluation.calibration import Spreads, calibration, negative_log_likelihood, ranked
from sensorium.forecasting.evaluation.forecasts import INPUTS, Forecaster, Forecasts
from sensorium.forecasting.evaluation.place_readout import PlaceReadout
from sensorium.forecasting.evaluation.ridge_forecast import PLACES, STATES, RidgeForecast, flat, known
from sensorium.forecasting.evaluation.trajectories import ballistic, straight
from sensorium.perception.embed import EmbeddedRecordings
from sensorium.randomness import stable_seed

REVISION = 3
EVALUATION = Evaluation(__name__, MotionConfig, inputs=INPUTS, control="the state dynamics")
main = EVALUATION.main

LEARNED: Split = "training"  # what readout and ridge regressions are fitted on
HAND = "hand"
DRAWN = ("model", STATES, PLACES, "last position", "straight line", "mean position", "other actions", "true states")


def judge(bench: Bench, config: MotionConfig) -> Result:
    """Compare forecasts of positions and world states with the truth, and their spread with their error."""
    forecaster = Forecaster(bench)
    trained = bench.parts.section("state_dynamics", StateDynamicsConfig)
    given, horizon = trained.context, trained.horizon
    rng = np.random.default_rng(stable_seed(config.seed, "motion"))
    learned = forecaster.embedded(LEARNED, config.recordings)
    readout = PlaceReadout(forecaster, learned, LEARNED)
    ridge, to_places = ridges(forecaster, learned, readout.columns, given + horizon, given)
    validation = forecaster.sample("validation", given + horizon, config.windows, rng)
    test = forecaster.sample("test", given + horizon, config.windows, rng)
    checked, judged = Forecasts.of(forecaster, validation, given), Forecasts.of(forecaster, test, given)
    untrained = Forecasts.of(forecaster, test, given, untrained_seed=FLOOR_SEEDS[0])  # all seeds forecast no change
    actions = test.get("action")
    linear = replace(judged, **dict(zip(("mean", "variance"), ridge(judged.context, actions), strict=True)))

    truth = test["truth.state"][:, given:][..., readout.columns]  # [n, H, K, 2]
    positions = compared_positions(readout, judged, untrained)
    positions[STATES] = readout.positions(linear.mean)
    positions[PLACES] = to_places(known(judged.context, actions, given)).reshape(truth.shape)
    if actions is not None:
        others = with_actions_of(actions, of_other_recordings(test.groups, rng), given)
        positions["other actions"] = readout.positions(Forecasts.of(forecaster, test, given, actions=others).mean)
    errors = {name: ((places - truth) ** 2).sum(-1) for name, places in positions.items()}  # [n, H, K]

    fitted = ridge.future.fitted_on | set(validation.names)
    variances = ((checked.mean - checked.future) ** 2).mean(0)  # of each axis and frame ahead, [H, D]
    metrics = {
        **position_metrics(errors, forecaster.things, test.names, readout.fitted_on | to_places.fitted_on, config.seed),
        "likelihood": likelihood_metric(judged, checked, untrained, linear, variances, test.names, fitted, config.seed),
        "spread_error": spread_metric(judged, linear, rng, test.names, ridge.future.fitted_on, config.seed),
    }
    spreads = Spreads.of(readout, judged, checked, truth, validation["truth.state"][:, given:][..., readout.columns])
    notes = {
        "error_over_horizon": {
            name: {thing: np.sqrt(error[:, :, k].mean(0)).tolist() for k, thing in enumerate(forecaster.things)}
            for name, error in errors.items()
        },
        "left_to_gain": left_to_gain(metrics),
        "calibration": calibration(judged, variances, spreads),
    }
    covered = {"world state": (judged.square_error, judged.variance), "positions": (spreads.square, spreads.variance)}
    lines = {name: np.sqrt(errors[name].mean((0, 2))) for name in DRAWN if name in errors}
    return Result(metrics, lambda path: motion_figures.motion(path, lines, covered), notes)


def ridges(
    forecaster: Forecaster, embedded: EmbeddedRecordings, columns: np.ndarray, frames: int, given: int
) -> tuple[RidgeForecast, Ridge]:
    """From the last of the given states and the actions of all windows: to states, and straight to places [H * K * 2].

    Args:
        forecaster: projects the states.
        embedded: training recordings.
        columns: of the places in the truth, [K, 2].
        frames, given: of a window, and of its context.
    """
    sample = forecaster.windows(embedded, LEARNED, frames)
    states, places = forecaster.project(sample["state"]), flat(sample["truth.state"][:, given:][..., columns])
    to_places = Ridge.fit(known(states, sample.get("action"), given), places, sample.groups)
    return RidgeForecast.fit(sample, states, given), to_places


def compared_positions(readout: PlaceReadout, judged: Forecasts, untrained: Forecasts) -> dict[str, np.ndarray]:
    """Positions by the model, by each floor and by the ceiling, [n, H, K, 2] each."""
    horizon = judged.future.shape[1]
    before = readout.positions(judged.context)
    velocity = readout.velocities(judged.context[:, -1])
    forecast = readout.positions(judged.mean)
    return {
        "model": forecast,
        "last position": np.repeat(before[:, -1:], horizon, 1),
        "straight line": straight(before, horizon),
        **({} if velocity is None else {"gravity": ballistic(before[:, -1], velocity, horizon)}),
        "mean position": np.broadcast_to(readout.usual, forecast.shape),
        "untrained": readout.positions(untrained.mean),
        "true states": readout.positions(judged.future),
    }


def position_metrics(
    errors: Mapping[str, np.ndarray], things: list[str], groups: list[str], fitted_on: frozenset[str], seed: int
) -> dict[str, dict[str, Any]]:
    """`position_error`, `body_error` and `action_effect`, from squared distances [n, H, K]."""
    bodies = [number for number, thing in enumerate(things) if thing != HAND]
    chosen = {"position_error": list(range(len(things)))}
    if 0 < len(bodies) < len(things):
        chosen["body_error"] = bodies
    metrics = {}
    for name, which in chosen.items():
        samples = {key: error[:, :, which].mean((1, 2)) for key, error in errors.items()}
        metrics[name] = measure(
            name,
            samples.pop("model"),
            groups,
            statistic=root_mean,
            higher_is_better=False,
            ceilings={"true states": samples.pop("true states")},
            references={key: samples.pop(key) for key in ("other actions",) if key in samples},
            fitted_on=fitted_on,
            baselines=samples,
            seed=seed,
        )
    if "other actions" in errors:
        own, other, true = (errors[key].mean((1, 2)) for key in ("model", "other actions", "true states"))
        metrics["action_effect"] = measure(
            "action_effect",
            np.stack([own, other], 1),
            groups,
            statistic=excess,
            fitted_on=fitted_on,
            baselines={"no effect": 0.0},
            ceilings={"true states": np.stack([true, other], 1)},
            seed=seed,
        )
    return metrics


def left_to_gain(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Errors of positions, in two parts: what a perfect forecast would take away, and what the readout leaves."""
    return {
        name: {
            "by forecasting": metrics[name]["value"] - metrics[name]["ceiling"],
            "by reading": metrics[name]["ceiling"],
        }
        for name in ("position_error", "body_error")
        if name in metrics
    }


def likelihood_metric(
    judged: Forecasts,
    checked: Forecasts,
    untrained: Forecasts,
    linear: Forecasts,
    variances: np.ndarray,
    groups: list[str],
    fitted_on: frozenset[str],
    seed: int,
) -> dict[str, Any]:
    """`likelihood`; `variances` [H, D] are those of the model's errors on validation recordings."""
    square = judged.square_error
    own = variances * (square / variances).mean(2, keepdims=True)
    held = (judged.held - judged.future) ** 2, ((checked.held - checked.future) ** 2).mean(0)
    return measure(
        "likelihood",
        negative_log_likelihood(square, judged.variance),
        groups,
        statistic=mean,
        higher_is_better=False,
        fitted_on=fitted_on,
        baselines={
            "ridge": negative_log_likelihood(linear.square_error, linear.variance),
            "constant variance": negative_log_likelihood(square, variances),
            "last state": negative_log_likelihood(*held),
            "untrained": negative_log_likelihood(untrained.square_error, untrained.variance),
        },
        ceilings={"true errors": negative_log_likelihood(square, own)},
        seed=seed,
    )


def spread_metric(
    judged: Forecasts,
    linear: Forecasts,
    rng: np.random.Generator,
    groups: list[str],
    fitted_on: frozenset[str],
    seed: int,
) -> dict[str, Any]:
    """`spread_error`: do windows with a larger standard deviation have larger errors?"""
    std, error = judged.spread, judged.error
    simulated = np.sqrt((judged.variance * rng.standard_normal(judged.variance.shape) ** 2).mean(2))
    change = np.sqrt(((judged.context[:, -1] - judged.context[:, -2]) ** 2).mean(1))[:, None]
    return measure(
        "spread_error",
        ranked(std, error),
        groups,
        statistic=correlation,
        fitted_on=fitted_on,
        baselines={
            "none": 0.0,
            "last change": ranked(np.broadcast_to(change, error.shape), error),
            "ridge": ranked(linear.spread, linear.error),
        },
        ceilings={"errors as forecast": ranked(std, simulated)},
        seed=seed,
    )


def excess(samples: np.ndarray, weights: np.ndarray) -> float:
    """How much larger the second root mean square is than the first; squares [n, 2]."""
    return root_mean(samples[:, 1], weights) - root_mean(samples[:, 0], weights)
