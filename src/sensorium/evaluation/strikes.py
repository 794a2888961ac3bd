"""What the truth of a world of bodies tells of impacts: which kind of body sounds, and what the hand strikes.

Only the playroom has this truth: `truth.events`, and of each body `truth.material`, `truth.shape` and `truth.size`.
"""

from __future__ import annotations

import numpy as np

from sensorium.data.recording import RecordingSet
from sensorium.data.sources.playroom.materials import SHAPES

FIELDS = (
    "truth.audio_label",
    "truth.state",
    "truth.events",
    "truth.material",
    "truth.shape",
    "truth.size",
    "truth.position",
    "truth.velocity",
)
LATE = 1e-4  # seconds; an impact on the border of two frames belongs to the later one


def tells_strikes(recordings: RecordingSet) -> bool:
    """Whether the truth of these recordings holds bodies and impacts."""
    return all(recordings.has(field) for field in FIELDS)


def kinds(recordings: RecordingSet, name: str) -> np.ndarray:
    """Kind of the body whose impact dominates each frame of a recording, -1 where none does: int64 [T].

    A kind is a material and a shape: material * len(SHAPES) + shape.
    """
    labels = recordings.field(name, "truth.audio_label")
    found = np.full(len(labels), -1, np.int64)
    material, shape = (recordings.field(name, f"truth.{field}") for field in ("material", "shape"))
    loudest = np.zeros(len(labels))
    for frame, event in zip(frames_of(recordings, name), recordings.field(name, "truth.events"), strict=True):
        body, amplitude = int(event[1]), float(event[4])
        if material[body] == labels[frame] and amplitude > loudest[frame]:
            found[frame], loudest[frame] = material[body] * len(SHAPES) + shape[body], amplitude
    return found


def frames_of(recordings: RecordingSet, name: str) -> np.ndarray:
    """Frame in which each event of a recording falls, int64 [E]."""
    seconds = recordings.field(name, "truth.events")[:, 0].astype(np.float64)
    frames = np.floor((seconds + LATE) * float(recordings.details["frames_per_second"])).astype(np.int64)
    return np.minimum(frames, recordings.frames(name) - 1)
