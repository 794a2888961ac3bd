"""Train the tokenizer of one stream, video or audio, on windows."""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet
from sensorium.data.windows import Windows
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.audio_tokenizer_learner import SoundLearner
from sensorium.generation.config import AudioTokenizerConfig, VideoTokenizerConfig
from sensorium.generation.lpips import LPIPS
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.generation.video_tokenizer_learner import TokenizerLearner, edge_error
from sensorium.training.execution import Execution, add_arguments
from sensorium.training.learner import Learner
from sensorium.training.stage import train_stage

REVISION = 3


def main(argv: list[str]) -> None:
    """Run `sensorium train-tokenizer`."""
    parser = argparse.ArgumentParser(prog="sensorium train-tokenizer", description=__doc__)
    parser.add_argument("stream", choices=("video", "audio"), help="the stream to tokenize")
    parser.add_argument("--config", required=True, help="section tokenizers.STREAM, as JSON")
    parser.add_argument("--data", type=Path, required=True, help="manifest of the recordings")
    parser.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    add_arguments(parser)
    args = parser.parse_args(argv)
    recordings, inputs = RecordingSet.open(args.data), {"data": args.data}
    if args.stream == "video":
        config = parse_section(VideoTokenizerConfig, args.config)
        shapes = {"size": recordings.details["size"]}
        if config.lpips:
            inputs["lpips"] = Path(config.lpips)
    else:
        config = parse_section(AudioTokenizerConfig, args.config)
        shapes = {"samples_per_frame": recordings.details["samples_per_frame"]}

    def build() -> tuple[Learner, Windows, Windows]:
        learner: Learner
        if args.stream == "video":
            tokenizer = VideoTokenizer(config, shapes)
            perception = LPIPS(inputs["lpips"]) if config.lpips else edge_error
            learner, frames = TokenizerLearner(tokenizer, config, perception), tokenizer.frames
        else:
            sound = AudioTokenizer(config, shapes)
            learner = SoundLearner(sound, config.wave_weight, recordings.details["sample_rate"])
            frames = config.frames
        training, validation = (
            Windows(recordings, split, (args.stream,), frames) for split in ("training", "validation")
        )
        return learner, training, validation

    train_stage(
        stage=f"tokenizer_{args.stream}",
        revision=REVISION,
        section=config,
        inputs=inputs,
        output=args.output,
        build=build,
        execution=Execution.from_args(args),
        shapes=shapes,
    )
