"""A scene of the playroom: all random choices of a recording, drawn before anything moves.

A scene is a pure function of (seed, number). An intervention changes it afterwards, so recordings with and without
the intervention are bit-identical until the change has an effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from sensorium.config import PlayroomConfig
from sensorium.data.sources.playroom.materials import MATERIALS, PROPERTIES, SHAPES, TEXTURES

ROOM = 100.0  # width and height of the room
WALL = 4.0  # thickness of walls, floor and ceiling
HAND_RADIUS = 10.0
SLOTS = 4  # the most bodies of a room
EDGE = 0.3  # radius that rounds the corners of a body
GRAVITY = 160.0  # units per second squared, downwards
OWN_TEXTURE = 0.6  # probability that a body has its material's texture; the others share the rest
MODES = max(len(material.ratios) for material in PROPERTIES.values())

# Ledges and ramps: thick line segments (x0, y0, x1, y1). Layouts and looks are few, so neither identifies a recording.
LAYOUTS: tuple[tuple[tuple[float, float, float, float], ...], ...] = (
    (),
    ((4.0, 62.0, 34.0, 62.0),),
    ((70.0, 96.0, 96.0, 74.0),),
    ((4.0, 76.0, 26.0, 96.0), (68.0, 56.0, 96.0, 56.0)),
)
LEDGE_RADIUS = 1.6
LOOKS = 3


@dataclass(frozen=True)
class Body:
    """A body as it was drawn: its material and shape, its look, and how it enters the room."""

    material: str
    shape: str
    size: float  # radius of the circle of about the same area, in room units
    colour: int  # index into the palette, never repeated within a room
    shade: float  # -1 (darker) to 1 (paler); hides the effect of a texture on the mean colour
    texture: str
    position: tuple[float, float]
    velocity: tuple[float, float]
    angle: float
    spin: float
    detune: tuple[float, ...]  # factor on each mode's frequency
    strength: tuple[float, ...]  # factor on each mode's amplitude
    lift: float = 1.0  # factor on gravity; a balloon's is negative

    def outline(self) -> np.ndarray:
        """Corners in the body's own frame, float64 [n, 2]; empty for a circle."""
        return outline(self.shape, self.size)


def outline(shape: str, size: float) -> np.ndarray:
    """Corners of a body of this shape around its centre, float64 [n, 2]; empty for a circle."""
    if shape == "circle":
        return np.zeros((0, 2))
    if shape == "triangle":
        turn = np.array([-np.pi / 2, np.pi / 6, 5 * np.pi / 6])
        return 1.3 * size * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    half = size * np.array([1.35, 0.62] if shape == "plank" else [0.9, 0.9])
    return half * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def area(shape: str, size: float) -> float:
    """Area of a body of this shape, in square room units, with its rounded edge."""
    corners = outline(shape, size)
    if not len(corners):
        return float(np.pi * size**2)
    following = np.roll(corners, -1, axis=0)
    inside = 0.5 * abs(np.sum(corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]))
    around = np.linalg.norm(following - corners, axis=1).sum()
    return float(inside + EDGE * around + np.pi * EDGE**2)


@dataclass(frozen=True)
class Wish:
    """The hand's goal from frame `start` on, until the next wish; see physics.command."""

    start: int
    kind: str  # "wander", "chase" or "juggle"
    target: int
    aim: tuple[float, float]  # offset from the target's centre


@dataclass(frozen=True)
class Scene:
    """All that is random in one recording."""

    bodies: tuple[Body | None, ...]  # SLOTS entries; None: an empty slot
    layout: int
    look: int
    hand: tuple[float, float]
    wishes: tuple[Wish, ...]
    wander: np.ndarray  # float64 [T, 2], a smooth random velocity command
    noise_seed: tuple[int, ...]
    actions: np.ndarray | None = None  # float32 [T, 2] in place of the policy
    television: bool = False


@dataclass(frozen=True)
class Intervention:
    """A change to a scene that is already drawn.

    Attributes:
        materials: body -> new material; its look stays, so the change is invisible until it has an effect.
        remove: bodies to leave out.
        balloons: bodies that rise instead of falling.
        television: show fresh noise in a corner of every frame.
        actions: float [T, 2] in [-1, 1], instead of the policy's.
    """

    materials: Mapping[int, str] = field(default_factory=dict)
    remove: frozenset[int] = frozenset()
    balloons: frozenset[int] = frozenset()
    television: bool = False
    actions: np.ndarray | None = None

    def apply(self, scene: Scene) -> Scene:
        """The scene with this change.

        Raises:
            ValueError: if it names an absent body or an unknown material, or its actions have another shape.
        """
        bodies = list(scene.bodies)
        for slot in {*self.materials, *self.remove, *self.balloons}:
            if not 0 <= slot < SLOTS or bodies[slot] is None:
                present = [index for index, body in enumerate(bodies) if body is not None]
                raise ValueError(f"intervention names body {slot}: this room has bodies {present}")
        for slot, body in enumerate(bodies):
            if body is None:
                continue
            material = self.materials.get(slot, body.material)
            if material not in PROPERTIES:
                raise ValueError(f"intervention names material {material!r}: choose from {', '.join(MATERIALS)}")
            lift = -0.3 if slot in self.balloons else body.lift
            bodies[slot] = None if slot in self.remove else replace(body, material=material, lift=lift)
        actions = scene.actions
        if self.actions is not None:
            actions = np.clip(np.asarray(self.actions, np.float32), -1, 1)
            if actions.shape != scene.wander.shape:
                raise ValueError(f"intervention has actions of shape {actions.shape}: expected {scene.wander.shape}")
        return replace(scene, bodies=tuple(bodies), television=self.television, actions=actions)


def draw_scene(config: PlayroomConfig, number: int) -> Scene:
    """The scene of recording `number`: a function of (config.seed, number)."""
    random = np.random.default_rng([config.seed, number])
    count = int(random.integers(config.min_bodies, config.max_bodies + 1))
    layout = int(random.integers(len(LAYOUTS)))
    look = int(random.integers(LOOKS))
    hand = (float(random.uniform(20, 80)), float(random.uniform(84, 90)))
    colours = random.permutation(8)
    lanes = random.permutation(SLOTS)  # each body starts in its own part of the room, so that none overlap
    bodies = [_draw_body(random, int(colours[slot]), int(lanes[slot])) for slot in range(SLOTS)]
    return Scene(
        bodies=tuple(body if slot < count else None for slot, body in enumerate(bodies)),
        layout=layout,
        look=look,
        hand=hand,
        wishes=_draw_wishes(random, config.frames, count),
        wander=_draw_wander(random, config.frames),
        noise_seed=(config.seed, number, 1),
    )


def _draw_body(random: np.random.Generator, colour: int, lane: int) -> Body:
    material = MATERIALS[random.integers(len(MATERIALS))]
    own = PROPERTIES[material].texture
    others = [texture for index, texture in enumerate(TEXTURES) if index != own]
    texture = TEXTURES[own] if random.random() < OWN_TEXTURE else others[random.integers(len(others))]
    column, row = lane % 2, lane // 2
    x, y = 28.0 + 44.0 * column, 22.0 + 34.0 * row
    return Body(
        material=material,
        shape=SHAPES[random.integers(len(SHAPES))],
        size=float(random.uniform(7.5, 12.0)),
        colour=colour,
        shade=float(random.uniform(-1, 1)),
        texture=texture,
        position=(x + float(random.uniform(-5, 5)), y + float(random.uniform(-1, 1))),
        velocity=(float(random.uniform(-40, 40)), float(random.uniform(-30, 30))),
        angle=float(random.uniform(-np.pi, np.pi)),
        spin=float(random.uniform(-4, 4)),
        detune=tuple(random.uniform(0.97, 1.03, MODES).tolist()),
        strength=tuple(random.uniform(0.6, 1.0, MODES).tolist()),
    )


def _draw_wishes(random: np.random.Generator, frames: int, count: int) -> tuple[Wish, ...]:
    wishes, start = [], 0
    while start < frames:
        kind = ("wander", "chase", "juggle")[random.choice(3, p=[0.2, 0.5, 0.3])]
        aim = (float(random.uniform(-4, 4)), float(random.uniform(-2, 6)))
        wishes.append(Wish(start, kind, int(random.integers(count)), aim))
        start += int(random.integers(8, 22))
    return tuple(wishes)


def _draw_wander(random: np.random.Generator, frames: int) -> np.ndarray:
    """Velocity commands from an Ornstein-Uhlenbeck process, float64 [T, 2]: std 0.55, time constant five frames."""
    steps = random.standard_normal((frames, 2))
    value, decay = 0.55 * steps[0], np.exp(-1 / 5)
    path = np.empty((frames, 2))
    for frame in range(frames):
        value = decay * value + 0.55 * np.sqrt(1 - decay**2) * steps[frame]
        path[frame] = value
    return path
