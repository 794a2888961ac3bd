"""The base class of all sections, and the section that every training has."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

LARGEST = 2**31 - 1  # of a whole number
LARGEST_SEED = 2**63 - 1  # torch takes no more
LARGEST_FLOAT = 3.4e38  # more is infinite in float32

Width = Annotated[int, Field(le=2**16)]  # channels, bands, tokens: a layer of more does not fit into any memory
Depth = Annotated[int, Field(le=2**10)]  # layers


class ConfigurationError(ValueError):
    """A configuration that cannot run: the message names the key, the value and what is allowed."""

    exit_code = 78


class Section(BaseModel):
    """A frozen part of the configuration; an unknown key is an error, and so is a number that is not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        for key in set(values) - set(cls.model_fields) if isinstance(values, dict) else ():
            raise ValueError(f"{key} = {values[key]!r}: no such key; allowed here: {', '.join(cls.model_fields)}")
        return values

    @field_validator("*")
    @classmethod
    def _numbers_are_bounded(cls, value: Any, field: ValidationInfo) -> Any:
        whole = LARGEST_SEED if field.field_name == "seed" else LARGEST
        for number in value if isinstance(value, tuple) else (value,):
            largest = LARGEST_FLOAT if isinstance(number, float) else whole
            if isinstance(number, int | float) and abs(number) > largest:
                raise PydanticCustomError("too_large", "Input should be at most {largest}", {"largest": largest})
        return value


class Training(Section):
    """Optimisation of one training: AdamW or Muon, linear warm-up, cosine decay."""

    steps: int = Field(1000, ge=1, description="optimiser steps")
    batch: int = Field(64, ge=2, le=2**20, description="global batch, in windows; the same on every device")
    lr: float = Field(1e-3, gt=0, le=1, description="peak learning rate")
    muon: float = Field(
        0.0,
        ge=0,
        description="Muon's learning rate in units of lr, for matrices of transformer blocks; 0: AdamW for all",
    )
    final_lr: float = Field(0.05, ge=0, le=1, description="learning rate at the end, as a fraction of lr")
    warmup: int = Field(50, ge=0, description="steps of linear warm-up")
    weight_decay: float = Field(0.01, ge=0, description="decoupled weight decay on matrices and kernels")
    clip: float = Field(1.0, gt=0, description="gradient norm above which gradients are scaled down; 1e9: never")
    ema: float = Field(
        0.0, ge=0, lt=1, description="decay of the moving average of weights that is exported; 0: no average"
    )
    seed: int = Field(0, ge=0, description="seed of initial weights, data order, augmentation and noise")

    @model_validator(mode="after")
    def _warmup_fits(self) -> Training:
        if self.warmup >= self.steps:
            raise ValueError(f"warmup is {self.warmup}, steps {self.steps}: warmup must be below steps")
        return self


class CriticTraining(Section):
    """Optimisation of a critic, which is trained against the model: AdamW, apart from the model's own."""

    lr: float = Field(1e-3, gt=0, le=1, description="peak learning rate; it decays as the model's does")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.8, 0.99), description="decay of the averages of gradient and square, each >= 0 and < 1"
    )
    clip: float = Field(1.0, gt=0, description="norm above which the critic's own gradient is scaled down; 1e9: never")
    warmup: int = Field(0, ge=0, description="steps of linear warm-up, from `start` on")
    start: int = Field(0, ge=0, description="step from which on the critic is trained")
    every: int = Field(1, ge=1, description="the critic makes one of so many steps")


class AdversarialTraining(Training):
    """Optimisation of a model and of the critic that is trained against it, where the stage has one."""

    critic: CriticTraining = CriticTraining()

    @model_validator(mode="after")
    def _critic_is_trained(self) -> AdversarialTraining:
        if self.critic.start + self.critic.warmup >= self.steps:
            raise ValueError(
                f"critic.start is {self.critic.start}, critic.warmup {self.critic.warmup}, steps {self.steps}: "
                "the critic must warm up before the last step; lower critic.start"
            )
        return self


AnyTraining = TypeVar("AnyTraining", bound=Training)


def without_muon(training: AnyTraining) -> AnyTraining:
    """Return the training of a model without transformer blocks unchanged.

    Raises:
        ValueError: if it uses Muon.
    """
    if training.muon:
        raise ValueError(f"muon is {training.muon}: there are no transformer blocks here; set it to 0")
    return training


PlainTraining = Annotated[Training, AfterValidator(without_muon)]
PlainAdversarialTraining = Annotated[AdversarialTraining, AfterValidator(without_muon)]
