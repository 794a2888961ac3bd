"""Artifacts that dream, untrained and small, laid out as a run lays them out below results/."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from sensorium.artifacts import digest, write_manifest
from sensorium.config import PlayroomConfig, Section, canonical_json
from sensorium.data.recording import KIND, write_shard
from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.config import DynamicsConfig, FineConfig, LatentsConfig
from sensorium.generation.dream_environment import DreamEnvironment
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.tokenizer_config import AudioTokenizerConfig, TransformerTokenizerConfig, VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.interactive.environment import dream_environment
from sensorium.interactive.parts import DreamParts, add_arguments

SIZE, FRAMES, CHANNELS, SAMPLES, RATE = 16, 20, 3, 1000, 16000
SPLITS = ("training", "validation", "test", "test", "test")
HAND, CONSOLE = {"kind": "continuous", "size": 2}, {"kind": "discrete", "size": 18}
DYNAMICS = DynamicsConfig(dim=16, heads=2, key_heads=1, layers=2, time_every=2, window=4, frames=4, long_frames=4)
TOKENIZER = VideoTokenizerConfig(width=4, channels=CHANNELS)
CLIPS = VideoTokenizerConfig(
    kind="transformer",
    channels=CHANNELS,
    transformer=TransformerTokenizerConfig(dim=16, heads=2, layers=2, time_every=2, frames=3),
)
PATCHES = VideoTokenizerConfig(kind="patches", channels=12)
COPYING = DYNAMICS.model_copy(
    update={"path": "fine", "dreamed": 0.0, "fine": FineConfig(width=8, blocks=2, pool=2, crop=4)}
)
FEELING = COPYING.model_copy(update={"fine": COPYING.fine.model_copy(update={"body": True})})
BODY = 4  # numbers of the body sense of recordings
SOUND = AudioTokenizerConfig(width=8, channels=CHANNELS)


def write_results(
    folder: Path,
    action: dict[str, Any] | None = HAND,
    heard: bool = False,
    config: VideoTokenizerConfig = TOKENIZER,
    dynamics_config: DynamicsConfig = DYNAMICS,
) -> Path:
    """Recordings, tokenizers, latents and dynamics below a folder `results`; the folder it lies in.

    Args:
        folder: where.
        action: what steers the recordings.
        heard: whether dreams have sound; recordings have it in any case.
        config: of the video tokenizer.
        dynamics_config: of the dynamics.
    """
    results, rng = folder / "results", np.random.default_rng(0)
    recordings = {}
    for number in range(len(SPLITS)):
        fields = {
            "video": rng.integers(256, size=(FRAMES, SIZE, SIZE, 3), dtype=np.uint8),
            "audio": rng.integers(-9000, 9000, FRAMES * SAMPLES, dtype=np.int16),
        }
        if action is not None and action["kind"] == "continuous":
            fields["action"] = rng.uniform(-1, 1, (FRAMES, action["size"])).astype(np.float32)
        elif action is not None:
            fields["action"] = rng.integers(action["size"], size=FRAMES)
        fields["body"] = np.random.default_rng([1, number]).uniform(-1, 1, (FRAMES, BODY)).astype(np.float32)
        recordings[f"toy-{number}"] = fields
    data = _recordings(results / "data/toy", recordings, action, PlayroomConfig())
    torch.manual_seed(0)
    tokenizer = VideoTokenizer(config, {"size": SIZE})
    seeing = _model(results / "tokenizers/video", tokenizer, "tokenizer_video", config, {"size": SIZE})
    latents = {}
    for name, fields in recordings.items():
        tokens = tokenizer.encode(to_images(torch.from_numpy(fields["video"]))).detach().numpy().astype(np.float16)
        latents[name] = {"latent": tokens} | ({"action": fields["action"]} if action else {})
    encoded = _recordings(
        results / "latents/video", latents, action, LatentsConfig(), data=digest(data), tokenizer=digest(seeing)
    )
    inputs = {"latents": digest(encoded), "tokenizer": digest(seeing)}
    if heard:
        hearing, lengths = sound_tokenizer(), {"samples_per_frame": SAMPLES}
        playing = _model(results / "tokenizers/audio", hearing, "tokenizer_audio", SOUND, lengths)
        sounds = {name: to_sounds(torch.from_numpy(fields["audio"]))[None] for name, fields in recordings.items()}
        tokens = {name: {"latent": hearing.encode(sound)[0].detach().half().numpy()} for name, sound in sounds.items()}
        made_from = {"data": digest(data), "tokenizer": digest(playing)}
        inputs["sound"] = digest(_recordings(results / "latents/audio", tokens, action, LatentsConfig(), **made_from))
    audio = SOUND.tokens if heard else 0
    shapes = {"video": tokenizer.tokens, "grid": True, "audio": audio, "channels": config.channels, "action": action}
    shapes |= {"pixels": config.pixels, "body": BODY if dynamics_config.fine.body else 0}
    dynamics = Dynamics(dynamics_config, shapes)
    if dynamics.read_out is not None:
        nn.init.normal_(dynamics.read_out.weight, std=0.3)  # an untrained one only ever holds the last frame
    if dynamics.fine is not None:
        dynamics.describe_pixels(tokenizer.network.colour, tokenizer.network.mean)
        nn.init.normal_(dynamics.fine.choose.weight)
        nn.init.normal_(dynamics.fine.up.weight)
        if dynamics.fine.body is not None:
            nn.init.normal_(dynamics.fine.body.step[:, 1:], std=0.1)
            inputs["body"] = digest(data)
    _model(results / "dynamics", dynamics, "dynamics", dynamics_config, shapes, **inputs)
    return folder


def sound_tokenizer() -> AudioTokenizer:
    """An untrained one that looks back; a fresh one's layers still do nothing."""
    torch.manual_seed(1)
    hearing = AudioTokenizer(SOUND, {"samples_per_frame": SAMPLES})
    for name, weight in hearing.named_parameters():
        if ".mix." in name:
            nn.init.normal_(weight, std=0.2)
    return hearing.eval()


def open_parts(*arguments: str) -> DreamParts:
    """The parts that a command with these arguments opens in the current folder."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return DreamParts.open(parser.parse_args(["--device", "cpu", *arguments]))


def begin_dream(parts: DreamParts, name: str, **settings: Any) -> DreamEnvironment:
    """A dream that has begun with a recording."""
    environment = dream_environment(parts, [name], **settings)
    environment.reset(0)
    return environment


def _recordings(
    folder: Path, recordings: dict[str, Any], action: dict[str, Any] | None, section: Section, **inputs: str
) -> Path:
    shard = folder / "shard-0000.safetensors"
    write_shard(shard, recordings)
    entries = [
        {"name": name, "shard": "shard-0000", "split": split, "frames": FRAMES}
        for name, split in zip(recordings, SPLITS, strict=True)
    ]
    details = {
        "action": action, "recordings": entries, "frames_per_second": 16, "sample_rate": RATE,
        "samples_per_frame": SAMPLES, "size": SIZE,
    }  # fmt: skip
    write_manifest(
        folder, kind=KIND, section_json=canonical_json(section), inputs=inputs, files={"shard-0000": shard},
        details=details,
    )  # fmt: skip
    return folder / "manifest.json"


def _model(folder: Path, model: nn.Module, kind: str, section: Section, shapes: dict[str, Any], **inputs: str) -> Path:
    folder.mkdir(parents=True)
    save_file({name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}, folder / "model")
    write_manifest(
        folder, kind=kind, section_json=canonical_json(section), inputs=inputs, files={"model": folder / "model"},
        details={"shapes": shapes},
    )  # fmt: skip
    return folder / "manifest.json"
