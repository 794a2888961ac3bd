"""Possible and impossible scenes of the playroom, in fours: two motions and two surroundings, each lawful by itself.

Motion A is what happens in surroundings a, motion B what happens in b; among the other's surroundings it breaks a law.
So the possible and the impossible scenes hold the same motions and the same surroundings, number for number. Only
the law separates them: neither motions alone nor surroundings alone do.

    law          motion A            motion B           surroundings a       surroundings b
    gravity      falls               rises              a stone's colour     a balloon's colour
    support      rests               falls              a ledge below        nothing below
    solidity     bounces             passes             a ledge in the way   nothing in the way
    permanence   comes out again     does not           a narrow screen      a screen up to the wall
    inertia      flies on            is turned aside    a hand elsewhere     a hand in the way
    contact      lies still          is pushed          a hand stops short   a hand arrives
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sensorium.cognition.expectation import FAR, Watched
from sensorium.config import PlayroomConfig
from sensorium.data.sources.playroom.physics import FRAMES_PER_SECOND, HAND_SPEED
from sensorium.data.sources.playroom.physics import run as simulate_motion
from sensorium.data.sources.playroom.scene import (
    GRAVITY,
    HAND_RADIUS,
    LAYOUTS,
    LEDGE_RADIUS,
    ROOM,
    WALL,
    draw_scene,
)
from sensorium.randomness import stable_seed

FRAMES = 14
COLOURS, BALLOONS = 8, 2  # the first two colours are balloons
LIFT = -0.3
EMPTY, LEFT_LEDGE, RIGHT_LEDGE = 0, 1, 3  # layouts
PARKED = (ROOM - 6.0, 6.0)  # a hand that is out of the way
NO_SCREEN = (FAR, FAR)
FLOOR = ROOM - WALL
MOST_LEDGES = max(len(layout) for layout in LAYOUTS)


@dataclass(frozen=True)
class Setup:
    """The initial state of one scene."""

    place: tuple[float, float]
    velocity: tuple[float, float]
    size: float
    layout: int = EMPTY
    colour: int = BALLOONS  # a stone's
    lift: float = 1.0
    hand: tuple[float, float] = PARKED
    actions: np.ndarray | None = None  # of the hand, [FRAMES, 2]; it rests if there are none
    screen: tuple[float, float] = NO_SCREEN


Four = tuple[Setup, Setup]  # surroundings a and b, with what starts in them


def watch(setup: Setup, noise: float, random: np.random.Generator) -> Watched:
    """Simulate a scene and observe it with Gaussian noise: B = 1.

    The std of the noise is `noise` room units for places, and as many room units a frame for velocities.
    """
    base = draw_scene(PlayroomConfig(min_bodies=1, max_bodies=1), 0)
    assert base.bodies[0] is not None
    body = replace(
        base.bodies[0],
        shape="circle",
        material="metal",
        size=setup.size,
        colour=setup.colour,
        lift=setup.lift,
        position=setup.place,
        velocity=setup.velocity,
        spin=0.0,
    )
    actions = np.zeros((FRAMES, 2)) if setup.actions is None else setup.actions
    scene = replace(
        base,
        bodies=(body, None, None, None),
        layout=setup.layout,
        hand=setup.hand,
        actions=actions.astype(np.float32),
    )
    motion = simulate_motion(scene, FRAMES)
    state = np.concatenate([motion.position[:, 0], motion.velocity[:, 0] / FRAMES_PER_SECOND], axis=1)
    seen = ~covered(motion.position[:, 0, 0], setup.size, setup.screen)
    state = np.where(seen[:, None], state + noise * random.standard_normal(state.shape), np.nan)
    ledges = np.full((MOST_LEDGES, 4), FAR)
    ledges[: len(LAYOUTS[setup.layout])] = np.array(LAYOUTS[setup.layout]).reshape(-1, 4)
    return Watched(
        state=_one(state),
        seen=_one(seen),
        size=_one(setup.size),
        hand=_one(motion.hand_position),
        ledges=_one(ledges),
        screen=_one(setup.screen),
        context=_one(np.eye(COLOURS)[setup.colour]),
        ledge_radius=LEDGE_RADIUS,
        hand_radius=HAND_RADIUS,
    )


def covered(x: np.ndarray, size: float, screen: tuple[float, float]) -> np.ndarray:
    """Whether a screen covers all of a body of this radius at x, bool like x."""
    return (x - size > screen[0]) & (x + size < screen[1])


def fours(law: str, seed: int, count: int, noise: float) -> dict[str, Watched]:
    """`count` matched fours of a law: "Aa" and "Bb" are possible, "Ba" and "Ab" are not; B = count each."""
    random = np.random.default_rng(stable_seed("impossible", law, seed))
    pairs = [_seen_from_either_side(LAWS[law](random), random) for _ in range(count)]
    a = Watched.join([watch(pair[0], noise, random) for pair in pairs])
    b = Watched.join([watch(pair[1], noise, random) for pair in pairs])
    return {"Aa": a, "Bb": b, "Ba": b.among(a), "Ab": a.among(b)}


def life(seed: int, count: int, noise: float) -> Watched:
    """`count` ordinary scenes to learn from: balls and balloons, any layout, and often a hand that plays with them."""
    random = np.random.default_rng(stable_seed("life", seed))
    scenes = []
    for _ in range(count):
        balloon, size = random.random() < 0.3, random.uniform(7.5, 12)
        colour = random.integers(BALLOONS) if balloon else random.integers(BALLOONS, COLOURS)
        place = random.uniform(WALL + size, FLOOR - size, 2)
        away = random.uniform(-1, 1, 2)
        away *= (size + HAND_RADIUS + random.uniform(2, 30)) / np.linalg.norm(away)
        hand = np.clip(place + away, 6, ROOM - 6)
        towards = np.tile(np.clip((place - hand) / 20, -1, 1), (FRAMES, 1)) if random.random() < 0.7 else None
        scenes.append(
            Setup(
                _pair(place),
                _pair(random.uniform(-60, 60, 2)),
                float(size),
                int(random.integers(len(LAYOUTS))),
                int(colour),
                LIFT if balloon else 1.0,
                _pair(hand),
                towards,
            )
        )
    return Watched.join([watch(setup, noise, random) for setup in scenes])


def gravity(random: np.random.Generator) -> Four:
    """A stone and a balloon, thrown alike."""
    place, velocity = _pair(random.uniform([35, 30], [65, 65])), _pair(random.uniform(-30, 30, 2))
    stone = Setup(place, velocity, random.uniform(7.5, 12), colour=int(random.integers(BALLOONS, COLOURS)))
    return stone, replace(stone, colour=int(random.integers(BALLOONS)), lift=LIFT)


def support(random: np.random.Generator) -> Four:
    """A ball on a ledge, and where none is."""
    layout, x, y, size = _ledge(random)
    above = Setup((x, y - LEDGE_RADIUS - size), (0.0, 0.0), size, layout)
    return above, replace(above, layout=EMPTY)


def solidity(random: np.random.Generator) -> Four:
    """A ball thrown at a ledge from above or from below, and where none is."""
    layout, x, y, size = _ledge(random)
    below = random.random() < 0.5
    gap = LEDGE_RADIUS + size + random.uniform(3, 8)
    speed = -random.uniform(80, 100) if below else random.uniform(20, 50)
    thrown = Setup((x, y + gap if below else y - gap), (0.0, speed), size, layout)
    return thrown, replace(thrown, layout=EMPTY)


def permanence(random: np.random.Generator) -> Four:
    """A ball flies behind a screen that is narrow, or reaches up to the wall."""
    size = random.uniform(7.5, 10)
    x, y = random.uniform(16, 20), random.uniform(35, 50)
    low = x + size + random.uniform(-4, 0)
    narrow = Setup(
        (x, y),
        (random.uniform(70, 85), random.uniform(-50, -30)),
        size,
        screen=(low, low + 2 * size + random.uniform(8, 16)),
    )
    return narrow, replace(narrow, screen=(low, ROOM + size))


def inertia(random: np.random.Generator) -> Four:
    """A ball flies where no hand is, or against a hand."""
    start = np.array([random.uniform(16, 24), random.uniform(40, 60)])
    velocity = np.array([random.uniform(60, 85), random.uniform(-50, -25)])
    time = 8 / FRAMES_PER_SECOND
    meets = start + velocity * time + [0, GRAVITY * time**2 / 2] + random.uniform(-5, 5, 2)
    free = Setup(_pair(start), _pair(velocity), random.uniform(7.5, 10))
    return free, replace(free, hand=_pair(meets))


def contact(random: np.random.Generator) -> Four:
    """A hand comes along the floor towards a ball, and stops a little before it or not."""
    size, gap, frames = random.uniform(7.5, 12), random.uniform(12, 20), random.integers(4, 7)
    x = random.uniform(50, 60)
    short = np.zeros((FRAMES, 2))
    short[:frames, 0] = (gap - 5) * FRAMES_PER_SECOND / HAND_SPEED / frames
    onwards = short.copy()
    onwards[frames : frames + 4, 0] = random.uniform(0.5, 0.9)
    stops = Setup(
        (x, FLOOR - size), (0.0, 0.0), size, hand=(x - size - HAND_RADIUS - gap, FLOOR - HAND_RADIUS), actions=short
    )
    return stops, replace(stops, actions=onwards)


LAWS: dict[str, Callable[[np.random.Generator], Four]] = {
    "gravity": gravity,
    "support": support,
    "solidity": solidity,
    "permanence": permanence,
    "inertia": inertia,
    "contact": contact,
}


def _ledge(random: np.random.Generator) -> tuple[int, float, float, float]:
    """A layout, a place on the middle line of its ledge, and the radius of a ball that fits there."""
    layout, size = (LEFT_LEDGE, RIGHT_LEDGE)[random.integers(2)], random.uniform(7.5, 10)
    (x0, y, x1, _) = next(line for line in LAYOUTS[layout] if line[1] == line[3])
    margin = size + WALL / 2
    low, high = (x0 + margin, x1 - 3) if layout == LEFT_LEDGE else (x0 + 3, x1 - margin)
    return layout, float(random.uniform(low, high)), y, float(size)


def _seen_from_either_side(pair: Four, random: np.random.Generator) -> Four:
    """Mirror both scenes with probability one half, where the room is symmetric."""
    if any(setup.layout != EMPTY for setup in pair) or random.random() < 0.5:
        return pair
    return _mirrored(pair[0]), _mirrored(pair[1])


def _mirrored(setup: Setup) -> Setup:
    return replace(
        setup,
        place=(ROOM - setup.place[0], setup.place[1]),
        velocity=(-setup.velocity[0], setup.velocity[1]),
        hand=(ROOM - setup.hand[0], setup.hand[1]),
        actions=None if setup.actions is None else setup.actions * [-1, 1],
        screen=NO_SCREEN if setup.screen == NO_SCREEN else (ROOM - setup.screen[1], ROOM - setup.screen[0]),
    )


def _pair(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _one(values: object) -> Tensor:
    array = np.asarray(values)
    return torch.from_numpy(array if array.dtype == bool else array.astype(np.float32))[None]
