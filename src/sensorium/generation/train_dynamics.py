"""Train the dynamics, which predict the tokens of the next frames from those of earlier frames and the actions."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sensorium.artifacts import ArtifactError, digest, read_manifest
from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.windows import JoinedWindows, Windows, join
from sensorium.generation.body_sense import BodySense, to_tokens
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.dynamics_learner import DynamicsLearner
from sensorium.generation.felt_place import find_place
from sensorium.generation.free_motion import find_motion
from sensorium.generation.patch_tokenizer import PatchTokenizer
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.models.load import load
from sensorium.training.execution import Execution, add_training_arguments
from sensorium.training.learner import Learner
from sensorium.training.stage import train_stage

REVISION = 12
SMALLEST_STD = 0.01  # a channel that hardly varies is not scaled up to unit variance
LOOKED_AT = 100  # training recordings in which the body is looked for


def token_statistics(latents: RecordingSet) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean, std and mean squared change per frame of each channel in the training recordings: float32 [N, C] each."""
    count = steps = tokens = 0
    total, squares, changes = 0.0, 0.0, 0.0
    for name in latents.names("training"):
        latent = latents.field(name, "latent").astype(np.float64)
        count, steps, tokens = count + latent[..., 0].size, steps + latent[1:, ..., 0].size, latent.shape[1]
        total = total + latent.sum((0, 1))
        squares = squares + np.square(latent).sum((0, 1))
        changes = changes + np.square(np.diff(latent, axis=0)).sum((0, 1))
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - np.square(mean), SMALLEST_STD**2))
    return tuple(  # type: ignore[return-value]
        torch.as_tensor(value).float().expand(tokens, -1) for value in (mean, std, changes / steps)
    )


def body_statistics(recordings: RecordingSet, channels: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean, std and mean squared change per frame of each number of the body sense, as tokens: float32 [M, C] each."""
    felt = [recordings.field(name, "body").astype(np.float64) for name in recordings.names("training")]
    every, changes = np.concatenate(felt), np.concatenate([np.diff(each, axis=0) for each in felt])
    numbers = every.mean(0), np.maximum(every.std(0), SMALLEST_STD), np.square(changes).mean(0)
    mean, std, change = (to_tokens(torch.as_tensor(value).float(), channels) for value in numbers)
    return mean, std.clamp_min(SMALLEST_STD), change


def free_motion(
    recordings: RecordingSet, action: Mapping[str, Any] | None, mean: torch.Tensor, std: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """How standardised numbers of the body sense move freely: float32 [M C, A + 2], and their bounds, [2, M C].

    Args:
        recordings: with a body sense.
        action: as their manifest describes it; None: there are none.
        mean, std: of the tokens of the body sense, [M, C].
    """
    size, names = int(action["size"]) if action else 0, recordings.names("training")

    def pair(name: str) -> tuple[np.ndarray, np.ndarray]:
        body = recordings.field(name, "body")
        if not action:
            return body, np.zeros((len(body), 0), np.float32)
        moves = recordings.field(name, "action")
        return body, np.eye(size, dtype=np.float32)[moves] if action["kind"] == "discrete" else moves

    found, channels = find_motion(pair(name) for name in names[:: -(-len(names) // LOOKED_AT)]), mean.shape[1]
    own, *led, offset = (to_tokens(torch.as_tensor(part).float(), channels).flatten() for part in found.step.T)
    centre, unit = mean.flatten(), std.flatten()
    step = torch.stack([own, *(part / unit for part in led), (offset + (own - 1) * centre) / unit], 1)
    bounds = torch.stack([to_tokens(torch.as_tensor(part).float(), channels).flatten() for part in found[1:]])
    return step, (bounds - centre) / unit


def place_of_body(
    recordings: RecordingSet, latents: RecordingSet, network: PatchTokenizer, mean: torch.Tensor, std: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the body is seen, by its standardised tokens: float32 [2, M C], and what is added, [2].

    Args:
        recordings: with a body sense.
        latents: their video.
        network: its tokenizer.
        mean, std: of the tokens of the body sense, [M, C].
    """
    names = recordings.names("training")
    colour = network.colour.double().numpy()

    def pair(name: str) -> tuple[np.ndarray, np.ndarray]:
        change = np.diff(latents.field(name, "latent").astype(np.float64), axis=0) @ colour.T
        squared = np.square(change).mean(-1)
        side = round(squared.shape[1] ** 0.5)
        return squared.reshape(-1, side, side), recordings.field(name, "body")

    where, offset = find_place(pair(name) for name in names[:: -(-len(names) // LOOKED_AT)])
    numbers = to_tokens(torch.as_tensor(where).float(), mean.shape[1]).flatten(1)
    return numbers * std.flatten(), torch.as_tensor(offset).float() + numbers @ mean.flatten()


def describe_body(
    body: BodySense,
    recordings: RecordingSet,
    latents: RecordingSet,
    network: PatchTokenizer,
    mean: torch.Tensor,
    std: torch.Tensor,
) -> None:
    """Set where the body is seen, and how it moves freely; arguments of `place_of_body` and `free_motion`."""
    body.describe(*place_of_body(recordings, latents, network, mean, std))
    body.describe_motion(*free_motion(recordings, latents.details["action"], mean, std))


def felt_recordings(manifest: Path | None, latents: Path, config: DynamicsConfig) -> RecordingSet | None:
    """The recordings whose body sense is dreamed; None if none is.

    Args:
        manifest: of them, if it was given.
        latents: manifest of their video.
        config: of the dynamics.

    Raises:
        ArtifactError: if they are missing, not wanted, or not those of the latents.
    """
    felt = read_manifest(latents)["details"].get("body", 0)
    wanted = bool(felt) and config.fine_path is not None and config.fine.body
    if (manifest is not None) != wanted:
        raise ArtifactError(
            f"{manifest or latents}: dynamics.fine.body is {str(config.fine.body).lower()}, and recordings hold "
            f"{felt} numbers of a body sense; --body names the recordings if they hold some and it is true (and "
            "dynamics.path fine), and is left out otherwise"
        )
    if manifest is None:
        return None
    recordings = RecordingSet.open(manifest)
    if read_manifest(latents)["inputs"].get("data") != digest(manifest):
        raise ArtifactError(f"{latents}: made from other recordings than {manifest}; encode again")
    return recordings


def shapes_of(
    tokenizer: VideoTokenizer, latents: RecordingSet, sound: RecordingSet | None, felt: RecordingSet | None
) -> dict[str, Any]:
    """What the dynamics must know of the tokens (`Dynamics`), of encoded video and sound and of the body sense."""
    return {
        "video": tokenizer.tokens,
        "grid": True,
        "audio": sound.details["tokens"] if sound else 0,
        "channels": tokenizer.channels,
        "action": latents.details["action"],
        "pixels": tokenizer.pixels,
        **({"body": felt.details["body"]} if felt else {}),
        **({"flag": sound.details["flag"]} if sound and sound.details.get("flag") else {}),
    }


def main(argv: list[str]) -> None:
    """Run `sensorium train-dynamics`.

    Raises:
        ArtifactError: if an input does not match its manifest, or another tokenizer made the latents.
    """
    parser = argparse.ArgumentParser(prog="sensorium train-dynamics", description=__doc__)
    parser.add_argument("--config", required=True, help="section dynamics, as JSON")
    parser.add_argument("--latents", type=Path, required=True, help="manifest of the encoded video")
    parser.add_argument("--tokenizer", type=Path, required=True, help="manifest of the tokenizer that encoded it")
    parser.add_argument("--sound", type=Path, nargs="?", help="manifest of the encoded sound; none if silent")
    parser.add_argument("--body", type=Path, nargs="?", help="manifest of recordings whose body sense is dreamed")
    parser.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    config = parse_section(DynamicsConfig, args.config)
    latents = RecordingSet.open(args.latents)
    sound = RecordingSet.open(args.sound) if args.sound else None
    felt = felt_recordings(args.body, args.latents, config)
    tokenizer = load(VideoTokenizer, args.tokenizer)
    if latents.details["tokenizer"] != digest(args.tokenizer):
        raise ArtifactError(f"{args.latents}: encoded by another tokenizer than {args.tokenizer}; encode again")
    shapes = shapes_of(tokenizer, latents, sound, felt)

    def windows(split: Split) -> Windows | JoinedWindows:
        fields = ("latent", "action") if shapes["action"] else ("latent",)
        return join(Windows(latents, split, fields, config.long_frames, scene="latent"), args.sound, args.body)

    def build() -> tuple[Learner, Windows | JoinedWindows, Windows | JoinedWindows]:
        dynamics = Dynamics(config, shapes)
        streams = [token_statistics(encoded) for encoded in (latents, sound) if encoded]
        if felt is not None:
            streams.append(body_statistics(felt, tokenizer.channels))
        dynamics.describe(*(torch.cat(values) for values in zip(*streams, strict=True)))
        if dynamics.fine is not None and isinstance(tokenizer.network, PatchTokenizer):
            dynamics.describe_pixels(tokenizer.network.colour, tokenizer.network.mean)
            if felt is not None and dynamics.fine.body is not None:
                describe_body(dynamics.fine.body, felt, latents, tokenizer.network, *streams[-1][:2])
        return DynamicsLearner(dynamics, config, tokenizer), windows("training"), windows("validation")

    others = {name: path for name, path in (("sound", args.sound), ("body", args.body)) if path}
    train_stage(
        stage="dynamics",
        revision=REVISION,
        section=config,
        inputs={"latents": args.latents, "tokenizer": args.tokenizer, **others},
        output=args.output,
        build=build,
        execution=Execution.from_args(args),
        shapes=shapes,
    )
