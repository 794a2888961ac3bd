"""Curiosity and the noisy television: does an agent that seeks progress leave noise alone and study what is learnable?

Five places, and at each visit a few transitions: a television (fresh noise), a ball (playroom physics, learnable), a
wall (nothing moves), a lamp (blinks faintly, soon known), and a door that looks like the wall until it opens half way
and shows a balloon (playroom physics never seen before, deterministic). Each region has its forward model, trained
online on what is seen there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from sensorium.cognition.curiosity import ForwardModel, Interest, Lesson, learning_progress, prediction_error
from sensorium.config import PlayroomConfig
from sensorium.data.sources.playroom.physics import run as simulate_motion
from sensorium.data.sources.playroom.scene import LAYOUTS, ROOM, Body, draw_scene
from sensorium.progress import track
from sensorium.randomness import stable_seed
from sensorium.studies.config import CuriosityConfig
from sensorium.studies.findings import Findings, Table, estimate, over_seeds

REVISION = 2
PLACES = ("television", "ball", "wall", "lamp", "door")
TELEVISION, BALL, WALL, LAMP, DOOR = range(len(PLACES))
UNIFORM = 1 / len(PLACES)
VIEW, SEEN = 5, 2  # numbers of an observation, numbers that are predicted
AHEAD = 6  # frames from an observation of a body to what is predicted of it
SCENES, FRAMES = 120, 24
FAINT = 0.3  # how much the lamp changes, where a ball's moves have unit variance


@dataclass(frozen=True)
class Visits:
    """Places that one agent visited, int64 [steps]."""

    places: np.ndarray

    def share(self, place: int, half: int) -> float:
        """Share of the visits of one half (0 or 1) of its life that went to a place."""
        return float((np.array_split(self.places, 2)[half] == place).mean())


def run(config: CuriosityConfig) -> Findings:
    """Let three agents live through the same world, over all seeds."""
    policies: dict[str, Callable[[Sequence[Lesson]], float]] = {
        "progress": learning_progress,
        "naive": prediction_error,
        "uniform": lambda lessons: 1.0,
    }
    lives: dict[str, list[Visits]] = {name: [] for name in policies}
    for seed in track(config.all_seeds(), "seeds"):
        for name, measure in policies.items():
            lives[name].append(live(config, seed, measure))
    rows = [
        {"agent": agent, "half": ("first", "second")[half]}
        | {
            place: estimate(np.array([life.share(number, half) for life in found]))
            for number, place in enumerate(PLACES)
        }
        for agent, found in lives.items()
        for half in (0, 1)
    ]
    return Findings(
        metrics=judge(lives["progress"]),
        controls={f"naive_{name}": judge(lives["naive"])[name] for name in ("television_share", "learnable_share")},
        tables=[Table("Share of time at each place (uniform: 0.2); the door opens after the first half", rows)],
    )


def judge(lives: Sequence[Visits]) -> dict[str, dict[str, object]]:
    """The metrics of one kind of agent, by seed."""

    def shares(place: int, half: int) -> np.ndarray:
        return np.array([life.share(place, half) for life in lives])

    watched = (shares(TELEVISION, 0) + shares(TELEVISION, 1)) / 2
    return {
        "television_share": over_seeds("television", watched, UNIFORM, 0.0, higher_is_better=False),
        "learnable_share": over_seeds("learnable", shares(BALL, 0), 2 * UNIFORM, 1.0),
        "novelty_share": over_seeds("novelty", shares(DOOR, 1), UNIFORM, 1.0),
    }


def live(
    config: CuriosityConfig,
    seed: int,
    measure: Callable[[Sequence[Lesson]], float],
    region: Callable[[np.ndarray], Hashable] | None = None,
) -> Visits:
    """One agent's life: look at every place, choose one, predict what comes, learn from it.

    Args:
        config: of the study.
        seed: of the world, the weights and the choices; agents of one seed live in the same world.
        measure: from recent lessons to interest.
        region: from an observation to its region; the place of the observation if not given.
    """
    rng = np.random.default_rng(stable_seed("curiosity", seed))
    ball, balloon = transitions(seed, lift=1.0), transitions(seed, lift=-1.0)
    region = region or place_of
    experts: dict[Hashable, ForwardModel] = {}
    interest = Interest(config.window, measure, region)
    places = np.empty(config.steps, np.int64)
    for step in range(config.steps):
        door = balloon if 2 * step >= config.steps else None
        worlds = [transitions_at(rng, place, config.batch, ball, door) for place in range(len(PLACES))]
        before = [
            np.concatenate([np.tile(np.eye(len(PLACES))[place], (config.batch, 1)), seen], axis=1)
            for place, (seen, _) in enumerate(worlds)
        ]
        here = rng.choice(len(PLACES), p=interest.shares([seen[0] for seen in before], config.explore))
        key = region(before[here][0])
        if key not in experts:
            experts[key] = ForwardModel(len(PLACES) + VIEW, SEEN, config.width, config.lr, seed)
        interest.note(before[here][0], experts[key].observe(_tensor(before[here]), _tensor(worlds[here][1])))
        places[step] = here
    return Visits(places)


def place_of(observation: np.ndarray) -> int:
    """Region of an observation, [K + VIEW]: the place it was made at."""
    return int(observation[: len(PLACES)].argmax())


def transitions_at(
    rng: np.random.Generator,
    place: int,
    count: int,
    ball: tuple[np.ndarray, np.ndarray],
    door: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Transitions at a place: what is seen, float64 [count, VIEW], and what comes, float64 [count, SEEN]."""
    seen, comes = np.zeros((count, VIEW)), np.zeros((count, SEEN))
    if place == TELEVISION:
        return rng.standard_normal(seen.shape), rng.standard_normal(comes.shape)
    if place == LAMP:
        seen[:, 0] = rng.choice([-1.0, 1.0], count)
        comes[:, 0] = -FAINT * seen[:, 0]
        return seen, comes
    bank = ball if place == BALL else door if place == DOOR else None
    if bank is None:
        return seen, comes
    picked = rng.integers(len(bank[0]), size=count)
    return bank[0][picked], bank[1][picked]


@lru_cache(maxsize=2)  # the agents of one seed live in the same world, one after the other
def transitions(seed: int, lift: float) -> tuple[np.ndarray, np.ndarray]:
    """What a rubber ball does in an empty playroom: its state, float64 [n, VIEW], and its scaled moves [n, SEEN]."""
    rng = np.random.default_rng(stable_seed("ball", seed))
    config = PlayroomConfig(min_bodies=1, max_bodies=1, seed=seed)
    states, moves = [], []
    for number in range(SCENES):
        scene = draw_scene(config, number)
        place, speed = rng.uniform(0.2 * ROOM, 0.8 * ROOM, 2), rng.uniform(-60, 60, 2)
        body = ball_of(scene.bodies[0], tuple(place), tuple(speed), lift)
        still = np.zeros((FRAMES, 2), np.float32)
        empty = replace(
            scene, bodies=(body, None, None, None), hand=(6.0, 6.0), layout=LAYOUTS.index(()), actions=still
        )
        motion = simulate_motion(empty, FRAMES)
        position, velocity = motion.position[:, 0], motion.velocity[:, 0]
        size = np.full((FRAMES, 1), body.size / 10 - 1)
        states.append(np.concatenate([(position - ROOM / 2) / 25, velocity / 60, size], axis=1)[:-AHEAD])
        moves.append(position[AHEAD:] - position[:-AHEAD])
    moved = np.concatenate(moves)
    return np.concatenate(states), (moved - moved.mean(0)) / moved.std(0)


def ball_of(body: Body | None, place: tuple[float, ...], speed: tuple[float, ...], lift: float) -> Body:
    """A rubber ball of a body's size, or a balloon where `lift` is negative."""
    assert body is not None
    return replace(
        body,
        material="rubber",
        shape="circle",
        spin=0.0,
        lift=lift,
        position=(place[0], place[1]),
        velocity=(speed[0], speed[1]),
    )


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32))
