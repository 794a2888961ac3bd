"""Train the fusion of the senses on embeddings of the frozen encoders, made once and kept in memory."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from sensorium.config import AudioEncoderConfig, FusionConfig, VisionEncoderConfig, parse_section
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.windows import Windows
from sensorium.models.encoders import AudioEncoder, VisionEncoder
from sensorium.models.load import load_model
from sensorium.objectives.alignment import FIELDS, FusionLearner
from sensorium.training.execution import Execution, add_arguments
from sensorium.training.stage import train_stage

REVISION = 1
SPLITS: tuple[Split, ...] = ("training", "validation")
IMAGES_A_PASS = 512


class EmbeddedRecordings(RecordingSet):
    """Recordings whose pictures and sounds are replaced by embeddings, a function of recordings and encoders."""

    def __init__(self, source: RecordingSet, embedded: dict[str, dict[str, np.ndarray]]) -> None:
        self.manifest, self.details = source.manifest, source.details
        self._entries = {entry["name"]: entry for entry in source.details["recordings"] if entry["name"] in embedded}
        self._recordings = embedded

    def __reduce__(self) -> tuple[object, ...]:
        return object.__new__, (EmbeddedRecordings,), self.__dict__


@torch.no_grad()
def embed_recordings(
    recordings: RecordingSet, vision: VisionEncoder, audio: AudioEncoder, device: torch.device
) -> EmbeddedRecordings:
    """Training and validation recordings with vision_embedding and audio_embedding float32 [T, dim], body if any."""
    vision, audio = vision.to(device), audio.to(device)
    embedded = {}
    for name in (name for split in SPLITS for name in recordings.names(split)):
        video = torch.from_numpy(np.array(recordings.field(name, "video")))
        seen = [
            vision.grid(images.to(device).permute(0, 3, 1, 2).float() / 255).cpu()
            for images in video.split(IMAGES_A_PASS)
        ]
        sound = torch.from_numpy(np.array(recordings.field(name, "audio"))).to(device)
        fields = {
            "vision_embedding": torch.cat(seen).numpy(),
            "audio_embedding": audio(sound[None].float() / 32768)[0].cpu().numpy(),
        }
        if recordings.details["body"]:
            fields["body"] = recordings.field(name, "body")
        embedded[name] = fields
    return EmbeddedRecordings(recordings, embedded)


def calibrate(learner: FusionLearner, embedded: RecordingSet) -> None:
    """Give the fusion mean and deviation of every sense over the training recordings."""
    for sense in learner.fusion.widths:
        values = np.concatenate([embedded.field(name, FIELDS[sense]) for name in embedded.names("training")])
        mean, deviation = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
        learner.fusion.calibrate(sense, torch.from_numpy(mean).float(), torch.from_numpy(deviation).float())


def main(argv: list[str]) -> None:
    """Run `sensorium train-fusion`."""
    parser = argparse.ArgumentParser(prog="sensorium train-fusion", description=__doc__)
    parser.add_argument("--config", required=True, help="section fusion, as JSON")
    parser.add_argument("--data", type=Path, required=True, help="manifest of the recordings")
    parser.add_argument("--vision", type=Path, required=True, help="manifest of the vision encoder")
    parser.add_argument("--audio", type=Path, required=True, help="manifest of the audio encoder")
    parser.add_argument("--output", type=Path, required=True, help="folder of the fusion")
    add_arguments(parser)
    args = parser.parse_args(argv)
    section = parse_section(FusionConfig, args.config)
    execution = Execution.from_args(args)
    recordings = RecordingSet.open(args.data)
    vision = load_model(VisionEncoder, VisionEncoderConfig, args.vision, "encoder_vision")
    audio = load_model(AudioEncoder, AudioEncoderConfig, args.audio, "encoder_audio")
    shapes = {
        "vision": vision.head.in_features,
        "audio": audio.head.out_features,
        "body": int(recordings.details["body"]),
    }

    def build() -> tuple[FusionLearner, Windows, Windows]:
        learner = FusionLearner(section, shapes)
        embedded = embed_recordings(recordings, vision, audio, execution.prepare())
        calibrate(learner, embedded)
        fields = tuple(FIELDS[sense] for sense in learner.fusion.widths)
        frames = section.frames + section.horizon
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
