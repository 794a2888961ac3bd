"""Effects of other actions: forecasts of the state dynamics compared with the simulator, which runs the scene again.

The test rooms are in no recording and hold one body each (rooms.py). Each window is forecast and simulated from the end
of its context under its own actions, under those of another room, and with a resting hand. A linear readout, fitted in
other rooms, maps world states to places; in half of those rooms the hand executes the actions of another room.

`hand_effect`, `body_effect`, interventions: the cosine between forecast and true change of the place, over all windows,
averaged over the horizon. Floors: no effect (0); an observational regressor, a ridge regression from the actions of the
horizon to displacements, without the state; a ridge regression from the last world state and the actions to places,
fitted in the rooms of other actions, too; the model given a third room's actions. Ceiling: 1.
`abduction`, a counterfactual (Pearl 2009, "Causality", section 7.1): what would other actions have caused in this same
course of events? Abduction: the noise of each frame is the error of the forecast one frame ahead. Only a fraction of
the inferred noise is kept, because part of it is readout error: the fraction with the smallest error in the rooms of
the readout. Action: the other actions. Prediction: the forecast with that noise. The metric is the root mean square
error of all places. Floors: the forecast without noise; the same noise under the window's own actions, the score of a
model that ignores actions; the ridge regression from state and actions, without noise and with a share of its own,
chosen in rooms that it is not fitted in; the true course, left unchanged. Ceiling: the readout of the true course.
`but_for`, responsibility: the body moved further than `moved`; would it have done so if the hand had rested? The
simulator gives the truth; the answer, by abduction as above, is how near to its start the body would have ended. Area
under the ROC curve. Floors: chance (0.5); the answer for another room's actions in place of the resting hand; the
answer of the ridge regression with its noise; how near to its start it really ended; how weak the commands were.
Ceiling: 1. Omitted if the truth is the same for all windows.

Reported without being metrics: the share of the true change that is explained; errors of places for each thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.data.sources.playroom.rerun import playroom_settings
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import Bench, require
from sensorium.evaluation.sample import Sample, of_other_recordings, with_actions_of
from sensorium.evaluation.scores import cosine, explained, products, root_mean
from sensorium.evaluation.statistics import measure
from sensorium.forecasting.config import CausalConfig, StateDynamicsConfig
from sensorium.forecasting.evaluation import motion_figures
from sensorium.forecasting.evaluation.causal_places import (
    ActionRegressor,
    LinearPlaces,
    PlaceForecaster,
    best_share,
    best_share_elsewhere,
)
from sensorium.forecasting.evaluation.forecasts import INPUTS, Forecaster
from sensorium.forecasting.evaluation.rooms import SingleBodyRooms
from sensorium.randomness import stable_seed

REVISION = 5
EVALUATION = Evaluation(__name__, CausalConfig, inputs=INPUTS, control="the state dynamics")
main = EVALUATION.main

OBSERVED = 2000  # windows that the observational regressor is fitted on
LINEAR = "ridge, state and actions"


def judge(bench: Bench, config: CausalConfig) -> Result:
    """Compare effects of actions, counterfactuals and responsibility with the simulator."""
    forecaster = Forecaster(bench)
    require(forecaster.recordings, "action", "causal needs recordings with actions")
    trained = bench.parts.section("state_dynamics", StateDynamicsConfig)
    given, horizon = trained.context, trained.horizon
    rng = np.random.default_rng(stable_seed(config.seed, "causal"))
    rooms, fitting, shuffled = simulated_rooms(forecaster, config)
    places = PlaceForecaster(forecaster, (fitting, shuffled), given)
    tried, observed = (fitting.sample(given + horizon, count, rng) for count in (config.windows // 2, OBSERVED))
    tried_changed = exchanged(tried, given, rng)
    sample = rooms.sample(given + horizon, config.windows, rng)
    changed, third = (exchanged(sample, given, rng) for _ in range(2))
    regressor = ActionRegressor(observed, places.columns, given)
    seen = [observed, shuffled.sample(given + horizon, OBSERVED, rng)]
    linear = LinearPlaces(places, seen)
    truth = fitting.rerun(tried, tried_changed, given)[..., places.columns]
    kept = best_share(places, tried, tried_changed, truth)
    linear_kept = best_share_elsewhere(places, seen, tried, tried_changed, truth)
    case = Case.of(sample, rooms, places, changed, third, kept, linear, linear_kept)
    fitted_on = places.fitted_on | regressor.fitted_on | linear.fitted_on | set(tried.names)

    sums = effect_sums(case, regressor)
    errors = counterfactual_errors(case)
    answers, happened, stayed = responsibility_answers(case, config.moved)
    groups = sample.names
    metrics = effect_metrics(sums, groups, fitted_on, config.seed)
    metrics["abduction"] = abduction_metric(case, errors, groups, fitted_on, config.seed)
    if stayed.any() and not stayed.all():  # otherwise there is nothing to separate
        metrics["but_for"] = responsibility(answers, sample.groups[happened].tolist(), fitted_on, config.seed)

    notes = notes_of(case, sums, errors) | {"happened": int(happened.sum()), "due_to_the_hand": int(stayed.sum())}
    ahead = {name: np.sqrt(error.mean((0, 2))) for name, error in errors.items()}
    lines = effect_curves(sums, horizon)
    return Result(
        metrics, lambda path: motion_figures.causal(path, lines, ahead, answers["model"], config.moved), notes
    )


def simulated_rooms(forecaster: Forecaster, config: CausalConfig) -> tuple[SingleBodyRooms, ...]:
    """Test rooms; rooms that the readout is fitted in; as many again with the actions of other rooms."""
    world = playroom_settings(forecaster.recordings)
    first = world.recordings + config.rooms
    return (
        SingleBodyRooms(forecaster, world, world.recordings, config.rooms),
        SingleBodyRooms(forecaster, world, first, config.learned_from),
        SingleBodyRooms(forecaster, world, first + config.learned_from, config.learned_from, shuffled=True),
    )


@dataclass(frozen=True)
class Case:
    """Windows with what happened in them, and what would have happened under other actions.

    Attributes:
        sample: the windows.
        places: the readout and forecasts of places.
        changed, third, rest: actions after the context: of another room, of a third room, of a resting hand; [n, T, A].
        kept: share of the noise that abduction keeps.
        linear: the ridge regression from the last world state and the actions.
        linear_kept: share of the noise that abduction by it keeps.
        truth: true places in all frames, [n, T, K, 2].
        true_changed, true_rest: true places after the context under `changed` and under `rest`, [n, H, K, 2].
        readout: readout of the true world states, [n, T, K, 2].
    """

    sample: Sample
    places: PlaceForecaster
    changed: np.ndarray
    third: np.ndarray
    rest: np.ndarray
    kept: float
    truth: np.ndarray
    true_changed: np.ndarray
    true_rest: np.ndarray
    readout: np.ndarray
    linear: LinearPlaces
    linear_kept: float

    @classmethod
    def of(
        cls,
        sample: Sample,
        rooms: SingleBodyRooms,
        places: PlaceForecaster,
        changed: np.ndarray,
        third: np.ndarray,
        kept: float,
        linear: LinearPlaces,
        linear_kept: float,
    ) -> Case:
        """Simulate the windows again under `changed` and with a hand that rests."""
        rest = sample["action"].copy()
        rest[:, places.given :] = 0
        true_changed, true_rest = (
            rooms.rerun(sample, moves, places.given)[..., places.columns] for moves in (changed, rest)
        )
        truth = sample["truth.state"][..., places.columns]
        read = places.true(sample)
        return cls(
            *(sample, places, changed, third, rest, kept, truth, true_changed, true_rest, read, linear, linear_kept)
        )

    @property
    def fact(self) -> np.ndarray:
        """True places after the context, [n, H, K, 2]."""
        return self.truth[:, self.places.given :]

    def forecast(self, actions: np.ndarray, kept: float = 0.0) -> np.ndarray:
        """Places after the context under actions, [n, H, K, 2]."""
        return self.places.forecast(self.sample, actions, kept)

    def linearly(self, actions: np.ndarray, kept: float = 0.0) -> np.ndarray:
        """The same by the ridge regression, [n, H, K, 2]."""
        return self.linear.forecast(self.sample, actions, kept)


Sums = dict[str, dict[str, np.ndarray]]  # thing -> forecast -> sums of `scores.products`


def effect_sums(case: Case, regressor: ActionRegressor) -> Sums:
    """Products of forecast and true effects of `changed`, of the model and of its floors."""
    actions = case.sample["action"]
    own = case.forecast(actions)
    effects = {
        "model": case.forecast(case.changed) - own,
        "observational regressor": (regressor(case.changed) - regressor(actions)).reshape(case.fact.shape),
        LINEAR: case.linearly(case.changed) - case.linearly(actions),
        "other actions": case.forecast(case.third) - own,
    }
    truth = case.true_changed - case.fact
    return {
        thing: {name: products(effect[:, :, k], truth[:, :, k]) for name, effect in effects.items()}
        for k, thing in enumerate(case.places.things)
    }


def effect_metrics(sums: Sums, groups: Sequence[str], fitted_on: Set[str], seed: int) -> dict[str, dict[str, Any]]:
    """`hand_effect` and `body_effect`."""
    return {
        f"{thing}_effect": measure(
            f"{thing}_effect",
            of["model"],
            groups,
            statistic=cosine,
            fitted_on=fitted_on,
            baselines={"no effect": 0.0} | {name: of[name] for name in of if name != "model"},
            ceilings={"truth": 1.0},
            seed=seed,
        )
        for thing, of in sums.items()
    }


def effect_curves(sums: Sums, horizon: int) -> dict[str, np.ndarray]:
    """Cosine of forecast and true effects over the horizon, for each thing and forecast."""
    return {
        f"{thing}, {name}": np.array([cosine(value[:, [h]], np.ones(len(value))) for h in range(horizon)])
        for thing, of in sums.items()
        for name, value in of.items()
    }


def counterfactual_errors(case: Case) -> dict[str, np.ndarray]:
    """Squared errors of places under `changed`, [n, H, K]: of abduction first, then of its floors."""
    answers = {
        "abduction, action, prediction": case.forecast(case.changed, case.kept),
        "plain forecast": case.forecast(case.changed),
        "its own actions": case.forecast(case.sample["action"], case.kept),
        LINEAR: case.linearly(case.changed),
        f"{LINEAR}, with noise": case.linearly(case.changed, case.linear_kept),
        "what happened, unchanged": case.readout[:, case.places.given :],
    }
    return {name: ((places - case.true_changed) ** 2).sum(-1) for name, places in answers.items()}


def abduction_metric(
    case: Case, errors: Mapping[str, np.ndarray], groups: Sequence[str], fitted_on: Set[str], seed: int
) -> dict[str, Any]:
    """`abduction`, from `counterfactual_errors`."""
    model, *floors = (error.mean((1, 2)) for error in errors.values())
    oracle = ((case.readout[:, case.places.given :] - case.fact) ** 2).sum(-1).mean((1, 2))
    return measure(
        "abduction",
        model,
        groups,
        statistic=root_mean,
        fitted_on=fitted_on,
        baselines=dict(zip(list(errors)[1:], floors, strict=True)),
        ceilings={"readout of what happened": oracle},
        higher_is_better=False,
        seed=seed,
    )


def responsibility_answers(case: Case, moved: float) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Answers to `but_for`.

    Returns:
        name -> (how near to its start the body would have ended, whether it would have stayed), [m, 2], of the m
        windows in which it moved further than `moved`; which windows those are, bool [n]; would it have stayed, [m].
    """
    body, last = len(case.places.things) - 1, case.places.given - 1
    start, start_readout = case.truth[:, last, body], case.readout[:, last, body]
    happened = distance_from_start(case.fact, start, body) > moved
    stayed = distance_from_start(case.true_rest, start, body) <= moved
    near = {
        "model": -distance_from_start(case.forecast(case.rest, case.kept), start_readout, body),
        "other actions": -distance_from_start(case.forecast(case.third, case.kept), start_readout, body),
        LINEAR: -distance_from_start(case.linearly(case.rest, case.linear_kept), start_readout, body),
        "what happened": -distance_from_start(case.readout, start_readout, body),
        "weakness of the commands": -np.abs(case.sample["action"][:, case.places.given :]).mean((1, 2)),
    }
    answers = {name: np.stack([answer, stayed], 1)[happened] for name, answer in near.items()}
    return answers, happened, stayed[happened]


def responsibility(
    answers: Mapping[str, np.ndarray], groups: Sequence[str], fitted_on: Set[str], seed: int
) -> dict[str, Any]:
    """The metric `but_for`, from (answer, truth) [m, 2] of the model and of what is simpler."""
    return measure(
        "but_for",
        answers["model"],
        groups,
        statistic=area,
        fitted_on=fitted_on,
        baselines={"chance": 0.5} | {name: answer for name, answer in answers.items() if name != "model"},
        ceilings={"truth": 1.0},
        seed=seed,
    )


def notes_of(case: Case, sums: Sums, errors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Values reported without being metrics."""
    things, truth = case.places.things, case.true_changed - case.fact
    return {
        "explained": {
            thing: {name: explained(value.sum((0, 1))) for name, value in of.items()} for thing, of in sums.items()
        },
        "share_of_noise_kept": case.kept,
        "counterfactual_error": {
            name: {thing: float(np.sqrt(error[:, :, k].mean())) for k, thing in enumerate(things)}
            for name, error in errors.items()
        },
        "true_effect": {thing: float(np.sqrt((truth[:, :, k] ** 2).sum(-1).mean())) for k, thing in enumerate(things)},
    }


def exchanged(sample: Sample, given: int, rng: np.random.Generator) -> np.ndarray:
    """The actions of each window up to its context's end, then those of another room's window."""
    return with_actions_of(sample["action"], of_other_recordings(sample.groups, rng), given)


def distance_from_start(places: np.ndarray, start: np.ndarray, thing: int) -> np.ndarray:
    """How far from its start [n, 2] a thing ends up, by places [n, T, K, 2]: [n]."""
    return np.linalg.norm(places[:, -1, thing] - start, axis=-1)


def area(samples: np.ndarray, weights: np.ndarray) -> float:
    """Area under the ROC curve: the share of pairs that are ranked right; samples [n, 2] are (score, label)."""
    label = samples[:, 1] > 0
    positive, negative = samples[label, 0], samples[~label, 0]
    above = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    total = weights[label].sum() * weights[~label].sum()
    return float(weights[label] @ above @ weights[~label] / total) if total > 0 else 0.5
