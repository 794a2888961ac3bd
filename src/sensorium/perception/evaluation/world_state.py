"""What the world state knows: a linear readout of the truth from the state of fusion.

A ridge regression from the state of a window's last frame to the truth of that frame, fitted on training recordings
and judged on test recordings by R^2, the mean over variables. Variables that a ridge regression reads from the body
sense of the same frame (R^2 above 0.9) are left out, for they prove nothing; so are variables that stand still in
most recordings. `velocity` is the mean over velocities alone: no single frame shows them.
Floors: the mean, and three untrained fusion networks on the same encoders. Ceiling: a regression from the truth that
pictures could show: everything of the frame before, and of this frame all but the velocities. Reference: a regression
from the encoders' embeddings of the last frame, without fusion.

`belief` reads positions while sight is lost (perception/evaluation/belief.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensorium.artifacts import ArtifactError
from sensorium.evaluation import figures
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import Bench, require
from sensorium.evaluation.readout import paired
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.scores import r_squared, r_squared_each
from sensorium.evaluation.statistics import NOTHING, measure
from sensorium.perception.config import FusionConfig, WorldStateConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.belief import Belief
from sensorium.perception.evaluation.world_readout import FUSED, POSITION, VELOCITY, draw, perceive, worth_reading
from sensorium.perception.fusion import Fusion

REVISION = 2
EVALUATION = Evaluation(__name__, WorldStateConfig, inputs=FUSED, control="fusion")
main = EVALUATION.main
TITLE = "Readout of the truth from the world state"

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

    read = readouts(bench, samples, senses, moving)
    judged = read.pop("judged")
    metrics = state_metrics(judged, read, {"state": kept, "velocity": kept & moving}, samples[1].names, config.seed)
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
    judged: np.ndarray, read: dict[str, np.ndarray], columns: dict[str, np.ndarray], groups: list[str], seed: int
) -> dict[str, dict[str, Any]]:
    """`state` and `velocity`: R^2 over the variables of each, if there are any."""
    return {
        metric: measure(
            metric,
            judged[:, kept],
            groups,
            statistic=r_squared,
            fitted_on=NOTHING,
            baselines={"mean": 0.0} | {name: rows[:, kept] for name, rows in read.items() if "untrained" in name},
            ceilings={"truth that pictures could show": read["oracle"][:, kept]},
            references={"encoders without fusion": read["encoders"][:, kept]},
            seed=seed,
        )
        for metric, kept in columns.items()
        if kept.any()
    }


def readouts(bench: Bench, samples: tuple[Sample, Sample], senses: Senses, moving: np.ndarray) -> dict[str, np.ndarray]:
    """Truth and readout of the last frame of the test windows, [n, D, 2]: from the judged state and others.

    Args:
        bench: with the fusion.
        samples: windows to fit on and windows to judge by.
        senses: of both.
        moving: which variables are velocities, bool [D].
    """
    truth = [sample["truth.state"] for sample in samples]

    def read(rows: list[np.ndarray]) -> np.ndarray:
        return paired(rows[0], truth[0][:, -1], rows[1], truth[1][:, -1])

    def state(seed: int | None) -> np.ndarray:
        fusion = bench.parts.load(Fusion, seed)
        return read([bench.map(lambda *given: fusion(*given)[:, -1], *given) for given in senses])

    last = [np.concatenate([values[:, -1] for values in given if values is not None], 1) for given in senses]
    shown = [np.nan_to_num(np.concatenate([part[:, -2], part[:, -1, ~moving]], 1)) for part in truth]
    read_by = {"judged": state(bench.untrained_seed)} | bench.untrained(state)
    return read_by | {"encoders": read(last), "oracle": read(shown)}


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
