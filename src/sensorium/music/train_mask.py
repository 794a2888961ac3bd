"""Train the mask that separates drums from harmony, on pairs of songs."""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.config import parse_section
from sensorium.music.config import RATE, MaskConfig
from sensorium.music.mask_learner import MaskLearner
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.song_set import SongPairs, SongSet
from sensorium.training.execution import Execution, add_training_arguments
from sensorium.training.stage import train_stage

REVISION = 1


def main(argv: list[str]) -> None:
    """Run `sensorium train-mask`."""
    parser = argparse.ArgumentParser(prog="sensorium train-mask", description=__doc__)
    parser.add_argument("--config", required=True, help="section music.mask, as JSON")
    parser.add_argument("--songs", type=Path, required=True, metavar="MANIFEST", help="manifest of the songs")
    parser.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    config = parse_section(MaskConfig, args.config)
    songs = SongSet.open(args.songs)
    shapes = {"rate": RATE}

    def build() -> tuple[MaskLearner, SongPairs, SongPairs]:
        learner = MaskLearner(MaskNetwork(config, shapes), config.gain)
        training, validation = (SongPairs(songs, split, config.seconds) for split in ("training", "validation"))
        return learner, training, validation

    train_stage(
        stage=MaskNetwork.kind,
        revision=REVISION,
        section=config,
        inputs={"songs": args.songs},
        output=args.output,
        build=build,
        execution=Execution.from_args(args),
        shapes=shapes,
    )
