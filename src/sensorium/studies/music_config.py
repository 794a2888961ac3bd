"""Settings of the studies of music. Never imports torch."""

from __future__ import annotations

from pydantic import Field, model_validator

from sensorium.config.section import Depth, PlainTraining, Training, Width
from sensorium.studies.study_config import Study

LEAST_SONGS = 4


class MusicNumbersConfig(Study):
    """What the cascade of earlier work learns by its own objective, and by the right answer."""

    seeds: int = Field(4, ge=2, description="repetitions, each with other songs and weights")
    seed: int = Field(10, ge=0, description="first seed; settings were chosen on 0 and 1")
    songs: int = Field(96, ge=LEAST_SONGS, description="songs of two bars that it learns from")
    tested: int = Field(24, ge=LEAST_SONGS, description="songs that it is judged on, in pairs")
    seconds: float = Field(2.0, ge=0.5, le=4, description="length of the windows in training")
    layers: Depth = Field(1, ge=1, description="of each of its two stages; its own had 6")
    points: int = Field(5, ge=2, le=100, description="moments of the training at which it is judged")
    training: PlainTraining = Training(steps=100, batch=6, lr=2e-4, warmup=5)

    @model_validator(mode="after")
    def _points_fit(self) -> MusicNumbersConfig:
        if self.points > self.training.steps + 1:
            raise ValueError(f"points is {self.points}, training.steps {self.training.steps}: lower points")
        return self


class MusicCodesConfig(Study):
    """Codes of rhythm and of harmony: what linear probes find in them, and what changes when one is exchanged."""

    seeds: int = Field(4, ge=2, description="repetitions, each with other songs and weights")
    seed: int = Field(10, ge=0, description="first seed; settings were chosen on 0 and 1")
    songs: int = Field(96, ge=LEAST_SONGS, description="songs of two bars that it learns from")
    tested: int = Field(24, ge=LEAST_SONGS, description="songs that it is judged on, in pairs")
    seconds: float = Field(2.0, ge=0.5, le=4, description="length of the windows in training")
    dim: Width = Field(96, ge=8, description="width of the composer")
    supervision: float = Field(0.3, ge=0, description="weight of the probes in training")
    training: PlainTraining = Training(steps=400, batch=6, lr=2e-3, warmup=10)

    @model_validator(mode="after")
    def _heads_divide(self) -> MusicCodesConfig:
        if self.dim % 8:
            raise ValueError(f"dim is {self.dim}: it must be a multiple of 8, for four attention heads")
        return self
