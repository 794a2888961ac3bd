"""Train the tokenizer of one stream, video or audio, on windows.

The sound tokenizer of fixed bands has no weights: only the means and standard deviations of its levels are fitted.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.sample_formats import to_sounds
from sensorium.data.windows import Windows
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.audio_tokenizer_learner import SoundLearner
from sensorium.generation.band_tokenizer import BandTokenizer, decibels
from sensorium.generation.config import AudioTokenizerConfig, VideoTokenizerConfig
from sensorium.generation.lpips import LPIPS
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.generation.video_tokenizer_learner import TokenizerLearner, edge_error
from sensorium.training.execution import Execution, add_arguments
from sensorium.training.learner import Learner
from sensorium.training.stage import fit_stage, train_stage

REVISION = 4


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

    def windows(split: Split, frames: int) -> Windows:
        return Windows(recordings, split, (args.stream,), frames)

    def fitted() -> tuple[Learner, Windows]:
        sound = AudioTokenizer(config, shapes)
        assert sound.bands is not None
        sound.bands.describe(*level_statistics(recordings, sound.bands))
        learner = SoundLearner(sound, config.wave_weight, recordings.details["sample_rate"])
        return learner, windows("validation", config.frames)

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
        return learner, windows("training", frames), windows("validation", frames)

    stage: dict[str, Any] = {
        "stage": f"tokenizer_{args.stream}",
        "revision": REVISION,
        "section": config,
        "inputs": inputs,
        "output": args.output,
        "execution": Execution.from_args(args),
        "shapes": shapes,
    }
    if config.kind == "bands":
        fit_stage(build=fitted, **stage)
    else:
        train_stage(build=build, **stage)


def level_statistics(recordings: RecordingSet, bands: BandTokenizer) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What `BandTokenizer.describe` is given, from all training recordings."""
    levels, powers = [], []
    for name in recordings.names("training"):
        sound = to_sounds(torch.from_numpy(recordings.field(name, "audio").copy()))[None]
        measured = bands.measure(sound)
        levels.append(decibels(torch.cat([measured.bands, measured.parts], dim=-1))[0])
        powers.append(measured.parts.mean(-1)[0])
    every, power = torch.cat(levels).double(), torch.cat(powers).double()
    found = every.mean(0), every.std(0, correction=0), decibels(power).mean(), power.mean()
    mean, std, loudness, square = (value.float() for value in found)
    return mean, std, loudness, square
