"""Train the codec on mixtures of songs."""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.config import parse_section
from sensorium.music.codec import MusicCodec
from sensorium.music.codec_config import CodecConfig
from sensorium.music.codec_learner import CodecLearner
from sensorium.music.song_set import SongPairs, SongSet
from sensorium.training.execution import Execution, add_training_arguments
from sensorium.training.stage import train_stage

REVISION = 1


def main(argv: list[str]) -> None:
    """Run `sensorium train-codec`."""
    parser = argparse.ArgumentParser(prog="sensorium train-codec", description=__doc__)
    parser.add_argument("--config", required=True, help="section music.codec, as JSON")
    parser.add_argument("--songs", type=Path, required=True, metavar="MANIFEST", help="manifest of the songs")
    parser.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    config = parse_section(CodecConfig, args.config)
    songs = SongSet.open(args.songs)
    shapes = {"rate": config.preset.rate}

    def build() -> tuple[CodecLearner, SongPairs, SongPairs]:
        learner = CodecLearner(MusicCodec(config, shapes), config)
        training, validation = (SongPairs(songs, split, config.seconds) for split in ("training", "validation"))
        return learner, training, validation

    train_stage(
        stage=MusicCodec.kind,
        revision=REVISION,
        section=config,
        inputs={"songs": args.songs},
        output=args.output,
        build=build,
        execution=Execution.from_args(args),
        shapes=shapes,
    )
