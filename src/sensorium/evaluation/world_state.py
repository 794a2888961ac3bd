"""What the world state knows: a linear read-out of the truth from the state of fusion.

A ridge regression from the state of a window's last frame to the truth of that frame, fitted on training recordings
and judged on test recordings by R^2, the mean over variables. Variables that a ridge regression reads from the body
sense of the same frame (R^2 above 0.9) are left out, for they prove nothing; so are variables that stand still in
most recordings. `velocity` is the mean over velocities alone: no single frame shows them.
Floors: the mean, and three untrained fusion networks on the same encoders. Ceiling: a regression from the truth that
pictures could tell: everything of the frame before, and of this frame all but the velocities. Reference: a regression
from the encoders' embeddings of the last frame, without fusion.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from sensorium.artifacts import ArtifactError, read_json
from sensorium.config import AudioEncoderConfig, FusionConfig, VisionEncoderConfig, WorldStateConfig, parse_section
from sensorium.data.recording import RecordingSet, Split
from sensorium.evaluation import figures
from sensorium.evaluation.harness import (
    FLOOR_SEEDS,
    Bench,
    WindowPool,
    arguments,
    check_pedigree,
    cut,
    embed_split,
    load_judged,
    require,
)
from sensorium.evaluation.statistics import measure, r_squared, write_result
from sensorium.models.encoders import AudioEncoder, VisionEncoder
from sensorium.models.fusion import SENSES, Fusion
from sensorium.randomness import stable_seed

REVISION = 1
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
        before: of the frame before that, likewise.
        groups: recording of each window, [n].
    """

    pool: WindowPool
    picked: np.ndarray
    truth: np.ndarray
    before: np.ndarray
    groups: np.ndarray


def main(argv: list[str]) -> None:
    """Run `sensorium world-state`."""
    args = arguments("world-state", __doc__, ("data", "vision", "audio", "fusion"), "fusion").parse_args(argv)
    began, config = time.monotonic(), parse_section(WorldStateConfig, args.config)
    bench, recordings = Bench.prepare(args), RecordingSet.open(args.data)
    check_pedigree(args.fusion, vision=args.vision, audio=args.audio)
    require(recordings, "truth.state", "world-state needs a source that tells its state")
    frames = int(read_json(args.fusion)["config"]["frames"])
    vision = load_judged(VisionEncoder, VisionEncoderConfig, args.vision, "encoder_vision", None, bench)
    audio = load_judged(AudioEncoder, AudioEncoderConfig, args.audio, "encoder_audio", None, bench)
    drawn = draw(recordings, frames, config)
    senses = [perceive(bench, recordings, part, vision, audio) for part in drawn]
    truth, groups = [part.truth for part in drawn], drawn[1].groups

    def states(seed: int | None) -> list[np.ndarray]:
        fusion = load_judged(Fusion, FusionConfig, args.fusion, "fusion", seed, bench)
        return [bench.map(lambda *given: fusion(*given)[:, -1], *given) for given in senses]

    def read(inputs: list[np.ndarray]) -> np.ndarray:
        return read_out(inputs[0], truth[0], inputs[1], truth[1])

    names = list(recordings.details["state_names"])
    kept = told_by_senses(recordings, drawn, senses)
    judged = read(states(args.untrained_seed))
    untrained = [read(states(seed)) for seed in FLOOR_SEEDS]
    framewise = read([np.concatenate([values[:, -1] for values in given if values is not None], 1) for given in senses])
    moving = np.array([bool(VELOCITY.search(name)) for name in names])
    shown = [np.nan_to_num(np.concatenate([part.before, part.truth[:, ~moving]], 1)) for part in drawn]
    oracle = read(shown)

    metrics: dict[str, dict[str, Any]] = {}
    chosen = {"state": kept, "velocity": kept & moving}
    for metric, columns in chosen.items():
        if columns.any():
            metrics[metric] = measure(
                metric, judged[:, columns], groups.tolist(), statistic=r_squared,
                floors={"mean": 0.0} | {f"untrained {n}": values[:, columns] for n, values in enumerate(untrained)},
                ceilings={"truth that pictures could tell": oracle[:, columns]},
                references={"encoders without fusion": framewise[:, columns]}, seed=config.seed,
            )  # fmt: skip
    each = {name: float(value) for name, value, keep in zip(names, r_squared_each(judged), kept, strict=True) if keep}
    figures.bars(args.figure, metrics, "Read-out of the truth from the world state", "R squared")
    inputs = {name: getattr(args, name) for name in ("data", "vision", "audio", "fusion")}
    write_result(args.output, "world_state", metrics, inputs, time.monotonic() - began, variables=each)


def draw(recordings: RecordingSet, frames: int, config: WorldStateConfig) -> tuple[Drawn, Drawn]:
    """Windows to fit a reading on, of training recordings, and to judge it by, of test recordings."""
    rng = np.random.default_rng(stable_seed(config.seed, "world state"))

    def of(split: Split) -> Drawn:
        pool = WindowPool(recordings, split, (), frames)
        picked = pool.draw(np.ones(len(pool), bool), config.samples, rng)
        now, before = (pool.values("truth.state", frames - n).astype(np.float64)[picked] for n in (1, 2))
        return Drawn(pool, picked, now, before, pool.recording[picked])

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
