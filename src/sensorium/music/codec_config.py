"""Settings of the codec: sound to 128 latents 75 times a second, to a few bits, and back. Never imports torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from sensorium.config import AdversarialTraining, Depth, PlainAdversarialTraining, Section, Width
from sensorium.config.critic import SoundCriticConfig

LATENTS = 128  # channels of a latent, of every kind
LEAST_CODEC_SECONDS = 0.5  # of a window


@dataclass(frozen=True)
class Preset:
    """What a kind of network fixes.

    Attributes:
        rate: samples a second of its sounds.
        strides: by which each layer divides the rate; their product is the samples of a latent.
    """

    rate: int
    strides: tuple[int, ...]

    @property
    def hop(self) -> int:
        """Samples of a latent."""
        return math.prod(self.strides)


PRESETS = {
    "mdct": Preset(24_000, (320,)),
    "seanet": Preset(24_000, (2, 4, 5, 8)),
    "dac": Preset(44_100, (2, 4, 8, 8)),
}


class CodecQuantiserConfig(Section):
    """What turns latents into codes, numbers from 0 to K - 1 that are written."""

    kind: Literal["none", "fsq", "rvq"] = Field(
        "fsq", description="none: latents stay as they are, and cannot be written"
    )
    channels: int = Field(34, ge=1, le=LATENTS, description="fsq: numbers that are rounded, of each latent")
    levels: int = Field(5, ge=2, le=255, description="fsq: what each of them is rounded to")
    stages: int = Field(8, ge=1, le=64, description="rvq: each codes what those before it left")
    words: int = Field(1024, ge=2, le=2**16, description="rvq: of the codebook of a stage")
    dim: int = Field(16, ge=1, le=LATENTS, description="rvq: numbers of a word")

    @property
    def codes(self) -> int:
        """How many a latent has."""
        return {"none": 0, "fsq": self.channels, "rvq": self.stages}[self.kind]

    @property
    def base(self) -> int:
        """K: each is one of so many."""
        return {"none": 1, "fsq": self.levels, "rvq": self.words}[self.kind]

    @property
    def bits(self) -> int:
        """Bits of a latent, as they are written: a number of `codes` digits in base K."""
        return (self.base**self.codes - 1).bit_length()


class CodecLossShares(Section):
    """Of the gradient at the decoder's output: which share each loss has, whatever its scale."""

    wave: float = Field(0.2, ge=0, le=100, description="of the squared error of the samples, relative to the sound")
    spectra: float = Field(0.3, ge=0, le=100, description="of magnitudes at three resolutions")
    mel: float = Field(0.5, ge=0, le=100, description="of mel bands")

    @model_validator(mode="after")
    def _something_is_learned(self) -> CodecLossShares:
        if not self.wave + self.spectra + self.mel:
            raise ValueError("wave, spectra and mel are all 0: nothing would be learned; raise one")
        return self


class CodecCriticConfig(SoundCriticConfig):
    """A critic of decoded sounds, and what it asks of the codec."""

    weight: float = Field(
        1.0,
        ge=0,
        description="of the critic's judgement: its gradient at the output, in units of all other losses'",
    )
    matching: float = Field(1.0, ge=0, description="of the distance of the critic's features, likewise")


class CodecConfig(Section):
    """The codec."""

    kind: Literal["mdct", "seanet", "dac"] = Field(
        "mdct",
        description="mdct: a cosine transform and residual layers, for CPUs; seanet, dac: strided convolutions of "
        "samples, for GPUs; dac works at 44.1 kHz",
    )
    width: Width = Field(192, ge=8, description="mdct: channels of its layers")
    layers: Depth = Field(4, ge=1, le=8, description="mdct: residual layers of the encoder, and as many of the decoder")
    channels: int = Field(
        32, ge=2, le=256, description="seanet, dac: channels next to the samples; each stride doubles them"
    )
    quantiser: CodecQuantiserConfig = CodecQuantiserConfig()
    shares: CodecLossShares = CodecLossShares()
    critic: CodecCriticConfig | None = Field(
        None, description="a critic of decoded sounds, for GPUs, trained as training.critic says; null: none"
    )
    seconds: float = Field(1.0, ge=LEAST_CODEC_SECONDS, le=60, description="length of the windows in training")
    gain: float = Field(6.0, ge=0, le=40, description="largest change of loudness of a stem in training, in decibels")
    training: PlainAdversarialTraining = AdversarialTraining(steps=6000, batch=2, lr=2e-3, warmup=20)

    @property
    def preset(self) -> Preset:
        """What its kind fixes."""
        return PRESETS[self.kind]


class SoundCodingConfig(Section):
    """What is left of a sound at the bits that were written, beside other codecs."""

    songs: int = Field(40, ge=2, description="test songs at most")
    seconds: float = Field(6.0, ge=LEAST_CODEC_SECONDS, le=600, description="length of each, from the first bar on")
    visqol: bool = Field(True, description="also ViSQOL, an opinion score, if the package visqol-python is installed")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")
