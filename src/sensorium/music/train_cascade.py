"""Train the cascade, which combines two songs in latents, on pairs of songs."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from sensorium.config import parse_section
from sensorium.data.sample_formats import to_sounds
from sensorium.music.cascade import Cascade
from sensorium.music.cascade_config import CascadeConfig
from sensorium.music.cascade_learner import CascadeLearner
from sensorium.music.latents import CosineLatents
from sensorium.music.song_set import SongPairs, SongSet
from sensorium.training.execution import Execution, add_training_arguments
from sensorium.training.stage import train_stage

REVISION = 1
MEASURED = 32  # pairs from which the scale of each channel is measured


def main(argv: list[str]) -> None:
    """Run `sensorium train-cascade`."""
    parser = argparse.ArgumentParser(prog="sensorium train-cascade", description=__doc__)
    parser.add_argument("--config", required=True, help="section music.cascade, as JSON")
    parser.add_argument("--songs", type=Path, required=True, metavar="MANIFEST", help="manifest of the songs")
    parser.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    config = parse_section(CascadeConfig, args.config)
    songs = SongSet.open(args.songs)
    training, validation = (SongPairs(songs, split, config.seconds) for split in ("training", "validation"))
    shapes = {"scale": channel_scale(training)}

    def build() -> tuple[CascadeLearner, SongPairs, SongPairs]:
        return CascadeLearner(Cascade(config, shapes), config.gain), training, validation

    train_stage(
        stage=Cascade.kind,
        revision=REVISION,
        section=config,
        inputs={"songs": args.songs},
        output=args.output,
        build=build,
        execution=Execution.from_args(args),
        shapes=shapes,
    )


def channel_scale(pairs: SongPairs) -> list[float]:
    """Standard deviation of each channel of the latents of some songs, in three digits: equal for any sum's order."""
    evenly = np.linspace(0, len(pairs) - 1, min(MEASURED, len(pairs))).astype(np.int64)
    stems = to_sounds(pairs.batch(np.unique(evenly))["stems"])
    latents = CosineLatents().encode((stems[:, 0::2] + stems[:, 1::2]).flatten(0, 1))
    return [max(float(f"{each:.3g}"), 1e-6) for each in latents.double().std((0, 2)).tolist()]
