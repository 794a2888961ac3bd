"""A second of the playroom in a sentence: what the simulator knows of it, in words, the third sense of a moment.

    The hand is at the top left. 2 bodies: a big metal box at the right; a small glass ball at the bottom left.
    Heard: glass early; metal late.

Bodies stand from left to right as they are at the end of the second; a place is one of nine; sounds are the impacts
that dominate their frame (`truth.audio_label`), in order.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sensorium.data.sources.playroom.materials import MATERIALS

FIELDS = ("truth.state", "truth.material", "truth.shape", "truth.size", "truth.position", "truth.audio_label")
OF_FRAMES = ("truth.state", "truth.position", "truth.audio_label")  # those that have an entry a frame
SHAPES = ("ball", "box", "triangle", "plank")  # as playroom.materials.SHAPES
BIG = 0.09  # room widths: radius of a body from which it is called big
ROWS, COLUMNS, TIMES = ("top", "", "bottom"), ("left", "", "right"), ("early", "midway", "late")
MOST_SOUNDS = 3
LOUD = 0.25  # summed amplitude of a frame's impacts from which something is heard, though no material dominates


def sentence(truth: Mapping[str, np.ndarray]) -> str:
    """The sentence of a window.

    Args:
        truth: the fields FIELDS, those OF_FRAMES of the window's frames alone.
    """
    hand = place(truth["truth.state"][-1, :2])
    return f"The hand is at the {hand}. {_bodies(truth)} {_sounds(truth)}"


def place(point: np.ndarray) -> str:
    """One of nine places, of a point (x, y) in room widths, y down."""
    column, row = np.clip((3 * np.asarray(point)).astype(int), 0, 2).tolist()
    return " ".join(word for word in (ROWS[row], COLUMNS[column]) if word) or "middle"


def _bodies(truth: Mapping[str, np.ndarray]) -> str:
    places = truth["truth.position"][-1]
    present = [slot for slot in np.argsort(places[:, 0], kind="stable").tolist() if truth["truth.material"][slot] >= 0]
    parts = []
    for slot in present:
        size = "big" if truth["truth.size"][slot] >= BIG else "small"
        material, shape = MATERIALS[truth["truth.material"][slot]], SHAPES[truth["truth.shape"][slot]]
        parts.append(f"a {size} {material} {shape} at the {place(places[slot])}")
    count = "1 body" if len(present) == 1 else f"{len(present)} bodies"
    return f"{count}: {'; '.join(parts)}." if parts else f"{count}."


def _sounds(truth: Mapping[str, np.ndarray]) -> str:
    labels = truth["truth.audio_label"]
    heard = []
    for frame in np.flatnonzero(labels >= 0).tolist():
        sound = f"{MATERIALS[labels[frame]]} {TIMES[3 * frame // len(labels)]}"
        if sound not in heard:
            heard.append(sound)
    if heard:
        return f"Heard: {'; '.join(heard[:MOST_SOUNDS])}."
    return "Heard: something." if truth["truth.state"][:, -1].sum() >= LOUD else "Heard: nothing."
