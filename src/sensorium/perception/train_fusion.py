"""Train the fusion of the senses on embeddings of frozen encoders, which are computed once and kept in memory."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.windows import Windows
from sensorium.models.parts import Parts
from sensorium.perception.config import FusionConfig
from sensorium.perception.embed import EmbeddedRecordings, embed_recording
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.fusion import Fusion
from sensorium.perception.fusion_learner import FIELDS, FusionLearner, PredictionHeads
from sensorium.progress import track
from sensorium.training.execution import Execution, add_training_arguments
from sensorium.training.stage import train_stage

REVISION = 5
SPLITS: tuple[Split, ...] = ("training", "validation")
SMALLEST_CHANGE = 1e-3  # in units of the sense's std; prevents a division by 0 where nothing changes


def embed(
    recordings: RecordingSet, vision: VisionEncoder, audio: AudioEncoder, device: torch.device
) -> EmbeddedRecordings:
    """Embeddings of the training and validation recordings, with the fields that the learner reads."""
    vision, audio = vision.to(device), audio.to(device)
    embedded = {}
    names = [name for split in SPLITS for name in recordings.names(split)]
    for name in track(names, "recordings embedded"):
        senses = embed_recording(recordings, name, vision, audio, device)
        embedded[name] = {FIELDS[sense]: values for sense, values in senses.items()}
    return EmbeddedRecordings(recordings, embedded)


def calibrate(learner: FusionLearner, embedded: RecordingSet) -> None:
    """Set the calibration of every sense and the size of its changes from the training recordings."""
    fusion, names = learner.fusion, embedded.names("training")
    for sense in fusion.widths:
        values = [torch.from_numpy(np.asarray(embedded.field(name, FIELDS[sense]))) for name in names]
        frames = sum(len(part) for part in values)
        mean = torch.stack([part.double().sum(0) for part in values]).sum(0) / frames
        covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
        for part in values:
            covariance += (part - mean).T @ (part - mean) / frames
        fusion.calibrate(sense, mean, covariance)
    measure_changes(learner.prediction_heads, fusion, embedded)


def measure_changes(heads: PredictionHeads, fusion: Fusion, embedded: RecordingSet) -> None:
    """Set the root mean square change of every calibrated sense over each offset from the training recordings."""
    for number, sense in enumerate(fusion.widths):
        calibrated = [
            fusion.calibrated(sense, torch.from_numpy(np.asarray(embedded.field(name, FIELDS[sense]))))
            for name in embedded.names("training")
        ]
        for index, offset in enumerate(heads.config.offsets):
            lag = abs(offset)
            squares = torch.cat([(part[lag:] - part[:-lag]).square().mean(1) for part in calibrated])
            heads.change[number, index] = squares.mean().sqrt().clamp(min=SMALLEST_CHANGE)


def main(argv: list[str]) -> None:
    """Run `sensorium train-fusion`."""
    parser = argparse.ArgumentParser(prog="sensorium train-fusion", description=__doc__)
    parser.add_argument("--config", required=True, help="section fusion, as JSON")
    parser.add_argument("--data", type=Path, required=True, help="manifest of the recordings")
    parser.add_argument("--vision", type=Path, required=True, help="manifest of the vision encoder")
    parser.add_argument("--audio", type=Path, required=True, help="manifest of the audio encoder")
    parser.add_argument("--output", type=Path, required=True, help="folder of the fusion")
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    section = parse_section(FusionConfig, args.config)
    execution = Execution.from_args(args)
    recordings = RecordingSet.open(args.data)
    parts = Parts({"data": args.data, "encoders/vision": args.vision, "encoders/audio": args.audio})
    parts.use("data")
    vision, audio = parts.load(VisionEncoder), parts.load(AudioEncoder)
    shapes = {
        "vision": vision.head.in_features,
        "audio": audio.head.out_features,
        "body": int(recordings.details["body"]),
    }

    def build() -> tuple[FusionLearner, Windows, Windows]:
        learner = FusionLearner(section, shapes)
        embedded = embed(recordings, vision, audio, execution.prepare())
        calibrate(learner, embedded)
        fields = tuple(FIELDS[sense] for sense in learner.fusion.widths)
        frames = section.frames + max(section.offsets)
        return (
            learner,
            Windows(embedded, "training", fields, frames),
            Windows(embedded, "validation", fields, frames),
        )

    train_stage(
        stage="fusion",
        revision=REVISION,
        section=section,
        inputs={"data": args.data, "vision": args.vision, "audio": args.audio},
        output=args.output,
        build=build,
        execution=execution,
        shapes=shapes,
    )
