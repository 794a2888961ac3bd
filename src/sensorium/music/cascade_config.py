"""Settings of the cascade, which combines two songs in latents. Never imports torch."""

from __future__ import annotations

from pydantic import Field

from sensorium.config import Depth, Training, Transformer, Width

LEAST_CASCADE_SECONDS = 0.5  # of a window


class CascadeConfig(Transformer):
    """The cascade: what is taken of either song, in latents, in two stages."""

    dim: Width = Field(112, ge=8, description="width of a moment")
    layers: Depth = Field(2, ge=1, description="transformer layers of each of the two stages")
    reach: int = Field(40, ge=1, le=10_000, description="moments (75 a second) to either side that a layer sees")
    seconds: float = Field(1.5, ge=LEAST_CASCADE_SECONDS, le=60, description="length of the windows in training")
    gain: float = Field(6.0, ge=0, le=40, description="largest change of loudness of a stem in training, in decibels")
    training: Training = Training(steps=1000, batch=8, lr=2e-3, warmup=20)
