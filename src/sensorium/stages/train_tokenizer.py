"""Train the video tokenizer on single frames."""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.config import VideoTokenizerConfig, parse_section
from sensorium.data.recording import RecordingSet
from sensorium.data.windows import Windows
from sensorium.models.tokenizers import VideoTokenizer
from sensorium.objectives.learner import Learner
from sensorium.objectives.reconstruction import TokenizerLearner
from sensorium.training.execution import Execution, add_arguments
from sensorium.training.stage import train_stage

REVISION = 1


def main(argv: list[str]) -> None:
    """Run the stage from its command line."""
    parser = argparse.ArgumentParser(prog="sensorium train-tokenizer", description=__doc__)
    parser.add_argument("stream", choices=("video",), help="what is tokenized")
    parser.add_argument("--config", required=True, help="its section of tokenizers, as JSON")
    parser.add_argument("--data", type=Path, required=True, help="manifest of the recordings")
    parser.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    add_arguments(parser)
    args = parser.parse_args(argv)
    config = parse_section(VideoTokenizerConfig, args.config)
    recordings = RecordingSet.open(args.data)
    shapes = {"size": recordings.details["size"]}

    def build() -> tuple[Learner, Windows, Windows]:
        learner = TokenizerLearner(VideoTokenizer(config, shapes), config.gradient_weight)
        return learner, Windows(recordings, "training", ("video",), 1), Windows(recordings, "validation", ("video",), 1)

    train_stage(
        stage="tokenizer_video",
        revision=REVISION,
        section=config,
        inputs={"data": args.data},
        output=args.output,
        build=build,
        execution=Execution.from_args(args),
        shapes=shapes,
    )
