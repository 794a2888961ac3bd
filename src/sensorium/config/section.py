"""What every section of the configuration is, and the one that every training has."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class ConfigurationError(ValueError):
    """A configuration that cannot run: the message names the key, the value and what is allowed."""

    exit_code = 78


class Section(BaseModel):
    """A frozen part of the configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        for key in set(values) - set(cls.model_fields) if isinstance(values, dict) else ():
            raise ValueError(f"{key} = {values[key]!r}: no such key; allowed here: {', '.join(cls.model_fields)}")
        return values


class Training(Section):
    """The optimisation of one stage (AdamW, Muon where asked for, linear warm-up, cosine decay)."""

    steps: int = Field(1000, ge=1, description="optimiser steps")
    batch: int = Field(64, ge=2, description="global batch, in windows; never depends on the device")
    lr: float = Field(1e-3, gt=0, le=1, description="peak learning rate")
    muon: float = Field(
        0.0, ge=0, description="rate of Muon in units of lr, for matrices of transformer blocks; 0: AdamW for all"
    )
    final_lr: float = Field(0.05, ge=0, le=1, description="last learning rate, as a fraction of lr")
    warmup: int = Field(50, ge=0, description="steps of linear warm-up")
    weight_decay: float = Field(0.01, ge=0, description="decoupled weight decay on matrices and kernels")
    clip: float = Field(1.0, gt=0, description="largest gradient norm")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the weight average that is exported; 0: none")
    seed: int = Field(0, ge=0, description="seed of initial weights, data order, augmentation and noise")

    @model_validator(mode="after")
    def _warmup_fits(self) -> Training:
        if self.warmup >= self.steps:
            raise ValueError(f"warmup is {self.warmup}, steps {self.steps}: warmup must be below steps")
        return self


def without_muon(training: Training) -> Training:
    """The optimisation of something that has no transformer blocks.

    Raises:
        ValueError: if Muon is asked for.
    """
    if training.muon:
        raise ValueError(f"muon is {training.muon}: there are no transformer blocks here; set it to 0")
    return training


PlainTraining = Annotated[Training, AfterValidator(without_muon)]
