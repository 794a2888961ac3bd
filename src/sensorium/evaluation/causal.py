"""What other actions would have changed: the state dynamics' answer beside that of the simulator, run again.

Test windows are foretold and simulated from the end of their context on with the recorded actions, with those of
another recording, and with a hand that rests. Places are read from foretold world states as in `motion`; a body that
is not always the same one (the nearest) is left out.
`hand_effect`, an intervention: the cosine between foretold and true change of the steered thing's place, over all
windows, averaged over the horizon. Floors: no effect (0); an observational regressor, a ridge regression from the
actions of the horizon to displacements in the recordings, which knows no state; the model told a third recording's
actions. Ceiling: 1.

Told beside it, with intervals and floors, but no metrics, for the default run does not pass them: `largest_effect`,
the same of the largest body, and
`but_for`, responsibility: where a body got further than `moved`, would it have without the hand's pushes? The truth
is the simulator's with a resting hand; the answer is how far apart the body's two foretold places are. Area under the
ROC curve; left out where all or none of them would have. Floors: chance (0.5), and the model told another recording's
actions in place of the recorded ones.
Reference: how strong the commands were. Ceiling: 1.

Told without intervals: the share of the true change that is explained, and the counterfactual by abduction, action,
prediction (Pearl 2009, "Causality", section 7.1): the noise of every frame is what the recorded window was off by, one
frame ahead; then the other actions with that noise. Errors stand beside those of the plain forecast and of what really
happened, taken as unchanged.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

from sensorium.artifacts import read_json
from sensorium.config import CausalConfig, parse_section
from sensorium.evaluation import motion_figures
from sensorium.evaluation.counterfactual import simulator
from sensorium.evaluation.dreams import strangers
from sensorium.evaluation.foretold import INPUTS, ReadOut, Seer
from sensorium.evaluation.harness import arguments, require
from sensorium.evaluation.statistics import measure, write_result
from sensorium.randomness import stable_seed

REVISION = 1
FICKLE = "nearest"  # another body from one frame to the next
HAND = "hand"
OBSERVED = 2000  # training windows that the observational regressor is fitted on


def main(argv: list[str]) -> None:
    """Run `sensorium causal`."""
    args = arguments("causal", __doc__, INPUTS, "the state dynamics").parse_args(argv)
    began, config = time.monotonic(), parse_section(CausalConfig, args.config)
    seer = Seer(args)
    require(seer.recordings, "action", "causal needs a world that somebody steers")
    again = simulator(seer.recordings)
    settings = read_json(args.state_dynamics)["config"]
    given, horizon = int(settings["context"]), int(settings["horizon"])
    rng = np.random.default_rng(stable_seed(config.seed, "causal"))

    kept = [number for number, thing in enumerate(seer.things) if thing != FICKLE]
    things, places = [seer.things[number] for number in kept], seer.columns("x", "y")[kept]
    told = seer.embedded("training", config.recordings)
    names = told.names("training")
    learnt = seer.turned(np.concatenate([told.field(name, "state") for name in names]))
    known = np.concatenate([told.field(name, "truth.state") for name in names]).astype(np.float64)
    read = ReadOut(learnt, known, places.ravel())
    takes = seer.passages(seer.embedded("test"), "test", given + horizon, config.windows, rng)
    groups, actions = takes.groups.tolist(), takes.actions
    assert actions is not None
    changed, third, rest = actions.copy(), actions.copy(), actions.copy()
    for other in (changed, third):
        other[:, given:] = actions[strangers(takes.groups, rng), given:]
    rest[:, given:] = 0

    def happens(moves: np.ndarray) -> np.ndarray:
        """True places of the things after the context under other actions, [n, H, K, 2]."""
        ends = []
        for name, start, new in zip(groups, takes.start.tolist(), moves, strict=True):
            whole = np.array(seer.recordings.field(name, "action"))
            whole[start + given : start + len(new)] = new[given:]
            ends.append(again(name, whole)["truth.state"][start + given : start + len(new)])
        return np.stack(ends).astype(np.float64)[..., places]

    def positions(turned: np.ndarray) -> np.ndarray:
        return read(turned).reshape(*turned.shape[:2], len(things), 2)

    def foretold(moves: np.ndarray, noise: np.ndarray | None = None) -> np.ndarray:
        mean = seer.foretell(takes.states, moves, given, noise=noise)[0]
        return positions((mean if noise is None else mean + noise)[:, given - 1 :])

    fact = takes.truth[:, given:][..., places]
    true_changed, true_rest = happens(changed), happens(rest)
    as_is, other, resting, astray = (foretold(moves) for moves in (actions, changed, rest, third))
    passages = seer.passages(told, "training", given + horizon, OBSERVED, rng)
    assert passages.actions is not None
    moved = passages.truth[:, given:][..., places] - passages.truth[:, given - 1 : given][..., places]
    regressor = Ridge(10.0).fit(flat(passages.actions[:, given:]), flat(moved))
    observed = regressor.predict(flat(changed[:, given:])) - regressor.predict(flat(actions[:, given:]))
    effects = {
        "model": other - as_is,
        "observational regressor": observed.reshape(fact.shape),
        "other actions": astray - as_is,
    }

    metrics: dict[str, dict[str, Any]] = {}
    steered = HAND if HAND in things else things[0]
    told_beside: dict[str, dict[str, Any]] = {}
    truth = true_changed - fact
    sums = {
        thing: {name: products(effect[:, :, k], truth[:, :, k]) for name, effect in effects.items()}
        for k, thing in enumerate(things)
    }
    for thing, of in sums.items():
        (metrics if thing == steered else told_beside)[f"{thing}_effect"] = measure(
            f"{thing}_effect", of["model"], groups, statistic=cosine,
            floors={"no effect": 0.0} | {name: of[name] for name in of if name != "model"}, ceilings={"truth": 1.0},
            seed=config.seed,
        )  # fmt: skip

    body = next((k for k, thing in enumerate(things) if thing != HAND), 0)
    start = takes.truth[:, given - 1][:, places[body]]
    far, far_rest = (np.linalg.norm(ends[:, -1, body] - start, axis=-1) for ends in (fact, true_rest))
    happened = far > config.moved
    blame = far_rest[happened] <= config.moved
    answers = {
        "model": apart(as_is, resting, body),
        "other actions": apart(astray, resting, body),
        "strength of the commands": np.abs(actions[:, given:]).mean((1, 2)),
    }
    said = {name: np.stack([answer[happened], blame], 1) for name, answer in answers.items()}
    if blame.any() and not blame.all():  # else there is nothing to tell apart
        told_beside["but_for"] = measure(
            "but_for", said["model"], takes.groups[happened].tolist(), statistic=area,
            floors={"chance": 0.5, "other actions": said["other actions"]}, ceilings={"truth": 1.0},
            references={"strength of the commands": said["strength of the commands"]}, seed=config.seed,
        )  # fmt: skip

    seen = seer.turned(takes.states)
    noise = seen[:, 1:] - seer.foretell(takes.states, actions, given + horizon)[0]
    guesses = {
        "abduction, action, prediction": foretold(changed, noise), "plain forecast": other,
        "what happened, unchanged": positions(seen[:, given:]),
    }  # fmt: skip
    notes = {
        "told": told_beside,
        "explained": {
            thing: {name: explained(value) for name, value in of.items()} for thing, of in sums.items()
        },
        "counterfactual_error": {
            name: {
                thing: float(np.sqrt(((guess - true_changed)[:, :, k] ** 2).sum(-1).mean()))
                for k, thing in enumerate(things)
            }
            for name, guess in guesses.items()
        },
        "true_effect": {thing: float(np.sqrt((truth[:, :, k] ** 2).sum(-1).mean())) for k, thing in enumerate(things)},
        "happened": int(happened.sum()),
        "due_to_the_hand": int(blame.sum()),
    }  # fmt: skip
    every = np.ones(len(fact))
    lines = {
        f"{thing}, {name}": np.array([cosine(value[:, [h]], every) for h in range(horizon)])
        for thing, of in sums.items()
        for name, value in of.items()
    }
    motion_figures.causal(args.figure, lines, said["model"])
    write_result(args.output, "causal", metrics, seer.inputs, time.monotonic() - began, **notes)


def flat(values: np.ndarray) -> np.ndarray:
    """[n, ...] -> [n, D]."""
    return values.reshape(len(values), -1)


def apart(first: np.ndarray, second: np.ndarray, thing: int) -> np.ndarray:
    """How far apart a thing's last places are in two forecasts [n, H, K, 2], [n]."""
    return np.linalg.norm((first - second)[:, -1, thing], axis=-1)


def products(foretold: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Squares of foretold and true change [n, H, 2] and their product, float64 [n, H, 3]."""
    return np.stack([(a * b).sum(-1) for a, b in ((foretold, foretold), (true, true), (foretold, true))], -1)


def cosine(samples: np.ndarray, weights: np.ndarray) -> float:
    """Mean over the horizon of the cosine between changes, from products [n, H, 3]; 0 where nothing changes."""
    foretold, true, both = np.tensordot(weights, samples, axes=(0, 0)).T
    length = np.sqrt(foretold * true)
    return float(np.mean(np.where(length > 1e-12, both / np.maximum(length, 1e-12), 0.0)))


def explained(samples: np.ndarray) -> float:
    """Share of the squares of true changes that is explained, from products [n, H, 3]."""
    foretold, true, both = samples.sum((0, 1))
    return float((2 * both - foretold) / max(true, 1e-12))


def area(samples: np.ndarray, weights: np.ndarray) -> float:
    """Area under the ROC curve: how often a case outranks one that is none; samples [n, 2] hold (score, is a case)."""
    case = samples[:, 1] > 0
    yes, no = samples[case, 0], samples[~case, 0]
    above = (yes[:, None] > no) + 0.5 * (yes[:, None] == no)
    total = weights[case].sum() * weights[~case].sum()
    return float(weights[case] @ above @ weights[~case] / total) if total > 0 else 0.5
