"""The shape that all transformers share."""

from __future__ import annotations

from pydantic import Field, model_validator

from sensorium.config.section import Depth, Section, Width


class Transformer(Section):
    """The size of a transformer."""

    dim: Width = Field(128, ge=8, description="width of every token")
    layers: Depth = Field(4, ge=1, description="transformer layers")
    heads: Width = Field(4, ge=1, description="attention heads")

    @model_validator(mode="after")
    def _heads_fit(self) -> Transformer:
        if self.dim % (2 * self.heads):  # rotary positions turn pairs of channels
            raise ValueError(f"heads is {self.heads}: dim ({self.dim}) must be a multiple of 2 * heads")
        return self
