"""Impacts in the truth of the playroom: which kind of body sounds, and which body the hand hits.

Only the playroom has this truth: `truth.events`, and for each body `truth.material`, `truth.shape` and `truth.size`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sensorium.artifacts import ArtifactError
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.sources.playroom.materials import SHAPES
from sensorium.evaluation.harness import spread
from sensorium.evaluation.sample import Sample
from sensorium.perception.config import PropertiesConfig
from sensorium.randomness import stable_seed

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
HAND = -1
SOFTEST = 0.05  # smallest amplitude of an impact that counts: half of the one that gives a frame its label
LATE = 1e-4  # seconds; an impact on the border of two frames belongs to the later one


# The fields of an impact by the hand in a `Sample`; its group is the recording and its start is the frame:
#   body, material, shape   int64 [n]: which body, and what it is
#   size                    float64 [n]: of that body, in room widths
#   place                   float64 [n, 2]: of that body at the end of the frame, in room widths
#   event                   float64 [n, 2]: impulse and amplitude
#   motion                  float64 [n, 6]: velocity of the body before and after, velocity of the hand before
KNOWN = ("body", "material", "shape", "size", "place", "event", "motion")


def objects(impacts: Sample) -> np.ndarray:
    """One name for each body of each recording, [n]."""
    return np.array([f"{name}/{body}" for name, body in zip(impacts.groups, impacts["body"], strict=True)])


def has_impacts(recordings: RecordingSet) -> bool:
    """Whether the truth of these recordings holds bodies and impacts."""
    return all(recordings.has(field) for field in FIELDS)


def kinds(recordings: RecordingSet, name: str) -> np.ndarray:
    """Kind of the body whose impact dominates each frame of a recording, -1 if there is none: int64 [T].

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


def draw_impacts(
    recordings: RecordingSet, split: Split, before: int, after: int, count: int, rng: np.random.Generator
) -> Sample:
    """Up to `count` audible impacts by the hand in a split, spread evenly over its recordings.

    Every impact has `before` frames before its own and `after` frames after it. Several impacts on a body within one
    frame count once.

    Raises:
        ArtifactError: if there are none.
    """
    rows = [row for name in recordings.names(split) for row in _impacts_of(recordings, name, before, after)]
    if not rows:
        raise ArtifactError(
            f"{recordings.manifest}: the hand hits no body in its {split} recordings; raise data.recordings"
        )
    names, frames = np.array([row["recording"] for row in rows]), np.array([row["frame"] for row in rows])
    fields = {field: np.array([row[field] for row in rows]) for field in KNOWN}
    kept = spread(names, np.ones(len(rows), bool), count, rng)
    return Sample(names, frames, fields).rows(kept)


def _impacts_of(recordings: RecordingSet, name: str, before: int, after: int) -> Iterator[dict[str, Any]]:
    """The impacts by the hand in one recording, with `before` and `after` frames around them."""
    material, shape, size, place, velocity = (
        recordings.field(name, f"truth.{field}") for field in ("material", "shape", "size", "position", "velocity")
    )
    hand = recordings.field(name, "truth.state")[:, 2:4]
    known: set[tuple[int, int]] = set()
    for frame, event in zip(frames_of(recordings, name), recordings.field(name, "truth.events"), strict=True):
        body, other, amplitude = int(event[1]), int(event[2]), float(event[4])
        fits = max(before, 1) <= frame < len(place) - after
        if other != HAND or amplitude < SOFTEST or not fits or (frame, body) in known:
            continue
        known.add((frame, body))
        moved = (velocity[frame - 1, body], velocity[frame, body], hand[frame - 1])
        yield {
            "recording": name,
            "frame": frame,
            "body": body,
            "material": material[body],
            "shape": shape[body],
            "size": float(size[body]),
            "place": place[frame, body].astype(np.float64),
            "event": event[3:5].astype(np.float64),
            "motion": np.concatenate(moved).astype(np.float64),
        }


def impacts_for(recordings: RecordingSet, before: int, after: int, config: PropertiesConfig) -> tuple[Sample, Sample]:
    """Impacts in training and in test recordings, as many as the section says.

    Raises:
        ArtifactError: if the source does not record impacts, or there are none.
    """
    if not has_impacts(recordings):
        raise ArtifactError(f"{recordings.manifest}: its recordings hold no impacts on bodies; only the playroom's do")
    rng = np.random.default_rng(stable_seed(config.seed, "strikes"))
    training = draw_impacts(recordings, "training", before, after, config.training, rng)
    return training, draw_impacts(recordings, "test", before, after, config.test, rng)
