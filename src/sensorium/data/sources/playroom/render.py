"""Pictures of the playroom, drawn at four times their size and averaged down against aliasing."""

from __future__ import annotations

import cv2
import numpy as np

from sensorium.data.sources.playroom.physics import Motion
from sensorium.data.sources.playroom.scene import HAND_RADIUS, LAYOUTS, LEDGE_RADIUS, ROOM, WALL, Body, Scene

OVERSAMPLE = 4
_BITS = 4  # of sub-pixel precision in cv2's coordinates
Colour = tuple[int, int, int]

# One palette for all materials: colour distinguishes the bodies of a room, but does not reveal their material.
PALETTE: tuple[Colour, ...] = (
    (214, 62, 52),  # red
    (232, 136, 36),  # orange
    (226, 206, 58),  # yellow
    (70, 168, 74),  # green
    (52, 178, 190),  # cyan
    (58, 96, 214),  # blue
    (140, 78, 196),  # violet
    (150, 96, 58),  # brown
)
WALLS: tuple[Colour, ...] = ((96, 92, 88), (70, 84, 104), (108, 84, 74))
BACKGROUNDS: tuple[tuple[Colour, Colour], ...] = (  # top and bottom of a gradient
    ((176, 180, 184), (204, 204, 200)),
    ((132, 150, 168), (170, 184, 192)),
    ((186, 168, 150), (214, 200, 182)),
)
PALE, DARK = (196, 194, 192), (60, 56, 60)
HAND_RIM, HAND_PALM, HAND_CORE = (28, 24, 34), (250, 246, 250), (240, 60, 160)
HAND_RADII = (HAND_RADIUS, HAND_RADIUS - 2.2, 3.6)  # of the discs of these colours, in room units


def draw(scene: Scene, motion: Motion, size: int) -> np.ndarray:
    """Frames of a recording, uint8 [T, size, size, 3], RGB."""
    frames = len(motion.position)
    scale = size * OVERSAMPLE / ROOM
    backdrop = _backdrop(scene, size * OVERSAMPLE, scale)
    painters = [
        _Painter(body, motion.position[:, slot], motion.angle[:, slot], scale, BACKGROUNDS[scene.look][1])
        for slot, body in enumerate(scene.bodies)
        if body is not None
    ]
    hands = _fixed(motion.hand_position, scale)
    static = np.random.default_rng([*scene.noise_seed, 1]) if scene.television else None
    video = np.empty((frames, size, size, 3), np.uint8)
    canvas = np.empty_like(backdrop)
    for frame in range(frames):
        np.copyto(canvas, backdrop)
        for painter in painters:
            painter.paint(canvas, frame)
        _paint_hand(canvas, hands[frame], scale)
        cv2.resize(canvas, (size, size), dst=video[frame], interpolation=cv2.INTER_AREA)
        if static is not None:
            patch = size // 4
            video[frame, :patch, size - patch :] = static.integers(0, 256, (patch, patch, 3), np.uint8)
    return video


def body_colours(scene: Scene) -> np.ndarray:
    """Colour that most of each body has, uint8 [SLOTS, 3]; black for an empty slot."""
    fills = [(0, 0, 0) if body is None else _fill(body, BACKGROUNDS[scene.look][1]) for body in scene.bodies]
    return np.array(fills, np.uint8)


def other_colours(scene: Scene) -> np.ndarray:
    """Colours of walls, background (darkest, middle and lightest) and hand, uint8 [n, 3]."""
    top, bottom = BACKGROUNDS[scene.look]
    return np.array([WALLS[scene.look], top, _mix(top, bottom, 0.5), bottom, HAND_RIM, HAND_PALM, HAND_CORE], np.uint8)


def with_hand(picture: np.ndarray, place: np.ndarray) -> np.ndarray:
    """A picture uint8 [S, S, 3] with a hand drawn over it at a place [2] in room units."""
    size = len(picture)
    canvas, scale = np.repeat(np.repeat(picture, OVERSAMPLE, 0), OVERSAMPLE, 1), size * OVERSAMPLE / ROOM
    _paint_hand(canvas, _fixed(place[None], scale)[0], scale)
    drawn: np.ndarray = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return drawn


def without_hand(picture: np.ndarray, place: np.ndarray) -> np.ndarray:
    """A picture uint8 [S, S, 3] whose hand, at a place [2] in room units, is painted over with what surrounds it."""
    size = len(picture)
    hidden = np.zeros((size, size), np.uint8)
    cv2.circle(
        hidden,
        _fixed(place[None], size / ROOM)[0],
        int((HAND_RADIUS / ROOM * size + 1) * 2**_BITS),
        255,
        -1,
        cv2.LINE_8,
        _BITS,
    )
    painted: np.ndarray = cv2.inpaint(np.ascontiguousarray(picture), hidden, 3, cv2.INPAINT_TELEA)
    return painted


def _paint_hand(canvas: np.ndarray, place: tuple[int, int], scale: float) -> None:
    for radius, colour in zip(HAND_RADII, (HAND_RIM, HAND_PALM, HAND_CORE), strict=True):
        cv2.circle(canvas, place, int(radius * scale * 2**_BITS), colour, -1, cv2.LINE_8, _BITS)


def _fixed(points: np.ndarray, scale: float) -> list[tuple[int, int]]:
    """Room coordinates [n, 2] as cv2's fixed-point pixels."""
    return [tuple(point) for point in np.round((points * scale - 0.5) * 2**_BITS).astype(int).tolist()]


def _backdrop(scene: Scene, pixels: int, scale: float) -> np.ndarray:
    top, bottom = (np.array(colour, np.float64) for colour in BACKGROUNDS[scene.look])
    share = np.linspace(0, 1, pixels)[:, None, None]
    gradient = np.round(top + share * (bottom - top)).astype(np.uint8)
    canvas = np.ascontiguousarray(np.broadcast_to(gradient, (pixels, pixels, 3)))
    wall = round(WALL * scale)
    for edge in (canvas[:wall], canvas[-wall:], canvas[:, :wall], canvas[:, -wall:]):
        edge[:] = WALLS[scene.look]
    for x0, y0, x1, y1 in LAYOUTS[scene.layout]:
        start, end = _fixed(np.array([[x0, y0], [x1, y1]]), scale)
        cv2.line(canvas, start, end, WALLS[scene.look], round(2 * LEDGE_RADIUS * scale), cv2.LINE_8, _BITS)
    return canvas


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round((1 - share) * a + share * b) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def _paint(body: Body) -> Colour:
    return _mix(PALETTE[body.colour], PALE if body.shade > 0 else DARK, 0.45 * abs(body.shade))


def _fill(body: Body, background: Colour) -> Colour:
    return _mix(_paint(body), background, 0.35) if body.texture == "hollow" else _paint(body)


class _Painter:
    """Draws one body; the points of all frames are computed in advance."""

    def __init__(self, body: Body, position: np.ndarray, angle: np.ndarray, scale: float, background: Colour) -> None:
        self.body = body
        colour, self.fill = _paint(body), _fill(body, background)
        self.rim = _mix(colour, (0, 0, 0), 0.3)
        self.mark = _mix(colour, (255, 255, 255), 0.85) if body.texture == "shine" else _mix(colour, (20, 16, 16), 0.6)
        self.radius = int(body.size * scale * 2**_BITS)
        self.dot = int((0.27 if body.texture == "shine" else 0.2) * body.size * scale * 2**_BITS)
        self.thick = max(round((2.6 if body.texture == "hollow" else 1.2) * scale), 1)
        self.stroke = max(round(1.6 * scale), 1)
        outline = body.outline()
        self.corners = len(outline)
        local = np.concatenate([outline, self._marks()])
        turn = np.exp(1j * (np.zeros_like(angle) if body.texture == "shine" and not self.corners else angle))
        placed = turn[:, None] * (local @ np.array([1, 1j]))[None] + (position @ np.array([1, 1j]))[:, None]
        if body.texture == "shine":  # the highlight faces the light, however the body is turned
            placed[:, -1] = position @ np.array([1, 1j]) + body.size * (-0.3 - 0.3j)
        fixed = np.round((np.stack([placed.real, placed.imag], axis=-1) * scale - 0.5) * 2**_BITS)
        self.points = np.ascontiguousarray(fixed.astype(np.int32))
        self.marks = [[tuple(point) for point in row] for row in self.points[:, self.corners :].tolist()]
        self.centres = _fixed(position, scale)

    def _marks(self) -> np.ndarray:
        """Ends of stripes (pairs), centres of dots, or the highlight, in the body's own frame [n, 2]."""
        size = self.body.size
        if self.body.texture == "stripes":
            heights = (-0.35, 0.0, 0.35)
            return size * np.array([[side, height] for height in heights for side in (-0.55, 0.55)])
        if self.body.texture == "dots":
            return size * np.array([[-0.42, 0.22], [0.42, 0.22], [0.0, -0.4]])
        return np.zeros((1, 2))

    def paint(self, canvas: np.ndarray, frame: int) -> None:
        if self.corners:
            corners = self.points[frame, : self.corners]
            cv2.fillConvexPoly(canvas, corners, self.fill, cv2.LINE_8, _BITS)
            cv2.polylines(canvas, [corners], True, self.rim, self.thick, cv2.LINE_8, _BITS)
        else:
            cv2.circle(canvas, self.centres[frame], self.radius, self.fill, -1, cv2.LINE_8, _BITS)
            cv2.circle(canvas, self.centres[frame], self.radius, self.rim, self.thick, cv2.LINE_8, _BITS)
        marks = self.marks[frame]
        if self.body.texture == "stripes":
            for start, end in zip(marks[::2], marks[1::2], strict=True):
                cv2.line(canvas, start, end, self.mark, self.stroke, cv2.LINE_8, _BITS)
        elif self.body.texture != "hollow":
            for mark in marks:
                cv2.circle(canvas, mark, self.dot, self.mark, -1, cv2.LINE_8, _BITS)
