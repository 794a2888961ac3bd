"""Settings of the tokenizers of pictures and of sound."""

from __future__ import annotations

import math
import os
from typing import Literal

from pydantic import Field, model_validator

from sensorium.config import (
    TOKENIZER_STRIDE,
    ConfigurationError,
    Depth,
    PlainTraining,
    Section,
    Training,
    Transformer,
    Width,
    without_muon,
)
from sensorium.config.sound import check_fixed_bands, hop_of

BESIDE_BANDS = 2  # numbers of a token beside the levels of bands: the level of its part, and the onset
SMALLEST_RANK = 4.0  # of a frame's tokens, by a gate of the tokenizer


class TransformerTokenizerConfig(Transformer):
    """With kind transformer: block-causal transformer over clips, trained as a masked autoencoder."""

    dim: Width = Field(96, ge=8, description="width of every token")
    layers: Depth = Field(3, ge=1, description="transformer layers of the encoder, and of the decoder")
    patch: Width = Field(8, ge=2, description="height and width of a patch, in pixels")
    time_every: int = Field(3, ge=1, description="every n-th layer attends over time, the others over space")
    frames: int = Field(2, ge=1, description="frames in a training clip; also the context length of layers over time")
    mask: float = Field(0.9, ge=0, lt=1, description="largest share of a frame's patches that is masked in training")
    mask_warmup: int = Field(200, ge=0, description="steps over which the largest share grows to `mask`")

    @property
    def over_time(self) -> list[bool]:
        """Which layers attend over time."""
        return [(layer + 1) % self.time_every == 0 for layer in range(self.layers)]

    @property
    def past(self) -> int:
        """Frames before a frame that its tokens, or its picture, depend on."""
        return sum(self.over_time) * (self.frames - 1)

    def check_size(self, size: int) -> None:
        """Refuse frames of a height and width that patches do not fill.

        Raises:
            ConfigurationError: naming the patch.
        """
        if size % self.patch:
            raise ConfigurationError(f"transformer.patch is {self.patch}: size ({size}) must be a multiple of it")


class VideoTokenizerConfig(Section):
    """Video tokenizer: each frame becomes a grid of continuous tokens."""

    kind: Literal["convolutional", "transformer", "patches"] = Field(
        "convolutional",
        description="convolutional: on single frames; transformer: on clips; patches: pixels, fitted and lossless",
    )
    width: Width = Field(
        32,
        ge=4,
        description="with kind convolutional: channels of the first convolution; doubled whenever resolution halves",
    )
    transformer: TransformerTokenizerConfig = TransformerTokenizerConfig()
    channels: Width = Field(
        16, ge=1, description="channels of each token; with kind patches 3 P^2, of patches of P x P pixels"
    )
    perceptual_weight: float = Field(
        0.2, ge=0, description="weight of the perceptual loss relative to the squared error"
    )
    lpips: str | None = Field(
        None,
        description="safetensors file of LPIPS weights (docs/data.md) for the perceptual loss; null: error of edges",
    )
    training: Training = Training(steps=1500, batch=64, lr=2e-3)

    def check(self) -> None:
        """Refuse weights that are not there.

        Raises:
            ConfigurationError: naming the file.
        """
        if self.lpips and not os.path.isfile(self.lpips):
            raise ConfigurationError(f"lpips = {self.lpips!r}: no such file; docs/data.md says how to make it")

    @model_validator(mode="after")
    def _convolutions_fit(self) -> VideoTokenizerConfig:
        if self.kind == "convolutional":
            without_muon(self.training)
        if self.kind == "convolutional" and self.width % 4:
            raise ValueError(f"width is {self.width}: it must be a multiple of 4, the groups of the normalisation")
        if self.kind == "patches" and self.channels != 3 * self.side**2:
            raise ValueError(
                f"channels is {self.channels}: with kind patches it must be 3 times a square, for example 12 or 48"
            )
        return self

    @property
    def side(self) -> int:
        """Height and width of a patch, with kind patches."""
        return math.isqrt(self.channels // 3)

    @property
    def pixels(self) -> int:
        """Rows and columns of pixels in a token whose channels are its pixels; 1 for learned tokens."""
        return self.side if self.kind == "patches" else 1

    @property
    def frames(self) -> int:
        """Frames of a training clip; 1 for a tokenizer of single frames."""
        return self.transformer.frames if self.kind == "transformer" else 1

    @property
    def past(self) -> int:
        """Frames before a frame that its tokens, or its picture, depend on."""
        return self.transformer.past if self.kind == "transformer" else 0

    def tokens(self, size: int) -> int:
        """Tokens of a frame of a height and width of `size` pixels."""
        return (size // (self.side if self.kind == "patches" else TOKENIZER_STRIDE)) ** 2

    def check_size(self, size: int) -> None:
        """Refuse frames of a height and width that cannot be tokenized.

        Raises:
            ConfigurationError: naming the patch, or the channels.
        """
        if self.kind == "transformer":
            self.transformer.check_size(size)
        if self.kind == "patches" and size % self.side:
            raise ConfigurationError(
                f"video.channels is {self.channels}: size ({size}) must be a multiple of {self.side}, a patch's side"
            )
        if (numbers := self.tokens(size) * self.channels) <= SMALLEST_RANK:
            raise ConfigurationError(
                f"video.channels is {self.channels}: the tokens of a frame (size {size}) hold {numbers} numbers; they "
                f"must hold more than {SMALLEST_RANK:g}"
            )


class AudioTokenizerConfig(Section):
    """Causal sound tokenizer: the sound of each frame becomes a few bounded continuous tokens."""

    kind: Literal["learned", "bands"] = Field(
        "learned",
        description="learned: convolutional autoencoder; bands: levels of fixed bands, fitted and decoded without it",
    )
    tokens: Width = Field(4, ge=1, description="tokens for each frame; each covers an equal part of the frame's time")
    channels: Width = Field(16, ge=1, description="channels of each token; must equal tokenizers.video.channels")
    width: Width = Field(96, ge=4, description="with kind learned: channels of the convolutions")
    layers: int = Field(
        3,
        ge=1,
        le=16,
        description="with kind learned: residual layers of the encoder, and of the decoder; each doubles the dilation",
    )
    kernel: int = Field(
        5, ge=1, le=1024, description="with kind learned: kernel length of the convolutions, in columns"
    )
    bands: Width = Field(
        48,
        ge=8,
        description="with kind bands: bands of the spectrum of a frame; a multiple of tokens, which share them",
    )
    frames: int = Field(8, ge=1, description="frames in each window of training and of the gates")
    wave_weight: float = Field(
        4.0, ge=0, description="with kind learned: weight of the waveform error relative to the spectral error"
    )
    training: PlainTraining = Training(steps=800, batch=12, lr=5e-3)

    @model_validator(mode="after")
    def _bands_fit(self) -> AudioTokenizerConfig:
        if self.kind == "bands":
            each, rest = divmod(self.bands, self.tokens)
            if rest:
                raise ValueError(f"bands is {self.bands}: it must be a multiple of tokens ({self.tokens})")
            if each + BESIDE_BANDS > self.channels:
                raise ValueError(
                    f"bands is {self.bands}: a token holds {each} of them, its own level and the onset, "
                    f"{each + BESIDE_BANDS} numbers, and channels is {self.channels}; take fewer bands, or more tokens"
                )
        return self

    def check_samples(self, samples_per_frame: int) -> None:
        """Refuse frames that cannot be divided into tokens.

        Raises:
            ConfigurationError: naming the setting.
        """
        if self.kind == "learned":
            hop_of(self.tokens, samples_per_frame)
        else:
            check_fixed_bands(self.bands, self.tokens, samples_per_frame)


class Tokenizers(Section):
    """One tokenizer for each stream that the dynamics predict."""

    video: VideoTokenizerConfig = VideoTokenizerConfig()
    audio: AudioTokenizerConfig = AudioTokenizerConfig()

    @model_validator(mode="after")
    def _channels_agree(self) -> Tokenizers:
        if self.audio.channels != self.video.channels:
            raise ValueError(
                f"audio.channels is {self.audio.channels}: it must be video.channels ({self.video.channels}), "
                "because the dynamics predict both in one sequence"
            )
        return self
