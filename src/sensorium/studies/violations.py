"""Violation of expectation: does a scene that breaks a law of physics surprise more than a matched lawful scene?

Fours of scenes for six laws (impossible.py). A pair is one possible and one impossible scene of a four that differ
only in the motion or only in the surroundings: four pairs for each four. The model is trained on ordinary scenes only.
Two observers without access to the laws are controls: one expects that nothing moves; the other is the same model,
trained in the same way, but without seeing the surroundings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from sensorium.cognition.expectation import FAR, Expectation, Laws, Watched, surprise
from sensorium.cognition.physics import Room
from sensorium.data.sources.playroom.physics import FRAMES_PER_SECOND
from sensorium.data.sources.playroom.scene import GRAVITY, ROOM, WALL
from sensorium.progress import track
from sensorium.randomness import stable_seed
from sensorium.studies.config import ViolationsConfig
from sensorium.studies.findings import Cell, Findings, Table, estimate, over_seeds
from sensorium.studies.impossible import COLOURS, LAWS, fours, life

REVISION = 2
CHANCE = 0.5
PAIRS = (("Aa", "Ba"), ("Aa", "Ab"), ("Bb", "Ba"), ("Bb", "Ab"))  # possible, impossible
TRUE_ROOM = Room(low=WALL, high=ROOM - WALL, gravity=GRAVITY, damping=0.75)
Observer = Callable[[Watched], Tensor]  # from scenes to surprises [B]
Scores = dict[str, dict[str, np.ndarray]]  # law -> "accuracy" or "auc" -> [seeds]


def run(config: ViolationsConfig) -> Findings:
    """Every observer on every law, over all seeds."""
    rows: dict[str, list[dict[str, tuple[float, float]]]] = {}
    for seed in track(config.all_seeds(), "seeds"):
        tests = {law: fours(law, seed, config.fours, config.noise) for law in LAWS}
        for name, observer in observers(config, seed).items():
            rows.setdefault(name, []).append(judge(tests, observer))
    scores = {
        name: {
            law: {
                "accuracy": np.array([row[law][0] for row in found]),
                "auc": np.array([row[law][1] for row in found]),
            }
            for law in LAWS
        }
        for name, found in rows.items()
    }
    return Findings(
        metrics=law_metrics(scores["geometry and learning"], ("accuracy", "auc")),
        controls={
            f"{observer.replace(' ', '_')}_{name}": record
            for observer in ("nothing moves", "surroundings hidden")
            for name, record in law_metrics(scores[observer], ("accuracy",)).items()
        },
        tables=[
            law_table("Pairs in which the impossible scene surprises more (chance 0.5)", scores, "accuracy"),
            law_table("Area under the curve, impossible against possible scenes of a law (chance 0.5)", scores, "auc"),
        ],
    )


def observers(config: ViolationsConfig, seed: int) -> dict[str, Observer]:
    """All observers; those that learn are trained."""
    lived = life(seed, config.scenes, config.noise)
    model, untrained = train(config, seed, lived), expectation(config, seed)
    blind = train(config, seed, hidden(lived))
    return {
        "geometry and learning": partial(surprise, model),
        "geometry alone": partial(surprise, untrained),
        "surroundings hidden": lambda watched: surprise(blind, hidden(watched)),
        "nothing moves": stillness,
    }


def judge(tests: Mapping[str, Mapping[str, Watched]], observer: Observer) -> dict[str, tuple[float, float]]:
    """For each law the share of separated pairs (a tie counts half), and the area under the curve over all scenes.

    Args:
        tests: law -> the four sorts of scenes, as `fours` makes them.
        observer: called once, with all scenes.
    """
    parts = [(law, name, watched) for law, four in tests.items() for name, watched in four.items()]
    surprises = observer(Watched.join([watched for _, _, watched in parts])).numpy()
    ends = np.cumsum([len(watched.size) for _, _, watched in parts])[:-1]
    found: dict[str, dict[str, np.ndarray]] = {law: {} for law in tests}
    for (law, name, _), values in zip(parts, np.split(surprises, ends), strict=True):
        found[law][name] = values
    return {law: separation(values) for law, values in found.items()}


def separation(found: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """Accuracy over pairs and area under the curve, from the surprises of the four sorts of scenes of a law."""
    right = [np.sign(found[impossible] - found[possible]) / 2 + 0.5 for possible, impossible in PAIRS]
    values = np.concatenate([found[name] for name in ("Aa", "Bb", "Ba", "Ab")])
    return float(np.mean(right)), float(roc_auc_score(np.repeat([0, 1], len(values) // 2), values))


def expectation(config: ViolationsConfig, seed: int) -> Expectation:
    """The model before training: geometry alone."""
    return Expectation(TRUE_ROOM, 1 / FRAMES_PER_SECOND, COLOURS, config.width, stable_seed("expectation", seed) >> 1)


def train(config: ViolationsConfig, seed: int, watched: Watched) -> Expectation:
    """Train on ordinary scenes, frame by frame: states by least squares, standard deviations by likelihood."""
    model = expectation(config, seed)
    frames = range(watched.state.shape[1] - 1)
    parts = [model.laws(watched.around(frame), watched.state[:, frame], watched.size) for frame in frames]
    laws = Laws(*(torch.cat([getattr(part, name) for part in parts]) for name in ("free", "law", "seen")))
    context, truth = watched.context.repeat(len(parts), 1), watched.state[:, 1:].transpose(0, 1).flatten(0, 1)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.lr)
    for _ in range(config.steps):
        mean, spread, share = model(laws, context)
        error = mean - truth
        squares = error.detach().square().unflatten(1, (2, 2)).sum(2)
        uncertainty = (squares / (2 * spread).exp() / 2 + 2 * spread).mean()
        loss = error.square().mean() + config.penalty * share.square().mean() + uncertainty
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model


def hidden(watched: Watched) -> Watched:
    """The same motions without their surroundings and without colours."""
    return replace(
        watched,
        hand=torch.full_like(watched.hand, FAR),
        ledges=torch.full_like(watched.ledges, FAR),
        screen=torch.full_like(watched.screen, FAR),
        context=torch.full_like(watched.context, 1 / COLOURS),
    )


def stillness(watched: Watched) -> Tensor:
    """Surprise of an observer that expects every frame to equal the one before: [B]."""
    state, seen = watched.state, watched.seen
    both = seen[:, 1:] & seen[:, :-1]
    moved = (state[:, 1:, :2] - state[:, :-1, :2]).square().sum(2)
    return torch.where(both, moved, 0.0).sum(1) + (seen[:, 1:] != seen[:, :-1]).sum(1)


def law_metrics(scores: Scores, measures: Sequence[str]) -> dict[str, dict[str, Any]]:
    """One observer's records of every law."""
    return {
        f"{law}_{measure}": over_seeds(law, found[measure], CHANCE, 1.0)
        for law, found in scores.items()
        for measure in measures
    }


def law_table(title: str, scores: Mapping[str, Scores], measure: str) -> Table:
    """One measure: an observer a row, a law a column."""
    rows: list[dict[str, Cell]] = []
    for name, found in scores.items():
        rows.append({"observer": name, **{law: estimate(found[law][measure]) for law in LAWS}})
    return Table(title, rows)
