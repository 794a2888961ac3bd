"""Attempts of a babbling hand in the playroom: balls of four colours, actions on them, and what is then sensed.

The learner does not see the material of a colour. Every attempt has a new ball of visible size. The last action is
random and not known to the learner, so its outcome cannot be predicted; waiting teaches nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from sensorium.config import PlayroomConfig
from sensorium.data.sources.playroom import sound
from sensorium.data.sources.playroom.materials import MATERIALS
from sensorium.data.sources.playroom.physics import Motion, RoomSimulation
from sensorium.data.sources.playroom.scene import HAND_RADIUS, ROOM, WALL, draw_scene
from sensorium.randomness import stable_seed

OBJECTS = ("red ball", "yellow ball", "green ball", "blue ball")
ACTIONS = ("push", "toss", "drop", "wait", "fumble")
PUSH, TOSS, DROP, WAIT, FUMBLE = range(len(ACTIONS))
REGIONS = [(thing, action) for thing in range(len(OBJECTS)) for action in range(len(ACTIONS))]
LEARNABLE = [number for number, (_, action) in enumerate(REGIONS) if action in (PUSH, TOSS, DROP)]
UNLEARNABLE = [FUMBLE]  # actions
FRAMES = 12
KNOWN = 3  # numbers known before an attempt: strength, distance, size
SCALES = np.array([20.0, 20.0, 60.0, 60.0, 150.0, 150.0, 0.5])  # one unit of each outcome
MIDDLE, FLOOR, ASIDE = ROOM / 2, ROOM - WALL, (10.0, 10.0)


@lru_cache(maxsize=50_000)  # the lives of one seed make the same attempts
def attempt(seed: int, region: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """One attempt, a function of its arguments.

    Returns:
        what is known before, float32 [KNOWN], each in -1..1; the outcome as sensed, float32 [len(SCALES)]: how far the
        ball moved and how fast it is (seen), the impulse that the hand felt, and the loudness that was heard.
    """
    thing, action = REGIONS[region]
    random = np.random.default_rng(stable_seed("attempt", seed, region, number))
    strength, distance, size = random.uniform(0.3, 1.0), random.uniform(0.0, 1.0), random.uniform(7.5, 12.0)
    actions, place, hand = np.zeros((FRAMES, 2), np.float32), (MIDDLE, FLOOR - size), ASIDE
    reach = size + HAND_RADIUS + 0.5
    if action == PUSH:
        hand = (MIDDLE - reach - 8 * distance, FLOOR - HAND_RADIUS)
        actions[:6, 0] = strength
    elif action == TOSS:
        hand = (MIDDLE, FLOOR - HAND_RADIUS)
        place = (MIDDLE, hand[1] - reach - 8 * distance)
        actions[2:6, 1] = -strength
    elif action == DROP:
        place = (MIDDLE, FLOOR - size - 8 - 30 * distance)
    elif action == FUMBLE:
        side = random.choice([-1, 1])
        hand = (MIDDLE + side * reach, FLOOR - HAND_RADIUS - random.uniform(0, 5))
        actions[:] = random.uniform(-1, 1, (FRAMES, 2)) + np.array([-0.5 * side, 0])
    base = draw_scene(PlayroomConfig(min_bodies=1, max_bodies=1, seed=seed), 0)
    assert base.bodies[0] is not None
    ball = replace(
        base.bodies[0],
        shape="circle",
        material=MATERIALS[(thing + seed) % len(MATERIALS)],
        size=size,
        position=place,
        velocity=(0.0, 0.0),
        spin=0.0,
        lift=1.0,
    )
    scene = replace(base, bodies=(ball, None, None, None), layout=0, hand=hand)
    room = RoomSimulation(scene)
    motion = Motion.join([room.step(command) for command in actions])
    heard = sound.Loudness(scene).of(motion.impacts).sum()
    moved, felt = motion.position[-1, 0] - place, motion.push.sum(0)
    outcome = np.concatenate([moved, motion.velocity[-1, 0], felt, [heard]]) / SCALES
    known = np.array([(strength - 0.65) / 0.35, 2 * distance - 1, (size - 9.75) / 2.25])
    return known.astype(np.float32), outcome.astype(np.float32)
