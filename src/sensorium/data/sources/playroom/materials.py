"""The materials of the playroom: how each one moves, sounds and usually looks.

Units: a room is 100 units wide and high, y points down; mass 1 is a body of 450 square units at density 1.
Mode ratios: a free bar for metal and wood, the rim of a wine glass for glass (Fletcher and Rossing, The Physics of
Musical Instruments, chapters 2 and 20); rubber is a heavily damped membrane.
"""

from __future__ import annotations

from dataclasses import dataclass

MATERIALS = ("wood", "metal", "glass", "rubber")
SHAPES = ("circle", "box", "triangle", "plank")
TEXTURES = ("stripes", "shine", "hollow", "dots")
REFERENCE_SIZE = 12.0  # a body of this radius has its material's pitch


@dataclass(frozen=True)
class Material:
    """Constants of one material.

    Attributes:
        density: mass per 450 square units.
        friction: Coulomb coefficient (the room's own is 1; the product counts).
        elasticity: restitution against the room, 0 to 1.
        pitch: lowest mode of a body of the reference size, in Hz; inversely proportional to size.
        ratios: modes relative to the lowest.
        decay: time constant of the lowest mode, in seconds.
        damping: how much faster higher modes decay: decay / (1 + damping * (ratio - 1)).
        contact: length of the contact pulse, in seconds; a soft contact excites no high modes.
        texture: index into TEXTURES of its most frequent texture.
    """

    density: float
    friction: float
    elasticity: float
    pitch: float
    ratios: tuple[float, ...]
    decay: float
    damping: float
    contact: float
    texture: int


PROPERTIES: dict[str, Material] = {
    "wood": Material(0.7, 0.6, 0.50, 340.0, (1.0, 2.57, 4.95, 7.6), 0.045, 0.6, 0.0012, 0),
    "metal": Material(3.2, 0.3, 0.38, 430.0, (1.0, 2.76, 5.40, 8.93, 13.3), 0.45, 0.12, 0.0005, 1),
    "glass": Material(2.0, 0.1, 0.62, 900.0, (1.0, 2.32, 4.25, 6.63), 0.16, 0.3, 0.0003, 2),
    "rubber": Material(1.1, 0.95, 0.88, 130.0, (1.0, 1.59, 2.14), 0.035, 0.5, 0.0060, 3),
}
