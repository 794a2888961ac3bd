"""Where things will be: a linear readout of positions, applied to world states that the state dynamics forecast.

The readout maps world states to positions (the variables NAME_x, NAME_y of the truth). It is fitted on training
recordings. The test windows begin with true world states; after these the model continues from its own forecasts.
Errors are root mean square distances in the truth's own unit of length: room widths in the playroom.
`position_error` counts all things, `body_error` all but the hand, which the actions steer. Floors: the last position in
the context, held; a straight line through the positions in the context; free fall with drag and walls from the last
position and velocity, all by the readout; the mean position of the training recordings; an untrained network, which
forecasts no change. Ceiling: the readout of the true world states. Reference: the actions of another recording.
`action_effect` is the increase of the error under those actions; its floor is 0.
`likelihood` is the mean negative log likelihood of a true world state, on the model's axes. Floors: the same means with
variances that depend on axis and frames ahead alone, measured on validation recordings; the same for the last state,
held; the untrained network. Ceiling: those variances, scaled by each frame's own true error.
`spread_error` is Spearman's correlation of the forecast standard deviation and the true error of the world state,
within each frame ahead. Floors: 0, and the size of the last change in the context. Ceiling: errors drawn from the
forecast itself.

Reported without being metrics, because calibration alone is no skill: the share of truths within the 50 % and the 90 %
intervals, of the world state and of positions (there with the readout's own error, measured on validation recordings),
and the likelihood of positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from sensorium.data.sources.playroom.physics import FRAMES_PER_SECOND
from sensorium.data.sources.playroom.scene import GRAVITY, ROOM, WALL
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench
from sensorium.evaluation.readout import Readout
from sensorium.evaluation.sample import Sample, of_other_recordings, with_actions_of
from sensorium.evaluation.scores import correlation, mean, rank_moments, root_mean
from sensorium.evaluation.statistics import NOTHING, measure
from sensorium.forecasting.config import MotionConfig, StateDynamicsConfig
from sensorium.forecasting.evaluation import motion_figures
from sensorium.forecasting.evaluation.forecasts import INPUTS, Forecaster
from sensorium.randomness import stable_seed

REVISION = 2
EVALUATION = Evaluation(__name__, MotionConfig, inputs=INPUTS, control="the state dynamics")
main = EVALUATION.main

SHARES = (0.5, 0.9)
DRAG = 0.75  # share of velocity that the playroom's air leaves after a second
HAND = "hand"


def judge(bench: Bench, config: MotionConfig) -> Result:
    """Compare forecasts of positions and world states with the truth, and their spread with their error."""
    forecaster = Forecaster(bench)
    trained = bench.parts.section("state_dynamics", StateDynamicsConfig)
    given, horizon = trained.context, trained.horizon
    rng = np.random.default_rng(stable_seed(config.seed, "motion"))
    readout = PlaceReadout(forecaster, config.recordings)
    validation = forecaster.sample("validation", given + horizon, config.windows, rng)
    test = forecaster.sample("test", given + horizon, config.windows, rng)
    checked, judged = Forecasts.of(forecaster, validation, given), Forecasts.of(forecaster, test, given)
    untrained = Forecasts.of(forecaster, test, given, untrained_seed=FLOOR_SEEDS[0])

    truth = test["truth.state"][:, given:][..., readout.columns]  # [n, H, K, 2]
    positions = compared_positions(readout, judged, untrained)
    if (actions := test.get("action")) is not None:
        others = with_actions_of(actions, of_other_recordings(test.groups, rng), given)
        positions["other actions"] = readout.positions(Forecasts.of(forecaster, test, given, actions=others).mean)
    errors = {name: ((places - truth) ** 2).sum(-1) for name, places in positions.items()}  # [n, H, K]

    variances = ((checked.mean - checked.future) ** 2).mean(0)  # of each axis and frame ahead, [H, D]
    metrics = {
        **position_metrics(errors, forecaster.things, test.names, config.seed),
        "likelihood": likelihood_metric(judged, checked, untrained, variances, test.names, config.seed),
        "spread_error": spread_metric(judged, rng, test.names, config.seed),
    }
    spreads = Spreads.of(readout, judged, checked, truth, validation["truth.state"][:, given:][..., readout.columns])
    notes = {
        "error_over_horizon": {
            name: {thing: np.sqrt(error[:, :, k].mean(0)).tolist() for k, thing in enumerate(forecaster.things)}
            for name, error in errors.items()
        },
        "calibration": calibration(judged, variances, spreads),
    }
    covered = {"world state": (judged.square_error, judged.variance), "positions": (spreads.square, spreads.variance)}
    lines = {name: np.sqrt(error.mean((0, 2))) for name, error in errors.items()}
    return Result(metrics, lambda path: motion_figures.motion(path, lines, covered), notes)


class PlaceReadout:
    """Readouts of positions and velocities, fitted on world states of training recordings.

    Attributes:
        columns: of the positions in the truth, int [K, 2].
        usual: mean position of each thing, [K, 2].
    """

    def __init__(self, forecaster: Forecaster, recordings: int) -> None:
        embedded = forecaster.embedded("training", recordings)
        names = embedded.names("training")
        states = forecaster.project(np.concatenate([embedded.field(name, "state") for name in names]))
        truth = np.concatenate([embedded.field(name, "truth.state") for name in names]).astype(np.float64)
        self.columns, speeds = forecaster.columns("x", "y"), forecaster.columns("vx", "vy")
        self.linear = Readout(states, truth[:, self.columns.ravel()], standardise=False)
        self.usual = np.nanmean(truth[:, self.columns], axis=0)
        known = (speeds >= 0).all()  # does the truth have velocities?
        self._speeds = Readout(states, truth[:, speeds.ravel()], standardise=False) if known else None

    def positions(self, states: np.ndarray) -> np.ndarray:
        """States on the model's axes [n, T, D] -> positions [n, T, K, 2]."""
        return self.linear(states).reshape(*states.shape[:2], *self.columns.shape)

    def velocities(self, states: np.ndarray) -> np.ndarray | None:
        """States on the model's axes [n, D] -> velocities a second, [n, K, 2]; None: the truth has none."""
        return None if self._speeds is None else self._speeds(states).reshape(len(states), *self.columns.shape)


@dataclass(frozen=True)
class Forecasts:
    """World states of windows and their forecasts, on the model's axes.

    Attributes:
        context: true states that were given, [n, C, D].
        future: true states that followed, [n, H, D].
        mean, variance: of the forecasts of `future`, [n, H, D].
    """

    context: np.ndarray
    future: np.ndarray
    mean: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(
        cls,
        forecaster: Forecaster,
        sample: Sample,
        given: int,
        *,
        actions: np.ndarray | None = None,
        untrained_seed: int | None = None,
    ) -> Forecasts:
        """Forecasts of windows under their own or other actions, by the judged model or by an untrained one."""
        moves = sample.get("action") if actions is None else actions
        mean, variance = forecaster.forecast(sample["state"], moves, given, untrained_seed=untrained_seed)
        states = forecaster.project(sample["state"])
        return cls(states[:, :given], states[:, given:], mean[:, given - 1 :], variance[:, given - 1 :])

    @property
    def square_error(self) -> np.ndarray:
        """[n, H, D]."""
        return (self.mean - self.future) ** 2

    @property
    def held(self) -> np.ndarray:
        """The last state of the context for every frame ahead, [n, H, D]."""
        return np.repeat(self.context[:, -1:], self.future.shape[1], 1)


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
    errors: Mapping[str, np.ndarray], things: list[str], groups: list[str], seed: int
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
            fitted_on=NOTHING,
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
            fitted_on=NOTHING,
            baselines={"no effect": 0.0},
            ceilings={"true states": np.stack([true, other], 1)},
            seed=seed,
        )
    return metrics


def likelihood_metric(
    judged: Forecasts, checked: Forecasts, untrained: Forecasts, variances: np.ndarray, groups: list[str], seed: int
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
        fitted_on=NOTHING,
        baselines={
            "constant variance": negative_log_likelihood(square, variances),
            "last state": negative_log_likelihood(*held),
            "untrained": negative_log_likelihood(untrained.square_error, untrained.variance),
        },
        ceilings={"true errors": negative_log_likelihood(square, own)},
        seed=seed,
    )


def spread_metric(judged: Forecasts, rng: np.random.Generator, groups: list[str], seed: int) -> dict[str, Any]:
    """`spread_error`: do windows with a larger standard deviation have larger errors?"""
    std, error = np.sqrt(judged.variance.mean(2)), np.sqrt(judged.square_error.mean(2))  # [n, H]
    simulated = np.sqrt((judged.variance * rng.standard_normal(judged.variance.shape) ** 2).mean(2))
    change = np.sqrt(((judged.context[:, -1] - judged.context[:, -2]) ** 2).mean(1))[:, None]
    return measure(
        "spread_error",
        ranked(std, error),
        groups,
        statistic=correlation,
        fitted_on=NOTHING,
        baselines={"none": 0.0, "last change": ranked(np.broadcast_to(change, error.shape), error)},
        ceilings={"errors as forecast": ranked(std, simulated)},
        seed=seed,
    )


@dataclass(frozen=True)
class Spreads:
    """Squared errors of forecast positions and the variances that should cover them.

    Attributes:
        square: [n, H, K, 2].
        variance: of the forecasts, with the readout's own error, [n, H, K, 2].
        constant: of each frame ahead, measured on validation recordings, [H, K, 2].
    """

    square: np.ndarray
    variance: np.ndarray
    constant: np.ndarray

    @classmethod
    def of(
        cls, readout: PlaceReadout, judged: Forecasts, checked: Forecasts, truth: np.ndarray, checked_truth: np.ndarray
    ) -> Spreads:
        """From true positions [n, H, K, 2] of test and of validation windows."""
        own = ((readout.positions(checked.future) - checked_truth) ** 2).mean((0, 1))  # of the readout, [K, 2]
        variance = own + readout.linear.variance(judged.variance).reshape(truth.shape)
        constant = ((readout.positions(checked.mean) - checked_truth) ** 2).mean(0)
        return cls((readout.positions(judged.mean) - truth) ** 2, variance, constant)


def calibration(judged: Forecasts, variances: np.ndarray, spreads: Spreads) -> dict[str, Any]:
    """Coverage of intervals and likelihood of positions."""
    ranks = ranked(np.sqrt(spreads.variance.sum(-1)), np.sqrt(spreads.square.sum(-1)))
    constant = negative_log_likelihood(spreads.square, spreads.constant)
    return {
        "world state": coverage(judged.square_error, judged.variance),
        "world state, constant variance": coverage(judged.square_error, variances),
        "positions": coverage(spreads.square, spreads.variance),
        "positions, constant variance": coverage(spreads.square, spreads.constant),
        "likelihood of positions": float(negative_log_likelihood(spreads.square, spreads.variance).mean()),
        "likelihood of positions, constant variance": float(constant.mean()),
        "correlation within each frame ahead, positions": correlation(ranks, np.ones(len(spreads.square))),
    }


def ranked(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`scores.rank_moments` within each frame ahead."""
    return rank_moments(first, second, within_columns=True)


def straight(positions: np.ndarray, horizon: int) -> np.ndarray:
    """The last of positions [n, C, K, 2] moved on by the slope of the straight line through all: [n, horizon, K, 2]."""
    when = np.arange(positions.shape[1]) - (positions.shape[1] - 1) / 2
    slope = np.einsum("c,nckx->nkx", when, positions) / (when**2).sum()
    return positions[:, -1:] + slope[:, None] * np.arange(1, horizon + 1)[:, None, None]


def ballistic(position: np.ndarray, velocity: np.ndarray, horizon: int) -> np.ndarray:
    """Free fall in the playroom, in room widths: [n, K, 2] each -> [n, horizon, K, 2]; y points down."""
    step, path = 1 / FRAMES_PER_SECOND, []
    for _ in range(horizon):
        velocity = velocity * DRAG**step + np.array([0.0, GRAVITY / ROOM]) * step
        position = np.clip(position + velocity * step, WALL / ROOM, 1 - WALL / ROOM)
        path.append(position)
    return np.stack(path, 1)


def excess(samples: np.ndarray, weights: np.ndarray) -> float:
    """How much larger the second root mean square is than the first; squares [n, 2]."""
    return root_mean(samples[:, 1], weights) - root_mean(samples[:, 0], weights)


def negative_log_likelihood(square: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Negative log likelihood of squared errors [n, ...] under Gaussians, the mean of each row, float64 [n]."""
    variance = np.broadcast_to(variance, square.shape).astype(np.float64)
    each = 0.5 * (np.log(2 * np.pi * variance) + square / variance)
    return each.reshape(len(each), -1).mean(1)


def coverage(square: np.ndarray, variance: np.ndarray) -> dict[str, float]:
    """Share of squared errors within the intervals of Gaussians, for each of SHARES."""
    return {f"{share:.0%}": float((square <= norm.ppf(0.5 + share / 2) ** 2 * variance).mean()) for share in SHARES}
