"""Train the map of one sense, sound or sight: its levels are fitted first, then its corrections are learned."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from sensorium.config import ConfigurationError, parse_section
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.windows import Windows
from sensorium.puzzle.config import SENSES, SOUND_RATE, SightMapConfig, SoundMapConfig
from sensorium.puzzle.map_code import MapCode
from sensorium.puzzle.map_learner import MapLearner
from sensorium.puzzle.sight_map import SightMap
from sensorium.puzzle.sizes import EXAMPLES, JUDGED
from sensorium.puzzle.sound_map import SoundMap
from sensorium.randomness import sample_indices, stable_seed
from sensorium.training.execution import Execution, add_arguments
from sensorium.training.stage import train_stage

REVISION = 1


def main(argv: list[str]) -> None:
    """Run `sensorium train-puzzle`."""
    parser = argparse.ArgumentParser(prog="sensorium train-puzzle", description=__doc__)
    parser.add_argument("sense", choices=SENSES, help="what is coded")
    parser.add_argument("--config", required=True, help="section puzzle.SENSE, as JSON")
    parser.add_argument("--data", type=Path, required=True, help="manifest of the recordings")
    parser.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    add_arguments(parser)
    args = parser.parse_args(argv)
    recordings = RecordingSet.open(args.data)
    if args.sense == "sound":
        config, frames = parse_section(SoundMapConfig, args.config), seconds_frames(recordings)
        shapes: dict[str, Any] = {}
    else:
        config, frames = parse_section(SightMapConfig, args.config), 1
        shapes = {"size": recordings.details["size"]}

    def build() -> tuple[MapLearner, Windows, Windows]:
        model: MapCode = SoundMap(config, shapes) if args.sense == "sound" else SightMap(config, shapes)
        training, validation = (windows(recordings, split, model, frames) for split in ("training", "validation"))
        model.describe(examples(model, training, config.training.seed, EXAMPLES))
        return MapLearner(model, examples(model, validation, config.training.seed, JUDGED)), training, validation

    train_stage(
        stage=f"puzzle_{args.sense}",
        revision=REVISION,
        section=config,
        inputs={"data": args.data},
        output=args.output,
        build=build,
        execution=Execution.from_args(args),
        shapes=shapes,
    )


def seconds_frames(recordings: RecordingSet) -> int:
    """Frames of a second of sound.

    Raises:
        ConfigurationError: if the recordings have sound of another rate, or none.
    """
    rate, samples = (int(recordings.details[name]) for name in ("sample_rate", "samples_per_frame"))
    if rate != SOUND_RATE or SOUND_RATE % samples:
        raise ConfigurationError(
            f"{recordings.manifest}: {rate} samples a second; puzzle codes take sounds of {SOUND_RATE}"
        )
    return SOUND_RATE // samples


def windows(recordings: RecordingSet, split: Split, model: MapCode, frames: int) -> Windows:
    """The windows of a split that a map codes, one grid each."""
    return Windows(recordings, split, (model.stream,), frames)


def examples(model: MapCode, pool: Windows, seed: int, most: int) -> Tensor:
    """What the map sees of up to `most` windows, drawn at random."""
    count = min(most, len(pool))
    indices = sample_indices(stable_seed(seed, "examples"), 0, count, len(pool))
    return model.view(pool.batch(np.sort(indices)))
