"""The motion of the playroom: pymunk bodies, a hand that follows velocity commands, and their impacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymunk

from sensorium.data.sources.playroom.materials import PROPERTIES
from sensorium.data.sources.playroom.scene import (
    EDGE,
    GRAVITY,
    HAND_RADIUS,
    LAYOUTS,
    LEDGE_RADIUS,
    ROOM,
    SLOTS,
    WALL,
    Body,
    Scene,
    Wish,
)

FRAMES_PER_SECOND = 16
SUBSTEPS = 10
HAND_SPEED = 75.0  # units per second at a command of 1
HAND_MASS = 6.0
HAND_FORCE = 12000.0  # enough to lift any body, not enough to crush one through a wall
HAND_MARGIN = 6.0  # smallest distance of the hand's centre from the edge of the picture
WEAKEST_IMPACT = 12.0  # units per second; a contact that changes a velocity by less is silent
OTHER_HAND, OTHER_ROOM = -1, -2
_BODY, _HAND, _ROOM = 1, 2, 3


@dataclass(frozen=True)
class Impact:
    """A new contact of a body."""

    step: int  # physics step since the start, SUBSTEPS a frame
    body: int
    other: int  # another body, OTHER_HAND or OTHER_ROOM
    impulse: float
    speed: float  # impulse / mass: the change of the body's velocity, units per second


@dataclass(frozen=True)
class RoomState:
    """The room at the end of a frame, and the impacts of that frame: N = SLOTS bodies, NaN where a slot is empty."""

    position: np.ndarray  # float64 [N, 2]
    velocity: np.ndarray  # float64 [N, 2]
    angle: np.ndarray  # float64 [N]
    hand_position: np.ndarray  # float64 [2]
    hand_velocity: np.ndarray  # float64 [2]
    push: np.ndarray  # float64 [2], impulse the hand felt from bodies
    action: np.ndarray  # float32 [2], the action that led here
    impacts: tuple[Impact, ...]


@dataclass(frozen=True)
class Motion:
    """The motion of a recording: T frames, N = SLOTS bodies, NaN where a slot is empty."""

    position: np.ndarray  # float64 [T, N, 2]
    velocity: np.ndarray  # float64 [T, N, 2]
    angle: np.ndarray  # float64 [T, N]
    hand_position: np.ndarray  # float64 [T, 2]
    hand_velocity: np.ndarray  # float64 [T, 2]
    push: np.ndarray  # float64 [T, 2], impulse the hand felt from bodies
    struck: np.ndarray  # bool [T], whether the hand struck a body
    action: np.ndarray  # float32 [T, 2], action[t] led to frame t
    impacts: tuple[Impact, ...]

    @classmethod
    def join(cls, states: Sequence[RoomState]) -> Motion:
        """The motion that consists of T consecutive states."""
        names = ("position", "velocity", "angle", "hand_position", "hand_velocity", "push", "action")
        return cls(
            **{name: np.stack([getattr(state, name) for state in states]) for name in names},
            struck=np.array([any(impact.other == OTHER_HAND for impact in state.impacts) for state in states]),
            impacts=tuple(impact for state in states for impact in state.impacts),
        )


class RoomSimulation:
    """A scene in motion, frame by frame."""

    def __init__(self, scene: Scene) -> None:
        self._space = space = pymunk.Space()
        space.gravity = (0, GRAVITY)
        space.damping = 0.75  # fraction of a velocity that is left after a second in air; it steadies the pictures
        space.iterations = 8
        _add_room(space, scene.layout)
        self.bodies = [None if body is None else _add_body(space, slot, body) for slot, body in enumerate(scene.bodies)]
        self.hand, self._drive = _add_hand(space, scene.hand)
        self._listener = _Listener(self.bodies, self.hand)
        self._listener.attach(space)
        self._frame = 0

    def step(self, action: np.ndarray) -> RoomState:
        """Simulate one frame with a velocity command, float32 [2] in [-1, 1]."""
        listener = self._listener
        self._drive.velocity = _drive_velocity(action, self.hand)
        listener.push, listener.impacts = [0.0, 0.0], []
        for step in range(SUBSTEPS):
            listener.step = self._frame * SUBSTEPS + step
            self._space.step(1 / (FRAMES_PER_SECOND * SUBSTEPS))
        self._frame += 1
        return self.now(action)

    def now(self, action: np.ndarray) -> RoomState:
        """The present state of the room, with the action and the impacts of the last frame."""
        position, velocity, angle = np.full((SLOTS, 2), np.nan), np.full((SLOTS, 2), np.nan), np.full(SLOTS, np.nan)
        for slot, body in enumerate(self.bodies):
            if body is not None:
                position[slot], velocity[slot], angle[slot] = body.position, body.velocity, body.angle
        hand, listener = self.hand, self._listener
        place, speed, push = np.array(hand.position), np.array(hand.velocity), np.array(listener.push)
        return RoomState(position, velocity, angle, place, speed, push, action, tuple(listener.impacts))


class Habit:
    """The policy that makes the recordings: it follows the wishes of the scene, one after the other."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._frame = scene, 0

    def act(self, room: RoomSimulation) -> np.ndarray:
        """The action, float32 [2], that leads to the next frame; call it once for each frame."""
        frame = min(self._frame, len(self._scene.wander) - 1)
        self._frame += 1
        if self._scene.actions is not None:
            return self._scene.actions[frame]
        wish = next(wish for wish in reversed(self._scene.wishes) if wish.start <= frame)
        return command(wish, self._scene.wander[frame], room.hand, room.bodies[wish.target]).astype(np.float32)


def run(scene: Scene, frames: int) -> Motion:
    """Simulate `frames` frames of a scene, with the actions that it has or else those of the policy."""
    room, habit = RoomSimulation(scene), Habit(scene)
    return Motion.join([room.step(habit.act(room)) for _ in range(frames)])


def command(wish: Wish, wander: np.ndarray, hand: pymunk.Body, target: pymunk.Body | None) -> np.ndarray:
    """The velocity command, [2] in [-1, 1], that follows a wish of the hand.

    To wander, it follows smooth noise; to chase, it runs through the target; to juggle, it moves below the target,
    then up, and lets the target fall.
    """
    if wish.kind == "wander" or target is None:
        return np.clip(1.5 * wander, -1, 1)
    gap = np.array(target.position) + wish.aim - np.array(hand.position)
    if wish.kind == "juggle":
        if target.position.y < 0.4 * ROOM:  # high enough: let it fall, do not press it to the ceiling
            return np.clip(1.5 * wander + [0.0, 0.5], -1, 1)
        below = gap[1] < -HAND_RADIUS and abs(gap[0]) < HAND_RADIUS
        gap = np.array([gap[0], -60.0]) if below else gap + np.array([0.0, 22.0])
    return np.clip(gap / 14.0 + 0.35 * wander, -1, 1)


def _drive_velocity(action: np.ndarray, hand: pymunk.Body) -> tuple[float, float]:
    """Commanded velocity, clipped so that the hand's centre stays in the picture."""
    place = np.array(hand.position)
    slowest = (HAND_MARGIN - place) * FRAMES_PER_SECOND
    fastest = (ROOM - HAND_MARGIN - place) * FRAMES_PER_SECOND
    x, y = np.clip(HAND_SPEED * action.astype(np.float64), slowest, fastest)
    return float(x), float(y)


def _add_room(space: pymunk.Space, layout: int) -> None:
    thick = 25.0  # much thicker than it looks, so that nothing is pushed through
    low, high = WALL - thick, ROOM - WALL + thick
    corners = [(low, low), (high, low), (high, high), (low, high)]
    lines = zip(corners, corners[1:] + corners[:1], strict=True)
    edges = [pymunk.Segment(space.static_body, start, end, thick) for start, end in lines]
    ledges = [pymunk.Segment(space.static_body, (x0, y0), (x1, y1), LEDGE_RADIUS) for x0, y0, x1, y1 in LAYOUTS[layout]]
    for shape in edges + ledges:
        shape.elasticity, shape.friction, shape.collision_type = 1.0, 1.0, _ROOM
    space.add(*edges, *ledges)


def _add_body(space: pymunk.Space, slot: int, spec: Body) -> pymunk.Body:
    material, corners = PROPERTIES[spec.material], spec.outline()
    body = pymunk.Body()
    shape = pymunk.Poly(body, corners.tolist(), radius=EDGE) if len(corners) else pymunk.Circle(body, spec.size)
    shape.density = material.density / 450.0
    shape.friction, shape.elasticity, shape.collision_type = material.friction, material.elasticity, _BODY
    space.add(body, shape)
    body.position, body.velocity = spec.position, spec.velocity
    body.angle, body.angular_velocity = spec.angle, spec.spin
    if spec.lift != 1.0:

        def rise(body: pymunk.Body, gravity: pymunk.Vec2d, damping: float, dt: float) -> None:
            pymunk.Body.update_velocity(body, gravity * spec.lift, damping, dt)

        body.velocity_func = rise
    return body


def _add_hand(space: pymunk.Space, place: tuple[float, float]) -> tuple[pymunk.Body, pymunk.Body]:
    """The hand, and an invisible driver to which a joint of limited force connects it."""
    hand = pymunk.Body(HAND_MASS, float("inf"))
    hand.position = place
    shape = pymunk.Circle(hand, HAND_RADIUS)
    shape.elasticity, shape.friction, shape.collision_type = 0.6, 0.6, _HAND
    drive = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
    joint = pymunk.PivotJoint(drive, hand, (0, 0), (0, 0))
    joint.max_bias, joint.max_force = 0.0, HAND_FORCE  # the hand follows the driver's velocity, not its place
    space.add(hand, shape, drive, joint)
    return hand, drive


class _Listener:
    """Notes every new impact and sums the impulses on the hand."""

    def __init__(self, bodies: list[pymunk.Body | None], hand: pymunk.Body) -> None:
        self.slots = {body: slot for slot, body in enumerate(bodies) if body is not None}
        self.hand = hand
        self.step = 0
        self.push = [0.0, 0.0]
        self.impacts: list[Impact] = []

    def attach(self, space: pymunk.Space) -> None:
        for other in (_BODY, _HAND, _ROOM):
            space.on_collision(_BODY, other, post_solve=self._hear)
        # The hand passes walls and ledges, so that it never gets stuck and can scoop from the floor.
        space.on_collision(_HAND, _ROOM, pre_solve=self._pass)

    @staticmethod
    def _pass(arbiter: pymunk.Arbiter, space: pymunk.Space, data: Any) -> None:
        arbiter.process_collision = False

    def _hear(self, arbiter: pymunk.Arbiter, space: pymunk.Space, data: Any) -> None:
        first, second = arbiter.bodies
        touched = second is self.hand
        if not (touched or arbiter.is_first_contact):
            return
        impulse = arbiter.total_impulse
        if touched:
            self.push[0] -= impulse.x  # this is the impulse on the first body, not on the hand
            self.push[1] -= impulse.y
        if arbiter.is_first_contact:
            strength = impulse.length
            other = OTHER_HAND if touched else self.slots.get(second, OTHER_ROOM)
            self._note(first, other, strength)
            if second in self.slots:
                self._note(second, self.slots[first], strength)

    def _note(self, body: pymunk.Body, other: int, impulse: float) -> None:
        speed = impulse / body.mass
        if speed >= WEAKEST_IMPACT:
            self.impacts.append(Impact(self.step, self.slots[body], other, impulse, speed))
