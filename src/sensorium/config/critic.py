"""Settings of critics: what they see, and what is asked of both players."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from sensorium.config.section import Section, Width

ADVERSARIAL_LOSSES = Literal["least_squares", "hinge", "relativistic"]
SMALLEST_FFT, LARGEST_FFT = 32, 2**14


class RivalryConfig(Section):
    """What a model and its critic ask of each other."""

    objective: ADVERSARIAL_LOSSES = Field("least_squares", description="the loss of both players")
    weight: float = Field(1.0, ge=0, description="of the critic's judgement in the model's loss")
    matching: float = Field(
        2.0, ge=0, description="weight of the distance of the critic's features in the model's loss"
    )
    penalty: float = Field(
        0.0, ge=0, description="weight of the critic's squared slope at real and at made samples (R1, R2); 0: none"
    )
    penalty_every: int = Field(8, ge=1, description="the slope is taken in one of so many steps, and weighs as much")
    start: int = Field(0, ge=0, description="step from which on the model listens to the critic")
    ramp: int = Field(0, ge=0, description="steps from then on until it listens in full")

    @model_validator(mode="after")
    def _model_listens(self) -> RivalryConfig:
        if not self.weight + self.matching:
            raise ValueError("weight and matching are both 0: the model would not listen to its critic; raise one")
        return self


class SoundCriticConfig(RivalryConfig):
    """A critic of sounds, which sees their spectra at several resolutions, and what it asks of the model."""

    channels: Width = Field(8, ge=1, description="channels of each layer")
    ffts: tuple[int, ...] = Field((1024, 256), description="samples a window of each spectrum, powers of two")

    @field_validator("ffts")
    @classmethod
    def _windows(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if not sizes or any(not SMALLEST_FFT <= n <= LARGEST_FFT or n.bit_count() > 1 for n in sizes):
            raise ValueError(f"{sizes}: name powers of two between {SMALLEST_FFT} and {LARGEST_FFT}, at least one")
        return sizes
