"""The base class of all sections, and the section that every training has."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class ConfigurationError(ValueError):
    """A configuration that cannot run: the message names the key, the value and what is allowed."""

    exit_code = 78


class Section(BaseModel):
    """A frozen part of the configuration; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        for key in set(values) - set(cls.model_fields) if isinstance(values, dict) else ():
            raise ValueError(f"{key} = {values[key]!r}: no such key; allowed here: {', '.join(cls.model_fields)}")
        return values


class Training(Section):
    """Optimisation of one training: AdamW or Muon, linear warm-up, cosine decay."""

    steps: int = Field(1000, ge=1, description="optimiser steps")
    batch: int = Field(64, ge=2, description="global batch, in windows; the same on every device")
    lr: float = Field(1e-3, gt=0, le=1, description="peak learning rate")
    muon: float = Field(
        0.0,
        ge=0,
        description="Muon's learning rate in units of lr, for matrices of transformer blocks; 0: AdamW for all",
    )
    final_lr: float = Field(0.05, ge=0, le=1, description="learning rate at the end, as a fraction of lr")
    warmup: int = Field(50, ge=0, description="steps of linear warm-up")
    weight_decay: float = Field(0.01, ge=0, description="decoupled weight decay on matrices and kernels")
    clip: float = Field(1.0, gt=0, description="gradient norm above which gradients are scaled down")
    ema: float = Field(
        0.0, ge=0, lt=1, description="decay of the moving average of weights that is exported; 0: no average"
    )
    seed: int = Field(0, ge=0, description="seed of initial weights, data order, augmentation and noise")

    @model_validator(mode="after")
    def _warmup_fits(self) -> Training:
        if self.warmup >= self.steps:
            raise ValueError(f"warmup is {self.warmup}, steps {self.steps}: warmup must be below steps")
        return self


def without_muon(training: Training) -> Training:
    """Return the training of a model without transformer blocks unchanged.

    Raises:
        ValueError: if it uses Muon.
    """
    if training.muon:
        raise ValueError(f"muon is {training.muon}: there are no transformer blocks here; set it to 0")
    return training


PlainTraining = Annotated[Training, AfterValidator(without_muon)]
