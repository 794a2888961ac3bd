"""Reading the world's truth from states by ridge regression: windows, what is worth reading, and the reading itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from sensorium.artifacts import ArtifactError
from sensorium.data.recording import RecordingSet, Split
from sensorium.evaluation.harness import Bench, WindowPool, cut, embed_split
from sensorium.evaluation.statistics import r_squared
from sensorium.perception.config import WorldStateConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.fusion import SENSES
from sensorium.randomness import stable_seed

GIVEN = 0.9  # R^2 from the body sense above which a variable is no achievement
VELOCITY, POSITION = re.compile(r"_v[xy]$"), re.compile(r"_[xy]$")
STRENGTHS = tuple(10.0**power for power in range(-1, 5))  # of the ridge, chosen by leave-one-out


@dataclass(frozen=True)
class Drawn:
    """Windows of one split and the truth of their last frames.

    Attributes:
        pool: of all windows.
        picked: numbers of those drawn, [n].
        truth: of each window's last frame, float64 [n, D]; NaN where it is not defined.
        groups: recording of each window, [n].
    """

    pool: WindowPool
    picked: np.ndarray
    truth: np.ndarray
    groups: np.ndarray

    def truth_at(self, frame: int) -> np.ndarray:
        """The truth of another frame of the windows, counted from their first, [n, D]."""
        return self.pool.values("truth.state", frame)[self.picked].astype(np.float64)


def draw(recordings: RecordingSet, frames: int, config: WorldStateConfig) -> tuple[Drawn, Drawn]:
    """Windows to fit a reading on, of training recordings, and to judge it by, of test recordings."""
    rng = np.random.default_rng(stable_seed(config.seed, "world state"))

    def of(split: Split) -> Drawn:
        pool = WindowPool(recordings, split, (), frames)
        picked = pool.draw(np.ones(len(pool), bool), config.samples, rng)
        last = pool.values("truth.state", frames - 1)[picked].astype(np.float64)
        return Drawn(pool, picked, last, pool.recording[picked])

    return of("training"), of("test")


def perceive(
    bench: Bench, recordings: RecordingSet, drawn: Drawn, vision: VisionEncoder, audio: AudioEncoder
) -> list[np.ndarray | None]:
    """What vision, audio and body say of every frame of the windows, [n, frames, width] each; None where missing."""
    embedded = embed_split(bench, recordings, drawn.pool.windows.split, vision, audio)
    return [cut(embedded, sense, drawn.pool, drawn.picked) for sense in SENSES]


def told_by_senses(
    recordings: RecordingSet, drawn: tuple[Drawn, Drawn], senses: list[list[np.ndarray | None]]
) -> np.ndarray:
    """Which variables [D] are worth reading: they change, and the body sense does not give them away.

    Raises:
        ArtifactError: if there is none.
    """
    kept = lively(drawn[0].truth, drawn[0].groups) & lively(drawn[1].truth, drawn[1].groups)
    body = [values[:, -1] for given in senses if (values := given[SENSES.index("body")]) is not None]
    if body:
        kept &= ~(r_squared_each(read_out(body[0], drawn[0].truth, body[1], drawn[1].truth)) > GIVEN)
    if not kept.any():
        raise ArtifactError(
            f"{recordings.manifest}: no variable of truth.state varies and is not told by the body; nothing to read"
        )
    return kept


def lively(truth: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Which variables [D] change within at least half of the recordings."""
    changes = []
    for name in np.unique(groups):
        values = truth[groups == name]
        changes.append([np.ptp(column[np.isfinite(column)]) > 1e-6 if np.isfinite(column).any() else False
                        for column in values.T])  # fmt: skip
    return np.mean(changes, axis=0) >= 0.5


def read_out(train: np.ndarray, truth: np.ndarray, test: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Truth and linear prediction for test rows, float [n, D, 2]; NaN where the truth is not defined."""
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    predicted = np.zeros_like(wanted)
    known, of = np.unique(np.isfinite(truth), axis=1, return_inverse=True)
    for number, rows in enumerate(known.T):  # variables that are defined in the same rows share one decomposition
        columns = of.ravel() == number
        if rows.sum() > 1:
            ridge = RidgeCV(STRENGTHS, alpha_per_target=True).fit(train[rows], truth[np.ix_(rows, columns)])
            predicted[:, columns] = ridge.predict(test).reshape(len(test), -1)
    return np.stack([wanted, predicted], -1)


def r_squared_each(samples: np.ndarray) -> np.ndarray:
    """R^2 of each of D variables, samples [n, D, 2]; 0 for a variable that does not vary."""
    scores = []
    for column in range(samples.shape[1]):
        defined = np.isfinite(samples[:, column]).all(-1)
        varies = defined.any() and np.ptp(samples[defined, column, 0]) > 1e-6
        scores.append(r_squared(samples[:, column : column + 1], np.ones(len(samples))) if varies else 0.0)
    return np.array(scores)
