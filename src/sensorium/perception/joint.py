"""Encoders and fusion as one model, trained end to end: pictures, sounds and body to the world state.

Layouts: B batch, T frames, H and W pixels, S samples of sound, D width of the state.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from sensorium.models.load import Loadable
from sensorium.perception.config import AudioEncoderConfig, FinetuneConfig, FusionConfig, VisionEncoderConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.fusion import Fusion


class Joint(Loadable):
    """Vision encoder, audio encoder and fusion.

    Args:
        config: of the joint stage; it changes nothing of the shape.
        shapes: for each of vision, audio and fusion the "config" and the "shapes" that it was made with.
    """

    Config = FinetuneConfig
    kind = "finetuned"

    def __init__(self, config: FinetuneConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        vision, audio, fusion = (shapes[name] for name in ("vision", "audio", "fusion"))
        self.vision = VisionEncoder(VisionEncoderConfig.model_validate(vision["config"]), vision["shapes"])
        self.audio = AudioEncoder(AudioEncoderConfig.model_validate(audio["config"]), audio["shapes"])
        self.fusion_config = FusionConfig.model_validate(fusion["config"])
        self.fusion = Fusion(self.fusion_config, fusion["shapes"])

    def see(self, video: Tensor) -> Tensor:
        """The vision encoder's grid of each picture: float [B, T, 3, H, W] in [0, 1] -> [B, T, width]."""
        return self.vision.grid(video.flatten(0, 1)).unflatten(0, video.shape[:2])

    def hear(self, sounds: Tensor) -> Tensor:
        """The audio encoder's embedding of each frame: float [B, S] in [-1, 1] -> [B, T, width]."""
        heard: Tensor = self.audio(sounds)
        return heard

    def forward(self, video: Tensor, sounds: Tensor, body: Tensor | None = None) -> Tensor:
        """World state of every frame, [B, T, D]."""
        states: Tensor = self.fusion(self.see(video), self.hear(sounds), body)
        return states
