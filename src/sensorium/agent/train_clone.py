"""Train the clone: agent tokens in the dynamics that predict the recorded player's next actions and rewards."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.agent.agent import Agent
from sensorium.agent.cloning_learner import CloningLearner
from sensorium.agent.config import CloningConfig
from sensorium.artifacts import ArtifactError, digest, read_manifest
from sensorium.config import parse_section, parse_stored
from sensorium.data.recording import KIND, RecordingSet, Split
from sensorium.data.windows import JoinedWindows, Windows, join
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.models.load import load
from sensorium.training.execution import Execution, add_training_arguments
from sensorium.training.learner import Learner
from sensorium.training.stage import train_stage

REVISION = 4
LEARNED = ("action", "reward")


def check_streams(manifest: Path, content: Mapping[str, Any], streams: Mapping[str, Path]) -> None:
    """Refuse a model that was trained on other tokens than the given ones, or with sound if none is given.

    Raises:
        ArtifactError: naming the model and the tokens.
    """
    for name in ("latents", "sound"):
        trained_on, given = content["inputs"].get(name), streams.get(name)
        if given:
            read_manifest(given, KIND)  # what is no manifest is named here
        if trained_on != (digest(given) if given else None):
            raise ArtifactError(
                f"{manifest}: not trained on {given or 'silent recordings'} as --{name}; train it again"
            )


def main(argv: list[str]) -> None:
    """Run `sensorium train-clone`.

    Raises:
        ArtifactError: if an input does not match its manifest, or the recordings hold no actions or rewards.
    """
    parser = argparse.ArgumentParser(prog="sensorium train-clone", description=__doc__)
    parser.add_argument("--config", required=True, help="section agent.cloning, as JSON")
    parser.add_argument("--latents", type=Path, required=True, help="manifest of the encoded video")
    parser.add_argument("--tokenizer", type=Path, required=True, help="manifest of the tokenizer that encoded it")
    parser.add_argument("--sound", type=Path, nargs="?", help="manifest of the encoded sound; none if silent")
    parser.add_argument("--dynamics", type=Path, required=True, help="manifest of the dynamics")
    parser.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    config = parse_section(CloningConfig, args.config)
    latents = RecordingSet.open(args.latents)
    for field in LEARNED:
        if not latents.has(field):
            raise ArtifactError(f"{args.latents}: its recordings have no {field!r}; record a game, or set data.task")
    before = read_manifest(args.dynamics, "dynamics")
    streams = {"latents": args.latents} | ({"sound": args.sound} if args.sound else {})
    check_streams(args.dynamics, before, streams)
    tokenizer = load(VideoTokenizer, args.tokenizer)
    section = parse_stored(DynamicsConfig, before["config"], args.dynamics)
    ends = ("continue",) if latents.has("continue") else ()
    start = {"config": before["config"], "shapes": before["details"]["shapes"]}
    shapes: dict[str, Any] = {"dynamics": start, **({"continues": True} if ends else {})}

    def windows(split: Split) -> Windows | JoinedWindows:
        frames = section.long_frames + config.distances
        return join(Windows(latents, split, ("latent", *LEARNED, *ends), frames, scene="latent"), args.sound)

    def build() -> tuple[Learner, Windows | JoinedWindows, Windows | JoinedWindows]:
        agent = Agent(config, shapes)
        agent.dynamics.load_state_dict(load(Dynamics, args.dynamics).state_dict())
        return CloningLearner(agent, config, section, tokenizer), windows("training"), windows("validation")

    train_stage(
        stage="clone",
        revision=REVISION,
        section=config,
        inputs={**streams, "tokenizer": args.tokenizer, "dynamics": args.dynamics},
        output=args.output,
        build=build,
        execution=Execution.from_args(args),
        shapes=shapes,
    )
