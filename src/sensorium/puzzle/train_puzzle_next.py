"""Train discrete dynamics: the next grid of sight from the last two and the action."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet, Split
from sensorium.models.parts import Parts
from sensorium.puzzle.config import NextGridConfig
from sensorium.puzzle.grid import CELLS
from sensorium.puzzle.grid_clips import GridClips, draw_clips
from sensorium.puzzle.next_grid import NextGrid
from sensorium.puzzle.next_grid_learner import NextGridLearner
from sensorium.puzzle.sight_map import SightMap
from sensorium.training.execution import Execution, add_training_arguments
from sensorium.training.stage import train_stage

REVISION = 1
JUDGED = 256  # validation clips


def main(argv: list[str]) -> None:
    """Run `sensorium train-puzzle-next`."""
    parser = argparse.ArgumentParser(prog="sensorium train-puzzle-next", description=__doc__)
    parser.add_argument("--config", required=True, help="section puzzle.next, as JSON")
    parser.add_argument("--data", type=Path, required=True, help="manifest of the recordings")
    parser.add_argument("--sight", type=Path, required=True, help="manifest of the map of sight")
    parser.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    config = parse_section(NextGridConfig, args.config)
    inputs = {"data": args.data, "sight": args.sight}
    recordings, parts = RecordingSet.open(args.data), Parts({"data": args.data, "puzzle/sight": args.sight})
    parts.use("data")
    sight, seed = parts.load(SightMap), config.training.seed
    shapes = {"action": recordings.details["action"]}

    def clips(split: Split, count: int) -> GridClips:
        return draw_clips(recordings, split, sight, parts.device, count, seed)

    def build() -> tuple[NextGridLearner, GridClips, GridClips]:
        training, validation = clips("training", config.moments), clips("validation", JUDGED)
        model = NextGrid(config, shapes)
        model.describe(training.grids)
        return NextGridLearner(model, counted(model, validation)), training, validation

    train_stage(
        stage=NextGrid.kind,
        revision=REVISION,
        section=config,
        inputs=inputs,
        output=args.output,
        build=build,
        execution=Execution.from_args(args),
        shapes=shapes,
    )


@torch.no_grad()
def counted(model: NextGrid, clips: GridClips) -> float:
    """Bits a cell that a model whose networks add nothing takes."""
    batch = clips.batch(np.arange(len(clips)))
    return float(model.bits(batch["grids"].long(), batch.get("action")).mean()) / CELLS
