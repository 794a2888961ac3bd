"""What the world state knows: a linear read-out of the truth from the state of fusion.

A ridge regression from the state of a window's last frame to the truth of that frame, fitted on training recordings
and judged on test recordings by R^2, the mean over variables. Variables that a ridge regression reads from the body
sense of the same frame (R^2 above 0.9) are left out, for they prove nothing; so are variables that stand still in
most recordings. `velocity` is the mean over velocities alone: no single frame shows them.
Floors: the mean, and three untrained fusion networks on the same encoders. Ceiling: a regression from the truth that
pictures could tell: everything of the frame before, and of this frame all but the velocities. Reference: a regression
from the encoders' embeddings of the last frame, without fusion.

`belief` reads positions while sight is lost (perception/evaluation/belief.py).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from sensorium.artifacts import ArtifactError, read_json
from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet
from sensorium.evaluation import figures
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench, arguments, check_pedigree, load_judged, require
from sensorium.evaluation.statistics import measure, r_squared, write_result
from sensorium.perception.config import AudioEncoderConfig, FusionConfig, VisionEncoderConfig, WorldStateConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.belief import Belief
from sensorium.perception.evaluation.world_readout import (
    POSITION,
    VELOCITY,
    draw,
    perceive,
    r_squared_each,
    read_out,
    told_by_senses,
)
from sensorium.perception.fusion import Fusion

REVISION = 2


def main(argv: list[str]) -> None:
    """Run `sensorium world-state`."""
    args = arguments("world-state", __doc__, ("data", "vision", "audio", "fusion"), "fusion").parse_args(argv)
    began, config = time.monotonic(), parse_section(WorldStateConfig, args.config)
    bench, recordings = Bench.prepare(args), RecordingSet.open(args.data)
    check_pedigree(args.fusion, vision=args.vision, audio=args.audio)
    require(recordings, "truth.state", "world-state needs a source that tells its state")
    frames = int(read_json(args.fusion)["config"]["frames"])
    if config.hidden >= frames:
        raise ArtifactError(
            f"hidden is {config.hidden}, but {args.fusion} sees windows of {frames} frames: something must be seen "
            f"before sight is lost; choose 1 to {frames - 1}"
        )
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
    shown = [np.nan_to_num(np.concatenate([part.truth_at(frames - 2), part.truth[:, ~moving]], 1)) for part in drawn]
    oracle = read(shown)

    metrics: dict[str, dict[str, Any]] = {}
    notes: dict[str, Any] = {}
    chosen = {"state": kept, "velocity": kept & moving}
    for metric, columns in chosen.items():
        if columns.any():
            metrics[metric] = measure(
                metric, judged[:, columns], groups.tolist(), statistic=r_squared,
                floors={"mean": 0.0} | {f"untrained {n}": values[:, columns] for n, values in enumerate(untrained)},
                ceilings={"truth that pictures could tell": oracle[:, columns]},
                references={"encoders without fusion": framewise[:, columns]}, seed=config.seed,
            )  # fmt: skip
    placed = kept & ~moving & np.array([bool(POSITION.search(name)) for name in names])
    if placed.any():

        def fusion_of(seed: int | None) -> Fusion:
            return load_judged(Fusion, FusionConfig, args.fusion, "fusion", seed, bench)

        believed = Belief(bench, drawn, senses, placed)
        models = fusion_of(args.untrained_seed), [fusion_of(seed) for seed in FLOOR_SEEDS]
        metrics["belief"] = believed.metric(*models, config)
        notes["belief_by_frames_hidden"] = believed.curve(models[0], frames)
    each = {name: float(value) for name, value, keep in zip(names, r_squared_each(judged), kept, strict=True) if keep}
    figures.bars(args.figure, metrics, "Read-out of the truth from the world state", "R squared")
    inputs = {name: getattr(args, name) for name in ("data", "vision", "audio", "fusion")}
    write_result(args.output, "world_state", metrics, inputs, time.monotonic() - began, variables=each, **notes)
