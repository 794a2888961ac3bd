"""Where things will be: positions read from world states that the state dynamics foretell, alone, frame after frame.

A ridge regression reads positions (of what the truth names NAME_x, NAME_y) from world states, fitted on training
recordings; the model's test windows begin with true world states and go on without any. Errors are root mean square
distances in the truth's own unit of length: room widths in the playroom.
`position_error` counts all things, `body_error` all but the hand, which the actions steer. Floors: the last read
position, held; a straight line through the read positions of the context; gravity, drag and walls from the read
position and velocity; the mean position of the training recordings; an untrained network, which says that nothing
changes. Ceiling: positions read from the true world states. Reference: the actions of another recording.
`action_effect` is how much larger the error becomes by those; its floor is 0.
`likelihood` is the mean negative log likelihood of a true world state, on the model's axes. Floors: the same means
with variances that depend on axis and frames ahead alone, measured on validation recordings; the same for the last
state, held; the untrained network. Ceiling: those variances, scaled by each frame's own true error.
`spread_error` is Spearman's correlation of foretold deviation and true error of the world state, within each frame
ahead. Floors: 0, and the size of the last change that was seen. Ceiling: errors drawn from what was foretold.

Told beside it, no metric, for calibration alone is no skill: the share of truths within the 50 % and the 90 %
intervals, of the world state and of positions (there with the read-out's own error, measured on validation
recordings), and the likelihood of positions.
"""

from __future__ import annotations

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
from sensorium.evaluation.statistics import measure
from sensorium.forecasting.config import MotionConfig
from sensorium.forecasting.evaluation import motion_figures
from sensorium.forecasting.evaluation.forecasts import INPUTS, Forecaster
from sensorium.randomness import stable_seed

REVISION = 1
EVALUATION = Evaluation(__name__, MotionConfig, inputs=INPUTS, control="the state dynamics")
main = EVALUATION.main

SHARES = (0.5, 0.9)
DRAG = 0.75  # share of velocity that the playroom's air leaves after a second
HAND = "hand"


def judge(bench: Bench, config: MotionConfig) -> Result:
    """Forecasts of positions and of world states, and how sure they are."""
    forecaster = Forecaster(bench)
    settings = bench.parts.manifest("state_dynamics")["config"]
    given, horizon = int(settings["context"]), int(settings["horizon"])
    rng = np.random.default_rng(stable_seed(config.seed, "motion"))

    places, speeds = forecaster.columns("x", "y"), forecaster.columns("vx", "vy")
    told = forecaster.embedded("training", config.recordings)
    names = told.names("training")
    learnt = forecaster.turned(np.concatenate([told.field(name, "state") for name in names]))
    known = np.concatenate([told.field(name, "truth.state") for name in names]).astype(np.float64)
    read = Readout(learnt, known[:, places.ravel()], standardise=False)
    usual = np.nanmean(known[:, places], axis=0)  # [K, 2]
    checks, takes = (
        forecaster.sample(forecaster.embedded(split), split, given + horizon, config.windows, rng)  # type: ignore[arg-type]
        for split in ("validation", "test")
    )
    groups = takes.groups.tolist()
    things = len(places)

    def positions(turned: np.ndarray) -> np.ndarray:
        return read(turned).reshape(*turned.shape[:2], things, 2)

    def ahead(some: Sample, actions: np.ndarray | None, seed: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        foretold = forecaster.forecast(some["state"], actions, given, untrained_seed=seed)
        return foretold[0][:, given - 1 :], foretold[1][:, given - 1 :]

    seen, seen_check = forecaster.turned(takes["state"]), forecaster.turned(checks["state"])
    told_mean, told_variance = ahead(takes, takes.get("action"))
    check_mean, _ = ahead(checks, checks.get("action"))
    blank_mean, blank_variance = ahead(takes, takes.get("action"), FLOOR_SEEDS[0])
    future, future_check = seen[:, given:], seen_check[:, given:]
    held, held_check = (np.repeat(turned[:, given - 1 : given], horizon, 1) for turned in (seen, seen_check))

    truth = takes["truth.state"][:, given:][..., places]  # [n, H, K, 2]
    before = positions(seen[:, :given])
    moving = before_velocity(forecaster, learnt, known, speeds, seen[:, given - 1]) if (speeds >= 0).all() else None
    guesses = {
        "model": positions(told_mean),
        "last position": np.repeat(before[:, -1:], horizon, 1),
        "straight line": straight(before, horizon),
        **({} if moving is None else {"gravity": ballistic(before[:, -1], moving, horizon)}),
        "mean position": np.broadcast_to(usual, truth.shape),
        "untrained": positions(blank_mean),
        "true states": positions(future),
    }
    if takes.get("action") is not None:
        moved = with_actions_of(takes["action"], of_other_recordings(takes.groups, rng), given)
        guesses["other actions"] = positions(ahead(takes, moved)[0])
    errors = {name: ((guess - truth) ** 2).sum(-1) for name, guess in guesses.items()}  # [n, H, K]

    metrics: dict[str, dict[str, Any]] = {}
    rest = [number for number, thing in enumerate(forecaster.things) if thing != HAND]
    chosen = {"position_error": list(range(things))} | ({"body_error": rest} if 0 < len(rest) < things else {})
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
            floors=samples,
            seed=config.seed,
        )
    if "other actions" in errors:
        pairs = [errors[key].mean((1, 2)) for key in ("model", "other actions")]
        metrics["action_effect"] = measure(
            "action_effect",
            np.stack(pairs, 1),
            groups,
            statistic=excess,
            floors={"no effect": 0.0},
            ceilings={"true states": np.stack([errors["true states"].mean((1, 2)), pairs[1]], 1)},
            seed=config.seed,
        )

    constant = ((check_mean - future_check) ** 2).mean(0)  # [H, D]
    square = (told_mean - future) ** 2
    scaled = constant * (square / constant).mean(2, keepdims=True)
    unlikely = {
        "model": surprise(square, told_variance),
        "constant variance": surprise(square, constant),
        "last state": surprise((held - future) ** 2, ((held_check - future_check) ** 2).mean(0)),
        "untrained": surprise((blank_mean - future) ** 2, blank_variance),
    }
    metrics["likelihood"] = measure(
        "likelihood",
        unlikely.pop("model"),
        groups,
        statistic=mean,
        higher_is_better=False,
        floors=unlikely,
        ceilings={"true errors": surprise(square, scaled)},
        seed=config.seed,
    )

    spread, error = np.sqrt(told_variance.mean(2)), np.sqrt(square.mean(2))  # [n, H]
    drawn = np.sqrt((told_variance * rng.standard_normal(told_variance.shape) ** 2).mean(2))
    change = np.sqrt(((seen[:, given - 1] - seen[:, given - 2]) ** 2).mean(1))[:, None]
    metrics["spread_error"] = measure(
        "spread_error",
        ranked(spread, error),
        groups,
        statistic=correlation,
        floors={"none": 0.0, "last change": ranked(np.broadcast_to(change, error.shape), error)},
        ceilings={"errors as foretold": ranked(spread, drawn)},
        seed=config.seed,
    )

    own = ((positions(future_check) - checks["truth.state"][:, given:][..., places]) ** 2).mean((0, 1))  # [K, 2]
    wide = own + read.variance(told_variance).reshape(truth.shape)
    wide_check = ((positions(check_mean) - checks["truth.state"][:, given:][..., places]) ** 2).mean(0)  # [H, K, 2]
    away = (guesses["model"] - truth) ** 2
    notes = {
        "error_over_horizon": {
            name: {thing: np.sqrt(error[:, :, k].mean(0)).tolist() for k, thing in enumerate(forecaster.things)}
            for name, error in errors.items()
        },
        "calibration": {
            "world state": coverage(square, told_variance),
            "world state, constant variance": coverage(square, constant),
            "positions": coverage(away, wide),
            "positions, constant variance": coverage(away, wide_check),
            "likelihood of positions": float(surprise(away, wide).mean()),
            "likelihood of positions, constant variance": float(surprise(away, wide_check).mean()),
            "correlation within each frame ahead, positions": correlation(
                ranked(np.sqrt(wide.sum(-1)), np.sqrt(away.sum(-1))), np.ones(len(away))
            ),
        },
    }
    covered = {"world state": (square, told_variance), "positions": (away, wide)}
    lines = {name: np.sqrt(e.mean((0, 2))) for name, e in errors.items()}
    return Result(metrics, lambda path: motion_figures.motion(path, lines, covered), notes)


def before_velocity(
    forecaster: Forecaster, states: np.ndarray, truth: np.ndarray, speeds: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """Velocities [n, K, 2], a second, read from the last states given, [n, D]."""
    return Readout(states, truth[:, speeds.ravel()], standardise=False)(last).reshape(len(last), *speeds.shape)


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


def surprise(square: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Negative log likelihood of squared errors [n, ...] under Gaussians, the mean of each row, float64 [n]."""
    variance = np.broadcast_to(variance, square.shape).astype(np.float64)
    each = 0.5 * (np.log(2 * np.pi * variance) + square / variance)
    return each.reshape(len(each), -1).mean(1)


def coverage(square: np.ndarray, variance: np.ndarray) -> dict[str, float]:
    """Share of squared errors within the intervals of Gaussians, for each of SHARES."""
    return {f"{share:.0%}": float((square <= norm.ppf(0.5 + share / 2) ** 2 * variance).mean()) for share in SHARES}
