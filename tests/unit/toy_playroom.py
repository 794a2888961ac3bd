"""A small playroom and an ear that was taught, with labels, to tell what is struck: for evaluations of bodies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from toy_perception import AUDIO, VISION
from toy_world import ENCODER_SHAPES, SIZE, SOUND_SHAPES, fit, write_model

from sensorium.artifacts import write_manifest
from sensorium.config import PlayroomConfig, canonical_json
from sensorium.data.recording import KIND, RecordingSet, write_shard
from sensorium.data.sample_formats import to_sounds
from sensorium.data.sources import playroom
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.impacts import draw_impacts

SPLITS = ["training"] * 90 + ["validation"] * 2 + ["test"] * 50
CONFIG = PlayroomConfig(recordings=len(SPLITS), frames=48, size=SIZE, max_bodies=2)


class ToyPlayroom:
    """Manifests of recordings and of two encoders; the eye never learned anything."""

    def __init__(self, folder: Path, config: PlayroomConfig = CONFIG) -> None:
        torch.manual_seed(0)
        recordings = {f"room-{number:03d}": playroom.simulate(config, number) for number in range(len(SPLITS))}
        shard = folder / "data/shard-0000.safetensors"
        shard.parent.mkdir()
        write_shard(shard, recordings)
        entries = [
            {"name": name, "number": number, "shard": "shard-0000", "split": split, "frames": config.frames}
            for number, (name, split) in enumerate(zip(recordings, SPLITS, strict=True))
        ]
        details = {**playroom.details(config), "quarantine": [], "recordings": entries}
        write_manifest(
            folder / "data",
            kind=KIND,
            section_json=canonical_json(config),
            inputs={},
            files={"shard-0000": shard},
            details=details,
        )
        self.data = folder / "data/manifest.json"
        self.recordings = RecordingSet.open(self.data)
        self.vision = write_model(
            folder / "vision", VisionEncoder(VISION, ENCODER_SHAPES), "encoder_vision", VISION, ENCODER_SHAPES
        )
        self.audio = write_model(folder / "audio", self._ear(), "encoder_audio", AUDIO, SOUND_SHAPES)

    def _ear(self) -> nn.Module:
        impacts = draw_impacts(self.recordings, "training", 2, 2, 2000, np.random.default_rng(0))
        parts = zip(impacts.groups, impacts.start, strict=True)
        sounds = np.stack([self.recordings.field(n, "audio")[1000 * (f - 2) : 1000 * (f + 3)] for n, f in parts])
        heard, material = to_sounds(torch.from_numpy(sounds)), torch.from_numpy(impacts["material"])
        size = torch.from_numpy((impacts["size"] - impacts["size"].mean()) / impacts["size"].std()).float()
        ear, head = AudioEncoder(AUDIO, SOUND_SHAPES), nn.Linear(AUDIO.dim, 5)
        rng = np.random.default_rng(0)

        def loss(step: int) -> torch.Tensor:
            rows = torch.from_numpy(rng.integers(0, len(heard), 32))
            answer = head(ear(heard[rows])[:, 2])  # of the frame of the strike
            return F.cross_entropy(answer[:, :4], material[rows]) + F.mse_loss(answer[:, 4], size[rows])

        fit([ear, head], 400, loss)
        return ear
