"""Encoders and fusion of the toy world, trained with its labels."""

from __future__ import annotations

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from toy_store import shared
from toy_world import ENCODER_SHAPES, SOUND_SHAPES, ToyWorld, fit, write_model

from sensorium.perception.config import AudioEncoderConfig, FusionConfig, VisionEncoderConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.fusion import Fusion

AUDIO = AudioEncoderConfig(width=8, dim=16, mels=24, frames=4)
VISION = VisionEncoderConfig(width=8, dim=32)
FUSION = FusionConfig(dim=32, layers=1, heads=2, frames=8)
PARTS = ("vision", "audio", "fusion")
FUSION_SHAPES = {"vision": 256, "audio": 16, "body": 2}


class ToyPerception:
    """Manifests of the trained models: vision, audio, fusion; and the encoders themselves."""

    def __init__(self, world: ToyWorld) -> None:
        self.world = world
        self.vision, self.audio, self.fusion = (world.folder / part / "manifest.json" for part in PARTS)
        self.encoder = VisionEncoder(VISION, ENCODER_SHAPES)
        self.listener = AudioEncoder(AUDIO, SOUND_SHAPES)
        shared((__name__, "toy_world"), PARTS, world.folder, self._train)
        for model, manifest in ((self.encoder, self.vision), (self.listener, self.audio)):
            model.load_state_dict(load_file(manifest.with_name("model.safetensors")))
            model.eval().requires_grad_(False)

    def _train(self) -> None:
        torch.manual_seed(0)
        self.rng = np.random.default_rng(0)
        folder = self.world.folder
        write_model(folder / "vision", self._vision(), "encoder_vision", VISION, ENCODER_SHAPES)
        write_model(folder / "audio", self._audio(), "encoder_audio", AUDIO, SOUND_SHAPES)
        write_model(
            folder / "fusion", self._fusion(), "fusion", FUSION, FUSION_SHAPES, vision=self.vision, audio=self.audio
        )

    def _vision(self) -> nn.Module:
        self.encoder = VisionEncoder(VISION, ENCODER_SHAPES)
        head = nn.Linear(VISION.dim, 5)

        def loss(step: int) -> Tensor:
            rows, times = self.world.rows(self.rng, 64, 1)
            answer = head(self.encoder(self.world.images[rows, times][:, 0]))
            kind = F.cross_entropy(answer[:, :2], self.world.truth["vision_label"][rows, times][:, 0])
            place_and_light = self.world.truth["state"][rows, times][:, 0, [0, 1, 4]] / torch.tensor([8, 8, 0.5]) - 1
            return kind + 4 * F.mse_loss(answer[:, 2:], place_and_light)

        fit([self.encoder, head], 250, loss)
        return self.encoder

    def _audio(self) -> nn.Module:
        self.listener = AudioEncoder(AUDIO, SOUND_SHAPES)
        head = nn.Linear(AUDIO.dim, 4)

        def loss(step: int) -> Tensor:
            rows = torch.from_numpy(self.rng.integers(0, len(self.world.training), 4))
            answer, label = head(self.listener(self.world.sounds[rows])), self.world.truth["audio_label"][rows]
            light = (answer[..., 3] - self.world.truth["state"][rows, :, 4])[label >= 0]
            return F.cross_entropy(answer[..., :3].flatten(0, 1), label.flatten() + 1) + 4 * light.square().mean()

        fit([self.listener, head], 300, loss)
        return self.listener

    def _fusion(self) -> nn.Module:
        fusion, head = Fusion(FUSION, FUSION_SHAPES), nn.Linear(FUSION.dim, 4)
        with torch.no_grad():
            seen = self.encoder.grid(self.world.images.flatten(0, 1)).unflatten(0, self.world.images.shape[:2])
            heard = self.listener(self.world.sounds)
        for sense, values in (("vision", seen), ("audio", heard), ("body", self.world.body)):
            flat = values.flatten(0, 1)
            fusion.calibrate(sense, flat.mean(0), flat.T.cov())
        wanted = self.world.truth["state"][:, :, :4]
        wanted = (wanted - wanted.mean((0, 1))) / wanted.std((0, 1))

        def loss(step: int) -> Tensor:
            rows, times = self.world.rows(self.rng, 64, FUSION.frames)
            state = head(fusion(seen[rows, times], heard[rows, times], self.world.body[rows, times]))
            scores = fusion.image_embedding(seen[rows, times]) @ fusion.sound_embedding(heard[rows, times]).T / 0.2
            same = torch.arange(64)
            contrast = F.cross_entropy(scores, same) + F.cross_entropy(scores.T, same)
            return F.mse_loss(state, wanted[rows, times]) + contrast

        fit([fusion, head], 200, loss)
        return fusion
