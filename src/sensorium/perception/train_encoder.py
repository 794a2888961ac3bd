"""Train the encoder of one sense by contrastive learning on augmented views."""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet
from sensorium.data.windows import Windows
from sensorium.perception.config import AudioEncoderConfig, VisionEncoderConfig
from sensorium.perception.contrastive_learner import AudioContrast, ContrastiveLearner, VisionContrast
from sensorium.training.execution import Execution, add_training_arguments
from sensorium.training.stage import train_stage

REVISION = 1


def main(argv: list[str]) -> None:
    """Run `sensorium train-encoder {vision,audio}`."""
    parser = argparse.ArgumentParser(prog="sensorium train-encoder", description=__doc__)
    parser.add_argument("sense", choices=("vision", "audio"))
    parser.add_argument("--config", required=True, help="section encoders.SENSE, as JSON")
    parser.add_argument("--data", type=Path, required=True, help="manifest of the recordings")
    parser.add_argument("--output", type=Path, required=True, help="folder of the encoder")
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    section = parse_section(VisionEncoderConfig if args.sense == "vision" else AudioEncoderConfig, args.config)
    recordings = RecordingSet.open(args.data)
    if args.sense == "vision":
        shapes = {"size": recordings.details["size"]}
        field, frames = "video", section.neighbours + 1
    else:
        shapes = {name: recordings.details[name] for name in ("sample_rate", "samples_per_frame")}
        field, frames = "audio", section.frames

    def build() -> tuple[ContrastiveLearner, Windows, Windows]:
        learner = (VisionContrast if args.sense == "vision" else AudioContrast)(section, shapes)
        return (
            learner,
            Windows(recordings, "training", (field,), frames),
            Windows(recordings, "validation", (field,), frames),
        )

    train_stage(
        stage=f"encoder_{args.sense}",
        revision=REVISION,
        section=section,
        inputs={"data": args.data},
        output=args.output,
        build=build,
        execution=Execution.from_args(args),
        shapes=shapes,
    )
