"""Settings of the evaluations of dreams."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sensorium.config import Section

SHARPNESS = "with dynamics.path fine: 1 dreams the mean of what may come, 4 about one of it"


class DreamConfig(Section):
    """Settings that all evaluations of dreams share."""

    windows: int = Field(ge=8, description="windows from test recordings, each dreamed")
    context: int = Field(6, ge=1, description="recorded frames before the dream begins")
    denoising_steps: Literal[1, 2, 4, 8, 16, 32, 64] = Field(4, description="Euler steps for each dreamed frame")
    context_noise: float = Field(
        0.1, ge=0, lt=1, description="share of noise mixed into the frames that the dynamics see"
    )
    stillness: float = Field(
        0.0, ge=0, description="keep a video token if it changes by less than this share of its usual change; 0: off"
    )
    sharpness: float = Field(1.0, gt=0, le=100, description=SHARPNESS)
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class RolloutConfig(DreamConfig):
    """Dreams compared with recordings: PSNR and SSIM over the horizon, and the effect of actions."""

    windows: int = Field(240, ge=8, description="windows from test recordings, each dreamed")
    denoising_steps: Literal[1, 2, 4, 8, 16, 32, 64] = Field(1, description="Euler steps for each dreamed frame")
    horizon: int = Field(16, ge=1, description="dreamed frames")


class UncertaintyConfig(DreamConfig):
    """Several dreams from one context: whether they are what may happen, and few steps dream what many do."""

    windows: int = Field(64, ge=8, description="contexts from test recordings")
    horizon: int = Field(16, ge=1, description="dreamed frames")
    dreams: int = Field(8, ge=3, description="dreams from each context")
    fine_windows: int = Field(32, ge=8, description="contexts that are also dreamed on in 64 steps for each frame")

    @model_validator(mode="after")
    def _some_are_fine(self) -> UncertaintyConfig:
        if self.fine_windows > self.windows:
            raise ValueError(f"fine_windows is {self.fine_windows}: it must not exceed windows ({self.windows})")
        return self


class CounterfactualConfig(DreamConfig):
    """Other actions after the context: whether the dream changes as the simulator does."""

    windows: int = Field(80, ge=8, description="test recordings that are simulated again with other actions")
    horizon: int = Field(8, ge=1, description="dreamed frames")
    dreams: int = Field(4, ge=1, description="dreams for each context and choice of actions; their mean is compared")


class DriftConfig(DreamConfig):
    """Long dreams: whether their pieces still look and move like pieces of recordings."""

    windows: int = Field(32, ge=8, description="long dreams, each from a different test recording")
    denoising_steps: Literal[1, 2, 4, 8, 16, 32, 64] = Field(2, description="Euler steps for each dreamed frame")
    stillness: float = Field(
        0.7, ge=0, description="keep a video token if it changes by less than this share of its usual change; 0: off"
    )
    sharpness: float = Field(4.0, gt=0, le=100, description=SHARPNESS)
    frames: int = Field(64, ge=32, le=10000, description="frames in each dream")
    piece: int = Field(16, ge=8, description="frames in each piece")

    @model_validator(mode="after")
    def _pieces_fit(self) -> DriftConfig:
        if self.frames < 4 * self.piece:
            raise ValueError(f"frames is {self.frames}: it must be at least four pieces of {self.piece}")
        return self


class ControlConfig(DreamConfig):
    """Long dreams under known actions: whether what is steered goes where it would, and the rest lasts."""

    windows: int = Field(24, ge=8, description="long dreams, each from a different test recording")
    denoising_steps: Literal[1, 2, 4, 8, 16, 32, 64] = Field(2, description="Euler steps for each dreamed frame")
    sharpness: float = Field(4.0, gt=0, le=100, description=SHARPNESS)
    frames: int = Field(
        64, ge=1, le=1000, description="frames in each dream, judged after 1, 4, 8, 16, 32 and 64 of them"
    )


class DreamedSoundConfig(DreamConfig):
    """Sound of several dreams from one context: onsets, loudness, agreement with what is seen."""

    windows: int = Field(48, ge=8, description="contexts from test recordings")
    horizon: int = Field(16, ge=1, description="dreamed frames")
    denoising_steps: Literal[1, 2, 4, 8, 16, 32, 64] = Field(2, description="Euler steps for each dreamed frame")
    sharpness: float = Field(2.0, gt=0, le=100, description=SHARPNESS)
    dreams: int = Field(8, ge=2, description="dreams from each context")
