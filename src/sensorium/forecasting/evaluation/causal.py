"""What other actions would have changed: the state dynamics' answer beside that of the simulator, run again.

Asked in rooms that no recording holds, with one body each (rooms.py). Windows are foretold and simulated from the end
of their context on with their own actions, with those of another room, and with a hand that rests. Places are read
from foretold world states by a regression learned in other rooms, in half of which the hand does not follow its habits.

`hand_effect`, `body_effect`, interventions: the cosine between foretold and true change of the place, over all windows,
averaged over the horizon. Floors: no effect (0); an observational regressor, a ridge regression from the actions of the
horizon to displacements, which knows no state; the model told a third room's actions. Ceiling: 1.
`abduction`, a counterfactual (Pearl 2009, "Causality", section 7.1): what would have come of other actions in this very
course of events? Abduction: the noise of every frame is what the window was off by, one frame ahead. Of it a share is
kept, for part is not the world's but the reader's: the share that does best in the rooms learned from. Action: the
other ones. Prediction: the forecast with that noise. Root mean square error of all places; floors: the forecast without
noise; the same noise under the window's own actions, which a model that heeds none does as well by; and what really
happened, taken as unchanged. Ceiling: the error of reading what really happened.
`but_for`, responsibility: where the body got further than `moved`, would it have, had the hand rested? The truth is the
simulator's; the answer, by abduction as above, is how near to its start the body would have ended. Area under the ROC
curve. Floors: chance (0.5); the answer for another room's actions in place of the resting hand; how near to its start
it really ended. Reference: how weak the commands were. Ceiling: 1. Left out where all or none would have.

Told beside: the share of the true change that is explained; errors of places, each thing by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

from sensorium.data.sources.playroom.rerun import playroom_settings
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import Bench, require
from sensorium.evaluation.readout import Readout
from sensorium.evaluation.sample import Sample, of_other_recordings, with_actions_of
from sensorium.evaluation.scores import cosine, explained, products, root_mean
from sensorium.evaluation.statistics import measure
from sensorium.forecasting.config import CausalConfig
from sensorium.forecasting.evaluation import motion_figures
from sensorium.forecasting.evaluation.forecasts import INPUTS, Forecaster
from sensorium.forecasting.evaluation.rooms import Rooms
from sensorium.randomness import stable_seed

REVISION = 2
EVALUATION = Evaluation(__name__, CausalConfig, inputs=INPUTS, control="the state dynamics")
main = EVALUATION.main

FICKLE = "nearest"  # the largest body, where there is one
CALLED = {"largest": "body"}
OBSERVED = 2000  # windows that the observational regressor is fitted on
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the noise


def judge(bench: Bench, config: CausalConfig) -> Result:
    """Effects of actions, counterfactuals and responsibility."""
    forecaster = Forecaster(bench)
    require(forecaster.recordings, "action", "causal needs a world that somebody steers")
    world, settings = playroom_settings(forecaster.recordings), bench.parts.manifest("state_dynamics")["config"]
    given, horizon = int(settings["context"]), int(settings["horizon"])
    rng = np.random.default_rng(stable_seed(config.seed, "causal"))

    rooms = Rooms(forecaster, world, world.recordings, config.rooms)
    first = world.recordings + config.rooms
    others = Rooms(forecaster, world, first, config.learned_from)
    led = Rooms(forecaster, world, first + config.learned_from, config.learned_from, led=True)
    foresight = Foresight(forecaster, (others, led), given)
    things, places = foresight.things, foresight.places
    tried, known = (others.sample(given + horizon, count, rng) for count in (config.windows // 2, OBSERVED))
    kept = foresight.share(tried, others, exchanged(tried, given, rng))
    observe = displacements(known, places, given)

    takes = rooms.sample(given + horizon, config.windows, rng)
    groups, actions = takes.groups.tolist(), takes["action"]
    changed, third = (exchanged(takes, given, rng) for _ in range(2))
    rest = actions.copy()
    rest[:, given:] = 0
    fact = takes["truth.state"][:, given:][..., places]
    true_changed, true_rest = (rooms.rerun(takes, moves, given)[..., places] for moves in (changed, rest))
    as_is, other, astray = (foresight.foretold(takes, moves) for moves in (actions, changed, third))
    observed = observe(changed) - observe(actions)
    effects = {
        "model": other - as_is,
        "observational regressor": observed.reshape(fact.shape),
        "other actions": astray - as_is,
    }

    truth = true_changed - fact
    metrics: dict[str, dict[str, Any]] = {}
    sums = {
        thing: {name: products(effect[:, :, k], truth[:, :, k]) for name, effect in effects.items()}
        for k, thing in enumerate(things)
    }
    for thing, of in sums.items():
        metrics[f"{thing}_effect"] = measure(
            f"{thing}_effect",
            of["model"],
            groups,
            statistic=cosine,
            floors={"no effect": 0.0} | {name: of[name] for name in of if name != "model"},
            ceilings={"truth": 1.0},
            seed=config.seed,
        )

    seen = foresight.seen(takes)
    answers = {
        "abduction, action, prediction": foresight.foretold(takes, changed, kept),
        "plain forecast": other,
        "its own actions": foresight.foretold(takes, actions, kept),
        "what happened, unchanged": seen[:, given:],
    }
    missed = {name: ((places - true_changed) ** 2).sum(-1) for name, places in answers.items()}
    model, *floors = (errors.mean((1, 2)) for errors in missed.values())
    metrics["abduction"] = measure(
        "abduction",
        model,
        groups,
        statistic=root_mean,
        floors=dict(zip(list(missed)[1:], floors, strict=True)),
        ceilings={"reading what happened": ((seen[:, given:] - fact) ** 2).sum(-1).mean((1, 2))},
        higher_is_better=False,
        seed=config.seed,
    )

    body = len(things) - 1
    start, start_seen = takes["truth.state"][:, given - 1][..., places][:, body], seen[:, given - 1, body]
    happened = distance(fact, start, body) > config.moved
    stayed = distance(true_rest, start, body) <= config.moved
    near = {
        "model": -distance(foresight.foretold(takes, rest, kept), start_seen, body),
        "other actions": -distance(foresight.foretold(takes, third, kept), start_seen, body),
        "what happened": -distance(seen, start_seen, body),
        "weakness of the commands": -np.abs(actions[:, given:]).mean((1, 2)),
    }
    said = {name: np.stack([answer, stayed], 1)[happened] for name, answer in near.items()}
    if stayed[happened].any() and not stayed[happened].all():  # else there is nothing to tell apart
        metrics["but_for"] = responsibility(said, takes.groups[happened].tolist(), config.seed)

    notes = {
        "explained": {
            thing: {name: explained(value.sum((0, 1))) for name, value in of.items()} for thing, of in sums.items()
        },
        "share_of_noise_kept": kept,
        "counterfactual_error": {
            name: {thing: float(np.sqrt(errors[:, :, k].mean())) for k, thing in enumerate(things)}
            for name, errors in missed.items()
        },
        "true_effect": {thing: float(np.sqrt((truth[:, :, k] ** 2).sum(-1).mean())) for k, thing in enumerate(things)},
        "happened": int(happened.sum()),
        "due_to_the_hand": int(stayed[happened].sum()),
    }
    every = np.ones(len(fact))
    lines = {
        f"{thing}, {name}": np.array([cosine(value[:, [h]], every) for h in range(horizon)])
        for thing, of in sums.items()
        for name, value in of.items()
    }
    ahead = {name: np.sqrt(errors.mean((0, 2))) for name, errors in missed.items()}
    return Result(metrics, lambda path: motion_figures.causal(path, lines, ahead, said["model"], config.moved), notes)


class Foresight:
    """Places of things, read from world states that are seen or foretold.

    Args:
        forecaster: the judged state dynamics.
        rooms: in which reading is learned.
        given: frames of the context.
    """

    def __init__(self, forecaster: Forecaster, rooms: Sequence[Rooms], given: int) -> None:
        kept = [number for number, thing in enumerate(forecaster.things) if thing != FICKLE]
        self.things = [CALLED.get(forecaster.things[number], forecaster.things[number]) for number in kept]
        self.places = forecaster.columns("x", "y")[kept]
        self._forecaster, self._given = forecaster, given
        states, truth = (np.concatenate([getattr(part, key) for part in rooms]) for key in ("states", "truth"))
        self._read = Readout(forecaster.turned(states), truth[:, self.places.ravel()], standardise=False)

    def seen(self, takes: Sample) -> np.ndarray:
        """Places in all frames as they were seen, [n, T, K, 2]."""
        return self._positions(self._forecaster.turned(takes["state"]))

    def foretold(self, takes: Sample, actions: np.ndarray, kept: float = 0.0) -> np.ndarray:
        """Places after the context under these actions, with a share of what the window's own frames were off by."""
        if not kept:
            return self._positions(
                self._forecaster.forecast(takes["state"], actions, self._given)[0][:, self._given - 1 :]
            )
        told = self._forecaster.forecast(takes["state"], takes["action"], takes["state"].shape[1])[0]
        noise = kept * (self._forecaster.turned(takes["state"])[:, 1:] - told)
        mean = self._forecaster.forecast(takes["state"], actions, self._given, noise=noise)[0]
        return self._positions((mean + noise)[:, self._given - 1 :])

    def share(self, takes: Sample, rooms: Rooms, changed: np.ndarray) -> float:
        """The share of the noise with which other actions' outcomes are foretold best in these rooms."""
        truth = rooms.rerun(takes, changed, self._given)[..., self.places]
        errors = [float(((self.foretold(takes, changed, share) - truth) ** 2).mean()) for share in SHARES]
        return SHARES[int(np.argmin(errors))]

    def _positions(self, turned: np.ndarray) -> np.ndarray:
        return self._read(turned).reshape(*turned.shape[:2], len(self.things), 2)


def responsibility(said: dict[str, np.ndarray], groups: Sequence[str], seed: int) -> dict[str, Any]:
    """The metric `but_for`, from (answer, truth) [n, 2] of the model, its floors and its reference."""
    return measure(
        "but_for",
        said["model"],
        groups,
        statistic=area,
        floors={"chance": 0.5} | {name: said[name] for name in ("other actions", "what happened")},
        ceilings={"truth": 1.0},
        references={"weakness of the commands": said["weakness of the commands"]},
        seed=seed,
    )


def exchanged(takes: Sample, given: int, rng: np.random.Generator) -> np.ndarray:
    """The actions of each window up to its context's end, then those of another room's window."""
    return with_actions_of(takes["action"], of_other_recordings(takes.groups, rng), given)


def displacements(takes: Sample, places: np.ndarray, given: int) -> Callable[[np.ndarray], np.ndarray]:
    """From actions [n, T, A] to displacements after the context, flattened, as they go together in these windows."""
    moved = takes["truth.state"][:, given:][..., places] - takes["truth.state"][:, given - 1 : given][..., places]
    regressor = Ridge(10.0).fit(flat(takes["action"][:, given:]), flat(moved))
    return lambda actions: regressor.predict(flat(actions[:, given:]))


def flat(values: np.ndarray) -> np.ndarray:
    """[n, ...] -> [n, D]."""
    return values.reshape(len(values), -1)


def distance(places: np.ndarray, start: np.ndarray, thing: int) -> np.ndarray:
    """How far from its start [n, 2] a thing ends up, by places [n, T, K, 2]: [n]."""
    return np.linalg.norm(places[:, -1, thing] - start, axis=-1)


def area(samples: np.ndarray, weights: np.ndarray) -> float:
    """Area under the ROC curve: how often a case outranks one that is none; samples [n, 2] hold (score, is a case)."""
    case = samples[:, 1] > 0
    yes, no = samples[case, 0], samples[~case, 0]
    above = (yes[:, None] > no) + 0.5 * (yes[:, None] == no)
    total = weights[case].sum() * weights[~case].sum()
    return float(weights[case] @ above @ weights[~case] / total) if total > 0 else 0.5
