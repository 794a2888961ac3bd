"""Train the tokenizer of one stream, video or audio, on windows.

The tokenizers of patches and of fixed bands have no weights: statistics of the training recordings are fitted.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.data.windows import Windows
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.audio_tokenizer_learner import SoundLearner
from sensorium.generation.band_tokenizer import BandTokenizer, decibels
from sensorium.generation.lpips import LPIPS
from sensorium.generation.patch_tokenizer import PatchTokenizer
from sensorium.generation.tokenizer_config import AudioTokenizerConfig, VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.generation.video_tokenizer_learner import TokenizerLearner, edge_error
from sensorium.training.execution import Execution, add_training_arguments
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
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    recordings, inputs = RecordingSet.open(args.data), {"data": args.data}
    learner: Callable[[], TokenizerLearner | SoundLearner]
    if args.stream == "video":
        config = parse_section(VideoTokenizerConfig, args.config)
        shapes = {"size": recordings.details["size"]}
        if config.lpips:
            inputs["lpips"] = Path(config.lpips)
        learner = partial(_sees, config, shapes, inputs.get("lpips"))
    else:
        config = parse_section(AudioTokenizerConfig, args.config)
        shapes = {"samples_per_frame": recordings.details["samples_per_frame"]}
        learner = partial(_hears, config, shapes, recordings.details["sample_rate"])

    def windows(split: Split) -> Windows:
        return Windows(recordings, split, (args.stream,), config.frames)

    def build() -> tuple[Learner, Windows, Windows]:
        return learner(), windows("training"), windows("validation")

    def fitted() -> tuple[Learner, Windows]:
        made = learner()
        fit(made.model, recordings)
        return made, windows("validation")

    stage: dict[str, Any] = {
        "stage": f"tokenizer_{args.stream}",
        "revision": REVISION,
        "section": config,
        "inputs": inputs,
        "output": args.output,
        "execution": Execution.from_args(args),
        "shapes": shapes,
    }
    if config.kind in ("patches", "bands"):
        fit_stage(build=fitted, **stage)
    else:
        train_stage(build=build, **stage)


def _sees(config: VideoTokenizerConfig, shapes: dict[str, Any], lpips: Path | None) -> TokenizerLearner:
    tokenizer = VideoTokenizer(config, shapes)
    return TokenizerLearner(tokenizer, config, LPIPS(lpips) if lpips else edge_error)


def _hears(config: AudioTokenizerConfig, shapes: dict[str, Any], sample_rate: int) -> SoundLearner:
    return SoundLearner(AudioTokenizer(config, shapes), config.wave_weight, sample_rate)


def fit(tokenizer: VideoTokenizer | AudioTokenizer, recordings: RecordingSet) -> None:
    """Set the statistics of a tokenizer of patches or of fixed bands."""
    if isinstance(tokenizer.network, PatchTokenizer):
        tokenizer.network.describe(*patch_statistics(recordings, tokenizer.network))
    elif isinstance(tokenizer.network, BandTokenizer):
        tokenizer.network.describe(*level_statistics(recordings, tokenizer.network))


def patch_statistics(recordings: RecordingSet, patches: PatchTokenizer) -> tuple[Tensor, Tensor]:
    """What `PatchTokenizer.describe` is given, from all training recordings."""
    total, changes, frames, steps = torch.tensor(0.0), torch.tensor(0.0), 0, 0
    for name in recordings.names("training"):
        video = patches.patches(to_images(torch.from_numpy(recordings.field(name, "video").copy()))).double()
        change = video.diff(dim=0).flatten(0, 1)
        total, changes = total + video.sum((0, 1)), changes + change.T @ change
        frames, steps = frames + video[..., 0].numel(), steps + len(change)
    return (total / frames).float(), (changes / max(steps, 1)).float()


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
