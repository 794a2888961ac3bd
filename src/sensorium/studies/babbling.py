"""Babbling: does a hand learn more about things if it follows its learning progress than if it acts at random?

In every visit it chooses a thing and an action and makes a few attempts in the playroom. It predicts each outcome from
strength, distance and size, measures it by sight, touch and hearing, and learns. Visits begin at random; then the
choice follows the progress of its forward models (cognition/curiosity.py). No life touches the held-out balls.
The journal, a line for each visit, records what was tried, predicted and measured; it names no property of a ball.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from sensorium.cognition.curiosity import ForwardModel, Interest, Lesson, prediction_error, relative_progress
from sensorium.evaluation.statistics import measure_over_seeds
from sensorium.progress import track
from sensorium.randomness import stable_seed
from sensorium.studies.config import BabblingConfig
from sensorium.studies.findings import Cell, Findings, Table, estimate, over_seeds
from sensorium.studies.playground import ACTIONS, KNOWN, LEARNABLE, OBJECTS, REGIONS, SCALES, UNLEARNABLE, attempt

REVISION = 3
HELD_OUT, UNTOUCHED = 24, 10**6  # attempts a region that no life makes, and the number of their first
WAYS: dict[str, dict[str, Any]] = {
    "progress": {},
    "random": {"explore": 1.0},
    "errors": {"interest": prediction_error},
    "shuffled progress": {"shuffled": True},
}
Attempts = tuple[torch.Tensor, torch.Tensor]


def run(config: BabblingConfig) -> Findings:
    """Every way of choosing, over all seeds."""
    lives = {
        name: [Life(config, seed, **how) for seed in track(config.all_seeds(), "seeds")]
        for name, how in track(WAYS.items(), "ways to choose")
    }
    judged = {name: judge(found, lives["random"]) for name, found in lives.items()}
    controls = {
        f"{name.replace(' ', '_')}_{metric}": judged[name][metric]
        for name in ("shuffled progress", "errors")
        for metric in ("property_error", "unlearnable_share")
    }
    rows: list[dict[str, Cell]] = []
    for name, found in lives.items():
        errors = np.array([life.first_and_last() for life in found])
        row: dict[str, Cell] = {
            "choice by": name,
            "held-out property error": estimate(np.array([life.property_error() for life in found])),
            "prediction error, first visit": estimate(errors[:, 0]),
            "last visit": estimate(errors[:, 1]),
        }
        shares = {what: np.array([life.share_of(what) for life in found]) for what in OBJECTS + ACTIONS}
        rows.append(row | {what: estimate(values) for what, values in shares.items()})
    return Findings(
        metrics=judged["progress"],
        controls=controls,
        tables=[Table(f"Errors, and shares of the visits after the first {config.random}", rows)],
        log=[entry for life in lives["progress"] for entry in life.journal],
    )


class Life:
    """One hand's life: its forward models, and the journal of its visits.

    Args:
        config: of the study.
        seed: of the playground, the weights and the choices.
        interest: from recent lessons of a region to its interest.
        explore: share of visits drawn at random after the first; the config's own if not given.
        shuffled: each action gets the progress of another, the unlearnable that of a learnable one (a control).
    """

    def __init__(
        self,
        config: BabblingConfig,
        seed: int,
        *,
        interest: Callable[[Sequence[Lesson]], float] = relative_progress,
        explore: float | None = None,
        shuffled: bool = False,
    ) -> None:
        self.config, self.seed = config, seed
        self.visits = np.zeros(len(REGIONS), np.int64)
        self.journal: list[dict[str, Any]] = []
        self._models = [ForwardModel(KNOWN, len(SCALES), config.width, config.lr, seed) for _ in REGIONS]
        self._interest = Interest(config.window, interest, lambda where: int(where[0]))
        self._errors: list[list[float]] = [[] for _ in REGIONS]
        rng = np.random.default_rng(stable_seed("babbling", seed))
        order = np.arange(len(REGIONS)).reshape(len(OBJECTS), len(ACTIONS))
        regions = [np.array([number]) for number in (order[:, ::-1] if shuffled else order).flatten()]
        share = config.explore if explore is None else explore
        for visit in range(config.visits):
            chances = self._interest.shares(regions, 1.0 if visit < config.random else share)
            self._visit(visit, int(rng.choice(len(REGIONS), p=chances)))

    def _visit(self, visit: int, here: int) -> None:
        config, model, past = self.config, self._models[here], int(self.visits[here]) * self.config.attempts
        before, after = attempts(self.seed, here, past, config.attempts)
        with torch.no_grad():
            predicted = model.network(before)
        memory = attempts(self.seed, here, 0, past) if past else None
        self._interest.note(np.array([here]), model.observe(before, after, memory, config.lessons))
        self.visits[here] += 1
        error = float((predicted - after).square().mean())
        self._errors[here].append(error)
        thing, action = REGIONS[here]
        entry: dict[str, Any] = {"seed": self.seed, "visit": visit, "object": OBJECTS[thing], "action": ACTIONS[action]}
        for name, values in (("known", before), ("predicted", predicted), ("measured", after)):
            entry[name] = np.round(values.numpy(), 3).tolist()
        recent = float(np.mean(self._errors[here][-config.window :]))
        self.journal.append(entry | {"error": round(error, 4), "competence": round(max(0.0, 1 - recent), 4)})

    @torch.no_grad()
    def property_error(self) -> float:
        """Mean over learnable regions of the squared error on held-out balls, as a share of the outcomes' variance."""
        found = []
        for region in LEARNABLE:
            before, after = attempts(self.seed, region, UNTOUCHED, HELD_OUT)
            error = (self._models[region].network(before) - after).square().sum()
            found.append(float(error / (after - after.mean(0)).square().sum()))
        return float(np.mean(found))

    def first_and_last(self) -> tuple[float, float]:
        """Mean error of the predictions in the first and in the last visit to each learnable region."""
        found = [self._errors[region] for region in LEARNABLE if self._errors[region]]
        return float(np.mean([errors[0] for errors in found])), float(np.mean([errors[-1] for errors in found]))

    def share_of(self, what: str) -> float:
        """Share of the visits after the random ones that went to a thing or an action."""
        later = self.journal[self.config.random :]
        return float(np.mean([what in (entry["object"], entry["action"]) for entry in later]))


def judge(lives: Sequence[Life], random: Sequence[Life]) -> dict[str, dict[str, Any]]:
    """The metrics of a way of choosing, paired by seed with lives of random choice."""
    errors, floor = (np.array([life.property_error() for life in found]) for found in (lives, random))
    wasted = np.array([sum(life.share_of(ACTIONS[action]) for action in UNLEARNABLE) for life in lives])
    least = np.array([min(life.share_of(thing) for thing in OBJECTS) for life in lives])
    return {
        "property_error": measure_over_seeds(
            "property_error",
            errors,
            baselines={"random exploration": floor},
            ceilings={"no error": 0.0},
            higher_is_better=False,
        ),
        "unlearnable_share": over_seeds(
            "unlearnable", wasted, len(UNLEARNABLE) / len(ACTIONS), 0.0, higher_is_better=False
        ),
        "least_tried_object": over_seeds("least tried", least, 0.5 / len(OBJECTS), 1 / len(OBJECTS)),
    }


def attempts(seed: int, region: int, first: int, count: int) -> Attempts:
    """Some attempts of a region: [count, KNOWN] and [count, len(SCALES)]."""
    pairs = [attempt(seed, region, number) for number in range(first, first + count)]
    before, after = (np.stack(side) for side in zip(*pairs, strict=True))
    return torch.from_numpy(before), torch.from_numpy(after)
