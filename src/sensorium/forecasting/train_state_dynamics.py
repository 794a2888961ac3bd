"""Train the state dynamics, which predict the next world states from earlier ones and the actions."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.windows import Windows
from sensorium.forecasting.config import StateDynamicsConfig
from sensorium.forecasting.state_dynamics_learner import StateDynamicsLearner
from sensorium.models.parts import Parts
from sensorium.perception.embed import EmbeddedRecordings, embed_recording, fuse
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.fusion import Fusion
from sensorium.progress import track
from sensorium.training.execution import Execution, add_training_arguments
from sensorium.training.stage import train_stage

REVISION = 1
SPLITS: tuple[Split, ...] = ("training", "validation")


def embed(
    recordings: RecordingSet, vision: VisionEncoder, audio: AudioEncoder, fusion: Fusion, device: torch.device
) -> EmbeddedRecordings:
    """World states and, if there are any, actions of the training and validation recordings."""
    vision, audio, fusion = vision.to(device), audio.to(device), fusion.to(device)
    embedded = {}
    names = [name for split in SPLITS for name in recordings.names(split)]
    for name in track(names, "recordings embedded"):
        embedded[name] = {"state": fuse(fusion, embed_recording(recordings, name, vision, audio, device), device)}
        if recordings.has("action"):
            embedded[name]["action"] = np.array(recordings.field(name, "action"))
    return EmbeddedRecordings(recordings, embedded)


def describe(learner: StateDynamicsLearner, embedded: RecordingSet) -> None:
    """Set mean, variance and frame-to-frame change of world states from the training recordings."""
    states = [torch.from_numpy(embedded.field(name, "state")).double() for name in embedded.names("training")]
    frames = sum(len(part) for part in states)
    mean = torch.stack([part.sum(0) for part in states]).sum(0) / frames
    variance = torch.stack([(part - mean).square().sum() for part in states]).sum() / (frames * len(mean))
    change = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for part in states:
        change += part.diff(dim=0).T @ part.diff(dim=0) / (frames - len(states))
    learner.dynamics.describe(mean, change, variance)


def main(argv: list[str]) -> None:
    """Run `sensorium train-state-dynamics`."""
    parser = argparse.ArgumentParser(prog="sensorium train-state-dynamics", description=__doc__)
    parser.add_argument("--config", required=True, help="section state_dynamics, as JSON")
    parser.add_argument("--data", type=Path, required=True, help="manifest of the recordings")
    parser.add_argument("--vision", type=Path, required=True, help="manifest of the vision encoder")
    parser.add_argument("--audio", type=Path, required=True, help="manifest of the audio encoder")
    parser.add_argument("--fusion", type=Path, required=True, help="manifest of the fusion")
    parser.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    section = parse_section(StateDynamicsConfig, args.config)
    execution = Execution.from_args(args)
    recordings = RecordingSet.open(args.data)
    parts = Parts(
        {"data": args.data, "encoders/vision": args.vision, "encoders/audio": args.audio, "fusion": args.fusion}
    )
    parts.use("data")
    vision, audio, fusion = parts.load(VisionEncoder), parts.load(AudioEncoder), parts.load(Fusion)
    shapes = {"state": len(fusion.norm.weight), "action": recordings.details["action"]}

    def build() -> tuple[StateDynamicsLearner, Windows, Windows]:
        learner = StateDynamicsLearner(section, shapes)
        embedded = embed(recordings, vision, audio, fusion, execution.prepare())
        describe(learner, embedded)
        fields = ("state", "action") if recordings.has("action") else ("state",)
        frames = section.context + section.horizon
        return learner, Windows(embedded, "training", fields, frames), Windows(embedded, "validation", fields, frames)

    train_stage(
        stage="state_dynamics",
        revision=REVISION,
        section=section,
        inputs={"data": args.data, "vision": args.vision, "audio": args.audio, "fusion": args.fusion},
        output=args.output,
        build=build,
        execution=execution,
        shapes=shapes,
    )
