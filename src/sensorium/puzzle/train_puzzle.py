"""Train a code: the map of sound or sight, the list of sound, or a preset of earlier work.

What a map or a list begins from is fitted to training examples first; then its corrections are learned.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sensorium.config import ConfigurationError, parse_section
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.windows import Windows, WindowSource
from sensorium.puzzle.collect_texts import read_texts
from sensorium.puzzle.config import OTHERS, SENSES, SOUND_RATE
from sensorium.puzzle.grid_code import GridCode
from sensorium.puzzle.legacy import PRESETS, LegacyCode
from sensorium.puzzle.legacy_learner import LegacyLearner
from sensorium.puzzle.list_code import ListCode
from sensorium.puzzle.list_learner import ListLearner
from sensorium.puzzle.map_code import MapCode
from sensorium.puzzle.map_learner import MapLearner
from sensorium.puzzle.sight_map import SightMap
from sensorium.puzzle.sizes import EXAMPLES, JUDGED
from sensorium.puzzle.sound_list import SoundList
from sensorium.puzzle.sound_map import SoundMap
from sensorium.puzzle.text_windows import TextWindows
from sensorium.randomness import Draw, sample_indices, stable_seed
from sensorium.training.execution import Execution, add_training_arguments
from sensorium.training.learner import Learner
from sensorium.training.stage import train_stage

REVISION = 1
CODES: dict[str, type[Any]] = {"sound": SoundMap, "sight": SightMap, "sound_list": SoundList, **PRESETS}
Build = Callable[[], tuple[Learner, WindowSource, WindowSource]]


def main(argv: list[str]) -> None:
    """Run `sensorium train-puzzle`."""
    parser = argparse.ArgumentParser(prog="sensorium train-puzzle", description=__doc__)
    parser.add_argument("sense", choices=(*SENSES, *OTHERS), help="what is trained")
    parser.add_argument("--config", required=True, help="section puzzle.SENSE, as JSON")
    parser.add_argument("--data", type=Path, required=True, help="manifest of the recordings, or of the texts")
    parser.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    code = CODES[args.sense]
    config = parse_section(code.Config, args.config)
    make = of_texts if code.stream == "text" else of_recordings
    shapes, build = make(code, config, args.data)
    train_stage(
        stage=code.kind,
        revision=REVISION,
        section=config,
        inputs={"data": args.data},
        output=args.output,
        build=build,
        execution=Execution.from_args(args),
        shapes=shapes,
    )


def of_recordings(code: type[Any], config: Any, manifest: Path) -> tuple[dict[str, Any], Build]:
    """Shapes of a code of sounds or pictures, and what builds its learner and the windows that it learns from."""
    recordings = RecordingSet.open(manifest)
    sound = code.stream == "audio"
    frames = seconds_frames(recordings) if sound else 1
    shapes = {} if sound else {"size": recordings.details["size"]}

    def build() -> tuple[Learner, WindowSource, WindowSource]:
        model = code(config, shapes)
        training, validation = (windows(recordings, split, model, frames) for split in ("training", "validation"))
        return learner_of(model, config, training, validation), training, validation

    return shapes, build


def of_texts(code: type[Any], config: Any, manifest: Path) -> tuple[dict[str, Any], Build]:
    """The same of a code of texts: what primes is learned from, what is fitted on validates."""
    texts = read_texts(manifest)

    def build() -> tuple[Learner, WindowSource, WindowSource]:
        parts = [TextWindows([text for text in texts if text.split == split]) for split in ("counted", "fitted")]
        return LegacyLearner(code(config, {})), parts[0], parts[1]

    return {}, build


def learner_of(model: GridCode, config: Any, training: Windows, validation: Windows) -> Learner:
    """The objective of a code, whose start is fitted to training examples if it has one."""
    if isinstance(model, LegacyCode):
        return LegacyLearner(model)
    seed = config.training.seed
    seen, judged = examples(model, training, seed, EXAMPLES), examples(model, validation, seed, JUDGED)
    if isinstance(model, ListCode):
        model.describe(torch.cat([seen, *copies(model, training, seed, config.copies)]))
        return ListLearner(model, judged)
    assert isinstance(model, MapCode)
    model.describe(seen)
    return MapLearner(model, judged)


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


def windows(recordings: RecordingSet, split: Split, model: GridCode, frames: int) -> Windows:
    """The windows of a split that a code takes, one grid each."""
    return Windows(recordings, split, (model.stream,), frames)


def examples(model: GridCode, pool: Windows, seed: int, most: int) -> Tensor:
    """What the code sees of up to `most` windows, drawn at random."""
    return model.view(pool.batch(drawn(pool, seed, most)))


def copies(model: GridCode, pool: Windows, seed: int, count: int) -> list[Tensor]:
    """The examples `count` times as training varies them."""
    batch = pool.batch(drawn(pool, seed, EXAMPLES))
    rows = len(batch["index"])
    return [
        model.varied(batch, Draw(stable_seed(seed, "copies"), number, 0, rows, rows, torch.device("cpu")))
        for number in range(count)
    ]


def drawn(pool: Windows, seed: int, most: int) -> np.ndarray:
    """Numbers of up to `most` windows, in order."""
    return np.sort(sample_indices(stable_seed(seed, "examples"), 0, min(most, len(pool)), len(pool)))
