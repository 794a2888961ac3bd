"""What the truth of a world of bodies tells of impacts: which kind of body sounds, and what the hand strikes.

Only the playroom has this truth: `truth.events`, and of each body `truth.material`, `truth.shape` and `truth.size`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sensorium.artifacts import ArtifactError
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.sources.playroom.materials import SHAPES
from sensorium.evaluation.harness import spread
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
SOFTEST = 0.05  # amplitude of an impact that counts: half of that which gives a frame its label
LATE = 1e-4  # seconds; an impact on the border of two frames belongs to the later one


@dataclass(frozen=True)
class Strikes:
    """Strikes of bodies by the hand, one row each.

    Attributes:
        recording: name of its recording, [n].
        frame: in which it falls, int64 [n].
        body: which body, int64 [n].
        material, shape: of that body, int64 [n].
        size: of that body, in room widths, float64 [n].
        place: of that body at the end of that frame, in room widths, float64 [n, 2].
        event: impulse and amplitude, float64 [n, 2].
        motion: velocity of the body before and after, and its speed before and after the hand's, float64 [n, 6].
    """

    recording: np.ndarray
    frame: np.ndarray
    body: np.ndarray
    material: np.ndarray
    shape: np.ndarray
    size: np.ndarray
    place: np.ndarray
    event: np.ndarray
    motion: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def objects(self) -> np.ndarray:
        """One name for each body of each recording, [n]."""
        return np.array([f"{name}/{body}" for name, body in zip(self.recording, self.body, strict=True)])


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


def draw_strikes(
    recordings: RecordingSet, split: Split, before: int, after: int, count: int, rng: np.random.Generator
) -> Strikes:
    """Up to `count` audible strikes by the hand in a split, spread evenly over its recordings.

    A strike has `before` frames before its own and `after` after it; a body that is struck several times within a
    frame counts once.

    Raises:
        ArtifactError: if there are none.
    """
    rows: dict[str, list[object]] = {field: [] for field in Strikes.__dataclass_fields__}
    for name in recordings.names(split):
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
            rows["recording"].append(name)
            rows["frame"].append(frame)
            rows["body"].append(body)
            rows["material"].append(material[body])
            rows["shape"].append(shape[body])
            rows["size"].append(float(size[body]))
            rows["place"].append(place[frame, body].astype(np.float64))
            rows["event"].append(event[3:5].astype(np.float64))
            moved = (velocity[frame - 1, body], velocity[frame, body], hand[frame - 1])
            rows["motion"].append(np.concatenate(moved).astype(np.float64))
    if not rows["frame"]:
        raise ArtifactError(
            f"{recordings.manifest}: no body is struck in its {split} recordings; raise data.recordings"
        )
    found = {field: np.array(values) for field, values in rows.items()}
    kept = spread(found["recording"], np.ones(len(found["frame"]), bool), count, rng)
    return Strikes(**{field: values[kept] for field, values in found.items()})


def strikes_for(recordings: RecordingSet, before: int, after: int, config: PropertiesConfig) -> tuple[Strikes, Strikes]:
    """Strikes of training and of test recordings, as many as the evaluation wants.

    Raises:
        ArtifactError: if the source does not tell strikes, or there are none.
    """
    if not tells_strikes(recordings):
        raise ArtifactError(f"{recordings.manifest}: its recordings tell no strikes of bodies; only the playroom's do")
    rng = np.random.default_rng(stable_seed(config.seed, "strikes"))
    training = draw_strikes(recordings, "training", before, after, config.training, rng)
    return training, draw_strikes(recordings, "test", before, after, config.test, rng)
