"""What the world state knows: a linear readout of the truth from the state of fusion.

A ridge regression from the state of a window's last frame to the truth of that frame, fitted on training recordings
and judged on test recordings by R^2, the mean over variables. Variables that a ridge regression reads from the body
sense of the same frame (R^2 above 0.9) are left out, for they prove nothing; so are variables that stand still in
most recordings. `velocity` is the mean over velocities alone: no single frame shows them.
Baselines: the mean, three untrained fusion networks on the same encoders, and regressions without fusion: from the
encoders' embeddings of the last frame, and from the vision encoder's grid in the last frame, the one before and the
fourth before (32 principal components each) with the body sense of four frames, without and with the sound of those.
Ceilings: a regression from the truth that pictures could show, which is everything of the frame before, and of this
frame all but the velocities; and, where the source records all bodies, from their true places, velocities and sizes,
for the state may hold those and no linear readout can tell which of them is nearest.

`belief` reads positions while sight is lost (perception/evaluation/belief.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensorium.artifacts import ArtifactError
from sensorium.data.recording import RecordingSet
from sensorium.evaluation import figures
from sensorium.evaluation.baselines.frames import felt_beside, last_frames, several_frames
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import Bench, require
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.scores import determination, r_squared_each, sums_of_squares
from sensorium.evaluation.statistics import measure
from sensorium.perception.config import FusionConfig, WorldStateConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.belief import Belief
from sensorium.perception.evaluation.world_readout import (
    FUSED,
    POSITION,
    VELOCITY,
    TruthReadout,
    draw,
    perceive,
    worth_reading,
)
from sensorium.perception.fusion import Fusion

REVISION = 4
EVALUATION = Evaluation(__name__, WorldStateConfig, inputs=FUSED, control="fusion")
main = EVALUATION.main
TITLE = "Readout of the truth from the world state"

BODIES = "true places, velocities and sizes of all bodies"
RECENT = 4  # frames of body sense and sound beside the grid of several frames

Pairs = dict[str, np.ndarray]
Senses = list[list[np.ndarray | None]]  # of both samples: vision, audio, body [n, frames, width]


def judge(bench: Bench, config: WorldStateConfig) -> Result:
    """Readouts of the truth from the world state, and of positions while sight is lost."""
    recordings = bench.parts.recordings()
    require(recordings, "truth.state", "world-state needs a source that records its state")
    frames = _frames(bench, config)
    encoders = bench.parts.load(VisionEncoder), bench.parts.load(AudioEncoder)
    samples = draw(recordings, frames, config)
    senses = [
        perceive(bench, recordings, "training", samples[0], *encoders),
        perceive(bench, recordings, "test", samples[1], *encoders),
    ]
    names = list(recordings.details["state_names"])
    kept = worth_reading(recordings, samples, senses)
    moving = np.array([bool(VELOCITY.search(name)) for name in names])
    placed = kept & ~moving & np.array([bool(POSITION.search(name)) for name in names])

    read = TruthReadout(samples, np.ones(len(names), bool))
    judged, baselines, ceilings = readouts(bench, read, samples, senses, moving)
    if recordings.has("truth.position"):
        own = ~kept | ~np.array([bool(POSITION.search(name)) for name in names]) & ~moving
        ceilings[BODIES] = read([bodies_truth(recordings, sample, own) for sample in samples])
    metrics = state_metrics(read, judged, baselines, ceilings, {"state": kept, "velocity": kept & moving}, config.seed)
    each = {name: float(value) for name, value, keep in zip(names, r_squared_each(judged), kept, strict=True) if keep}
    notes: dict[str, Any] = {"variables": each}
    if placed.any():
        belief = Belief(bench, samples, senses, placed)
        fusion = bench.parts.load(Fusion, bench.untrained_seed)
        untrained = bench.untrained(lambda seed: bench.parts.load(Fusion, seed))
        metrics["belief"] = belief.metric(fusion, untrained, config)
        notes["belief_by_frames_hidden"] = belief.curve(fusion, frames)
    return Result(metrics, lambda path: figures.bars(path, metrics, TITLE, "R squared"), notes)


def state_metrics(
    read: TruthReadout, judged: np.ndarray, baselines: Pairs, ceilings: Pairs, columns: Pairs, seed: int
) -> dict[str, dict[str, Any]]:
    """`state` and `velocity`: R^2 over the variables of each, if there are any.

    Args:
        read: made the readouts.
        judged, baselines, ceilings: truth and readout of all variables, [n, D, 2].
        columns: which variables a metric is of, bool [D].
        seed: of the resampling.
    """
    return {
        metric: measure(
            metric,
            sums_of_squares(judged[:, kept]),
            read.groups,
            statistic=determination,
            reflected=True,
            fitted_on=read.fitted_on,
            baselines={"mean": 0.0} | {name: sums_of_squares(rows[:, kept]) for name, rows in baselines.items()},
            ceilings={name: sums_of_squares(rows[:, kept]) for name, rows in ceilings.items()},
            seed=seed,
        )
        for metric, kept in columns.items()
        if kept.any()
    }


def readouts(
    bench: Bench, read: TruthReadout, samples: tuple[Sample, Sample], senses: Senses, moving: np.ndarray
) -> tuple[np.ndarray, Pairs, Pairs]:
    """Truth and readout of the last frame of the test windows, [n, D, 2]: of the judged state, baselines and ceilings.

    Args:
        bench: with the fusion.
        read: reads the truth.
        samples: windows to fit on and windows to judge by.
        senses: of both.
        moving: which variables are velocities, bool [D].
    """

    def state(seed: int | None) -> np.ndarray:
        fusion = bench.parts.load(Fusion, seed)
        return read([bench.map(lambda *given: fusion(*given)[:, -1], *given) for given in senses])

    last = [np.concatenate([values[:, -1] for values in given if values is not None], 1) for given in senses]
    truth = [sample["truth.state"] for sample in samples]
    shown = [np.nan_to_num(np.concatenate([part[:, -2], part[:, -1, ~moving]], 1)) for part in truth]
    baselines = bench.untrained(state) | {"encoders without fusion": read(last)}
    baselines |= {name: read(rows, standardise=False) for name, rows in without_fusion(senses).items()}
    return state(bench.untrained_seed), baselines, {"truth that pictures could show": read(shown)}


def without_fusion(senses: Senses) -> dict[str, list[np.ndarray]]:
    """Rows of both samples by name: several frames of the vision encoder's grid, the body sense, and the sound."""
    vision, audio, body = zip(*senses, strict=True)
    if vision[0] is None:
        return {}
    rows = list(several_frames(vision[0], vision[1], last=vision[0].shape[1] - 1))
    if body[0] is not None:
        felt = felt_beside(last_frames(body[0], RECENT), last_frames(body[1], RECENT))
        rows = [np.hstack(pair) for pair in zip(rows, felt, strict=True)]
    without = {"encoder's grid of three frames, body": rows}
    if audio[0] is not None:
        heard = felt_beside(last_frames(audio[0], RECENT), last_frames(audio[1], RECENT))
        without["encoder's grid of three frames, body, sound"] = [np.hstack(p) for p in zip(rows, heard, strict=True)]
    return without


def bodies_truth(recordings: RecordingSet, sample: Sample, own: np.ndarray) -> np.ndarray:
    """The true state of the last frame without any choice among bodies, float [n, width].

    It holds place, velocity and size of each body, whether it is there, and the variables `own` [D] of "truth.state",
    which are not of a body that had to be chosen.
    """
    rows = []
    for name, frame in zip(sample.groups.tolist(), sample.start + sample["truth.state"].shape[1] - 1, strict=True):
        place, velocity = (
            recordings.field(name, f"truth.{field}")[frame].ravel() for field in ("position", "velocity")
        )
        size = recordings.field(name, "truth.size")
        rows.append(np.concatenate([place, velocity, size, np.isfinite(size)]))
    return np.nan_to_num(np.hstack([np.array(rows, np.float64), sample["truth.state"][:, -1][:, own]]))


def _frames(bench: Bench, config: WorldStateConfig) -> int:
    """Frames of a window of the fusion.

    Raises:
        ArtifactError: if sight would be lost in all of them.
    """
    frames = bench.parts.section("fusion", FusionConfig).frames
    if config.hidden >= frames:
        raise ArtifactError(
            f"hidden is {config.hidden}, but {bench.parts.path('fusion')} sees windows of {frames} frames: something "
            f"must be seen before sight is lost; choose 1 to {frames - 1}"
        )
    return frames
