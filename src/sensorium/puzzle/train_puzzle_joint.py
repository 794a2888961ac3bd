"""Train the common space: one model of the grids of sound, sight and text of the same moments of the playroom."""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet
from sensorium.models.parts import Parts
from sensorium.puzzle.common_space import CommonSpace
from sensorium.puzzle.common_space_learner import CommonSpaceLearner
from sensorium.puzzle.config import JointConfig
from sensorium.puzzle.moments import Moments, ThreeCodes
from sensorium.puzzle.sight_map import SightMap
from sensorium.puzzle.sound_map import SoundMap
from sensorium.puzzle.text_codes import TextCodes
from sensorium.training.execution import Execution, add_training_arguments
from sensorium.training.stage import train_stage

REVISION = 1
JUDGED = 256  # validation moments


def main(argv: list[str]) -> None:
    """Run `sensorium train-puzzle-joint`."""
    parser = argparse.ArgumentParser(prog="sensorium train-puzzle-joint", description=__doc__)
    parser.add_argument("--config", required=True, help="section puzzle.joint, as JSON")
    parser.add_argument("--data", type=Path, required=True, help="manifest of the recordings")
    parser.add_argument("--sound", type=Path, required=True, help="manifest of the map of sound")
    parser.add_argument("--sight", type=Path, required=True, help="manifest of the map of sight")
    parser.add_argument("--text", type=Path, required=True, help="manifest of the text codes")
    parser.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    config = parse_section(JointConfig, args.config)
    execution = Execution.from_args(args)
    inputs = {name: getattr(args, name) for name in ("data", "sound", "sight", "text")}
    recordings = RecordingSet.open(args.data)
    codes = three_codes(Parts({name if name == "data" else f"puzzle/{name}": path for name, path in inputs.items()}))

    def build() -> tuple[CommonSpaceLearner, Moments, Moments]:
        seed = config.training.seed
        training = codes.moments(recordings, "training", config.moments, seed)
        validation = codes.moments(recordings, "validation", JUDGED, seed)
        model = CommonSpace(config, {})
        model.describe(training.grids, validation.grids)
        return CommonSpaceLearner(model), training, validation

    train_stage(
        stage=CommonSpace.kind,
        revision=REVISION,
        section=config,
        inputs=inputs,
        output=args.output,
        build=build,
        execution=execution,
        shapes={},
    )


def three_codes(parts: Parts) -> ThreeCodes:
    """The codes of the three senses, of the recordings that they are used with."""
    text = TextCodes.load(parts.use("data", "puzzle/text"))
    return ThreeCodes(parts.load(SoundMap), parts.load(SightMap), text, parts.device)
