"""Shared by evaluations of the world state: windows with their truth, embedded senses, variables worth reading."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from sensorium.artifacts import ArtifactError
from sensorium.data.recording import RecordingSet, Split
from sensorium.evaluation.contract import DATA, Input
from sensorium.evaluation.harness import Bench, WindowPool
from sensorium.evaluation.readout import Readout, paired
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.scores import r_squared_each
from sensorium.perception.config import WorldStateConfig
from sensorium.perception.embed import embed_recording
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.fusion import SENSES
from sensorium.progress import track
from sensorium.randomness import stable_seed

ENCODERS = (DATA, Input("vision", "encoders/vision"), Input("audio", "encoders/audio"))
FUSED = (*ENCODERS, Input("fusion", "fusion"))
GIVEN = 0.9  # R^2 from the body sense above which a variable is no achievement
VELOCITY, POSITION = re.compile(r"_v[xy]$"), re.compile(r"_[xy]$")

Embedded = dict[str, dict[str, np.ndarray]]  # recording -> sense -> [T, width]


def embed_split(
    bench: Bench, recordings: RecordingSet, split: Split, vision: VisionEncoder, audio: AudioEncoder
) -> Embedded:
    """The encoders' embeddings of every frame of a split, and its body sense, float32 [T, width] each."""
    names = track(recordings.names(split), f"{split} recordings embedded")
    return {name: embed_recording(recordings, name, vision, audio, bench.device) for name in names}


def cut(embedded: Embedded, sense: str, sample: Sample, frames: int) -> np.ndarray | None:
    """A sense's embeddings of windows of `frames` frames, [n, frames, width]; None for a sense that is missing."""
    if sense not in next(iter(embedded.values())):
        return None
    return sample.cut({name: senses[sense] for name, senses in embedded.items()}, frames)


class TruthReadout:
    """Linear readouts of the truth in the last frame of windows, fitted on some and read from others.

    Args:
        samples: windows to fit on and windows to judge by, with their "truth.state" [n, frames, D].
        columns: which variables are read, bool [D].

    Attributes:
        fitted_on: recordings of the windows that readouts were fitted on.
        groups: recording of each judged window.
    """

    def __init__(self, samples: tuple[Sample, Sample], columns: np.ndarray) -> None:
        self._known, self._judged = samples
        self._columns = columns
        self.fitted_on: set[str] = set()
        self.groups = self._judged.names

    def __call__(self, rows: Sequence[np.ndarray], back: int = 0, standardise: bool = True) -> np.ndarray:
        """Truth of the last frame and its readout, [m, D, 2].

        Args:
            rows: of both samples, [n, width] and [m, width].
            back: frames before the last of which the readout learns the truth, to hold it until the last.
            standardise: bring each number of the rows to a standard deviation of 1 first.
        """
        known = self._known
        self.fitted_on.update(known.names)
        wanted = self.truth(self._judged)
        if standardise:
            return paired(rows[0], self.truth(known, back), rows[1], wanted)
        return np.stack([wanted, Readout(rows[0], self.truth(known, back), standardise=False)(rows[1])], -1)

    def truth(self, sample: Sample, back: int = 0) -> np.ndarray:
        """The variables in the frame `back` frames before the last, [n, D]."""
        return sample["truth.state"][:, -1 - back][:, self._columns]


def draw(recordings: RecordingSet, frames: int, config: WorldStateConfig) -> tuple[Sample, Sample]:
    """Windows of training recordings, to fit a readout on, and of test recordings, with their "truth.state" float64."""
    rng = np.random.default_rng(stable_seed(config.seed, "world state"))

    def of(split: Split) -> Sample:
        sample = WindowPool(recordings, split, ("truth.state",), frames).sample(config.samples, rng)
        return sample.having(**{"truth.state": sample["truth.state"].astype(np.float64)})

    return of("training"), of("test")


def perceive(
    bench: Bench, recordings: RecordingSet, split: Split, sample: Sample, vision: VisionEncoder, audio: AudioEncoder
) -> list[np.ndarray | None]:
    """Vision, audio and body of every frame of the windows, [n, frames, width] each; None where missing."""
    embedded = embed_split(bench, recordings, split, vision, audio)
    return [cut(embedded, sense, sample, sample["truth.state"].shape[1]) for sense in SENSES]


def worth_reading(
    recordings: RecordingSet, drawn: tuple[Sample, Sample], senses: list[list[np.ndarray | None]]
) -> np.ndarray:
    """Which variables [D] of the last frame are worth reading: they change, and the body sense does not hold them.

    Raises:
        ArtifactError: if there is none.
    """
    truth = [part["truth.state"][:, -1] for part in drawn]
    kept = lively(truth[0], drawn[0].groups) & lively(truth[1], drawn[1].groups)
    body = [values[:, -1] for given in senses if (values := given[SENSES.index("body")]) is not None]
    if body:
        kept &= ~(r_squared_each(paired(body[0], truth[0], body[1], truth[1])) > GIVEN)
    if not kept.any():
        raise ArtifactError(
            f"{recordings.manifest}: every variable of truth.state is constant or read from the body; nothing to judge"
        )
    return kept


def lively(truth: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Which variables [D] change within at least half of the recordings."""
    changes = [[_varies(column) for column in truth[groups == name].T] for name in np.unique(groups)]
    return np.mean(changes, axis=0) >= 0.5


def _varies(values: np.ndarray) -> bool:
    defined = values[np.isfinite(values)]
    return bool(len(defined) and np.ptp(defined) > 1e-6)
