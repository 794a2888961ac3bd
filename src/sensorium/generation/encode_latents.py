"""Encode one stream of one shard of recordings to tokens, so that trainings on tokens need not run the tokenizer.

Actions, rewards and ends are copied next to the tokens of the video, so trainings on tokens read only sets of latents.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from sensorium.artifacts import ArtifactError, digest
from sensorium.config import LatentsConfig, canonical_json, parse_section
from sensorium.data.recording import write_shard
from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.data.shards import describe_shard
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.models.out_of_memory import in_pieces
from sensorium.models.parts import Parts
from sensorium.progress import say, track
from sensorium.training.execution import Execution, add_arguments

REVISION = 3
FRAMES_A_PASS = 256
COPIED = ("action", "reward", "continue")


def main(argv: list[str]) -> None:
    """Run `sensorium encode-latents`."""
    parser = argparse.ArgumentParser(prog="sensorium encode-latents", description=__doc__)
    parser.add_argument("stream", choices=("video", "audio"), help="what is encoded")
    parser.add_argument("--config", required=True, metavar="JSON", help="the latents section")
    parser.add_argument("--data", type=Path, required=True, metavar="MANIFEST", help="the recordings")
    parser.add_argument("--tokenizer", type=Path, required=True, metavar="MANIFEST", help="the tokenizer")
    parser.add_argument("--shard", type=int, required=True, metavar="K", help="number of the shard, from 0")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the shard (.safetensors)")
    add_arguments(parser)
    args = parser.parse_args(argv)
    config = parse_section(LatentsConfig, args.config)
    encode(config, args.stream, args.data, args.tokenizer, args.shard, args.output, Execution.from_args(args))


def encode_video(
    tokenizer: VideoTokenizer, video: np.ndarray, dtype: str, device: torch.device, frames_a_pass: int = FRAMES_A_PASS
) -> np.ndarray:
    """Frames uint8 [T, H, W, 3] -> tokens [T, N, C] of `dtype`.

    Always in fp32, whatever the precision of training, because later stages use the tokens as data.
    """
    tokens = np.empty((len(video), tokenizer.tokens, tokenizer.channels), dtype)

    @torch.no_grad()
    def part(start: int, stop: int) -> int:
        context = min(start, tokenizer.past)  # frames of the last pass, on which the next tokens depend
        frames = torch.from_numpy(video[start - context : stop].copy()).to(device)
        tokens[start:stop] = tokenizer.encode(to_images(frames))[context:].cpu().numpy()
        return stop

    in_pieces(part, len(video), frames_a_pass, "frames")
    return tokens


def encode_audio(
    tokenizer: AudioTokenizer, audio: np.ndarray, dtype: str, device: torch.device, frames_a_pass: int = FRAMES_A_PASS
) -> np.ndarray:
    """Samples int16 [S] -> tokens [T, N, C] of `dtype`, in fp32 too; `frames_a_pass` does not change them."""
    frames = torch.from_numpy(audio.copy()).unflatten(0, (-1, tokenizer.samples_per_frame))
    tokens = np.empty((len(frames), tokenizer.tokens, tokenizer.channels), dtype)

    @torch.no_grad()
    def part(start: int, stop: int) -> int:
        context = min(start, tokenizer.past)
        sounds = to_sounds(frames[start - context : stop].flatten()).to(device)
        tokens[start:stop] = tokenizer.encode(sounds[None])[0, context:].cpu().numpy()
        return stop

    in_pieces(part, len(frames), frames_a_pass, "frames")
    return tokens


def encode(
    config: LatentsConfig, stream: str, data: Path, tokenizer: Path, shard: int, output: Path, execution: Execution
) -> None:
    """Write a shard of latents and its list; `stream` is "video" or "audio".

    Raises:
        ArtifactError: if an input is missing or does not match its manifest, or the data has no such shard.
    """
    device = execution.prepare()
    parts = Parts({"data": data, f"tokenizers/{stream}": tokenizer}, device)
    recordings = parts.recordings()
    model: VideoTokenizer | AudioTokenizer
    model = parts.load(VideoTokenizer) if stream == "video" else parts.load(AudioTokenizer)
    wanted = f"shard-{shard:04d}"
    entries = [entry for entry in recordings.details["recordings"] if entry["shard"] == wanted]
    known = recordings.shards()
    if wanted not in known:  # a shard without a recording is another matter: all of them were bad
        raise ArtifactError(f"{data}: has no recordings in {wanted}, only in {known[0]} to {known[-1]}")
    copied = [field for field in COPIED if stream == "video" and recordings.has(field)]
    frames_a_pass = execution.micro_batch or FRAMES_A_PASS
    encoded: dict[str, dict[str, np.ndarray]] = {}
    for entry in track(entries, f"shard {shard}: recordings"):
        name = entry["name"]
        if isinstance(model, AudioTokenizer):
            latent = encode_audio(model, recordings.field(name, "audio"), config.dtype, device, frames_a_pass)
        else:
            latent = encode_video(model, recordings.field(name, "video"), config.dtype, device, frames_a_pass)
        encoded[name] = {"latent": latent, **{field: recordings.field(name, field) for field in copied}}
    write_shard(output, encoded)
    describe_shard(
        output,
        section_json=canonical_json(config),
        recordings=[{key: entry[key] for key in ("name", "number", "frames")} for entry in entries],
        quarantine=[],
        details={
            "tokens": model.tokens,
            "channels": model.channels,
            "tokenizer": digest(tokenizer),
            **({"flag": model.bands.flag} if isinstance(model, AudioTokenizer) and model.bands else {}),
        },
        inputs={"data": digest(data), "tokenizer": digest(tokenizer)},
    )
    say(f"{output}: {stream} of {len(encoded)} recordings, {model.tokens} tokens of {model.channels} numbers a frame")
