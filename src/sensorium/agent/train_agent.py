"""Train the agent's policy and value in dreams, with the cloned policy as a frozen prior."""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.agent.agent import Actor, Agent
from sensorium.agent.config import ImaginationConfig
from sensorium.agent.imagination_learner import ImaginationLearner
from sensorium.agent.train_clone import check_streams
from sensorium.artifacts import read_manifest
from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.windows import JoinedWindows, Windows, join
from sensorium.models.load import load
from sensorium.training.execution import Execution, add_training_arguments
from sensorium.training.learner import Learner
from sensorium.training.stage import train_stage

REVISION = 1


def main(argv: list[str]) -> None:
    """Run `sensorium train-agent`.

    Raises:
        ArtifactError: if an input does not match its manifest.
    """
    parser = argparse.ArgumentParser(prog="sensorium train-agent", description=__doc__)
    parser.add_argument("--config", required=True, help="section agent.imagination, as JSON")
    parser.add_argument("--latents", type=Path, required=True, help="manifest of the encoded video, where dreams begin")
    parser.add_argument("--sound", type=Path, nargs="?", help="manifest of the encoded sound; none if silent")
    parser.add_argument("--clone", type=Path, required=True, help="manifest of the clone")
    parser.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    config = parse_section(ImaginationConfig, args.config)
    latents = RecordingSet.open(args.latents)
    streams = {"latents": args.latents} | ({"sound": args.sound} if args.sound else {})
    check_streams(args.clone, read_manifest(args.clone, "clone"), streams)
    clone = load(Agent, args.clone)
    shapes = {
        "dim": clone.dynamics.dim,
        "distances": len(clone.policy.distances),
        "action": latents.details["action"],
    }

    def windows(split: Split) -> Windows | JoinedWindows:
        return join(Windows(latents, split, ("latent", "action"), config.context), args.sound)

    def build() -> tuple[Learner, Windows | JoinedWindows, Windows | JoinedWindows]:
        actor = Actor(config, shapes)
        actor.policy.load_state_dict(clone.policy.state_dict())
        return ImaginationLearner(actor, clone, config), windows("training"), windows("validation")

    train_stage(
        stage="agent",
        revision=REVISION,
        section=config,
        inputs={**streams, "clone": args.clone},
        output=args.output,
        build=build,
        execution=Execution.from_args(args),
        shapes=shapes,
    )
