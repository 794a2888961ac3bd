"""Settings of generation: tokenizers, latents, dynamics of tokens, and how dreams are judged."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

from pydantic import Field, model_validator

from sensorium.config import (
    TOKENIZER_STRIDE,
    ConfigurationError,
    Depth,
    LatentsConfig,
    PlainTraining,
    Section,
    Training,
    Transformer,
    Width,
    WorldSettings,
    without_muon,
)
from sensorium.config.counts import recorded
from sensorium.config.sound import check_fixed_bands, hop_of
from sensorium.generation.dream_config import (
    ControlConfig,
    CounterfactualConfig,
    DreamedSoundConfig,
    DriftConfig,
    RolloutConfig,
    UncertaintyConfig,
)

PCA_FRAMES = 1500  # training frames that `reconstruction` fits principal components on
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
    """Video autoencoder: each frame becomes a grid of bounded continuous tokens."""

    kind: Literal["convolutional", "transformer"] = Field(
        "convolutional", description="convolutional: on single frames; transformer: on clips"
    )
    width: Width = Field(
        32,
        ge=4,
        description="with kind convolutional: channels of the first convolution; doubled whenever resolution halves",
    )
    transformer: TransformerTokenizerConfig = TransformerTokenizerConfig()
    channels: Width = Field(16, ge=1, description="channels of each token")
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
        return self

    @property
    def frames(self) -> int:
        """Frames of a training clip; 1 for a tokenizer of single frames."""
        return 1 if self.kind == "convolutional" else self.transformer.frames

    @property
    def past(self) -> int:
        """Frames before a frame that its tokens, or its picture, depend on."""
        return 0 if self.kind == "convolutional" else self.transformer.past

    def check_size(self, size: int) -> None:
        """Refuse frames of a height and width that cannot be tokenized.

        Raises:
            ConfigurationError: naming the patch, or the channels.
        """
        if self.kind == "transformer":
            self.transformer.check_size(size)
        if (numbers := (size // TOKENIZER_STRIDE) ** 2 * self.channels) <= SMALLEST_RANK:
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


class DynamicsConfig(Transformer):
    """Space-time transformer over video and sound tokens, trained by shortcut forcing, conditioned on actions."""

    layers: Depth = Field(4, ge=1, description="transformer layers")
    key_heads: Width = Field(2, ge=1, description="heads of keys and values; each serves heads / key_heads query heads")
    time_every: int = Field(2, ge=1, description="every n-th layer attends over time, the others over space")
    window: int = Field(
        12, ge=2, description="context length of layers over time, in frames, in training and in dreams"
    )
    soft_cap: float = Field(50.0, ge=0, description="soft bound on attention logits; 0: no bound")
    registers: Width = Field(2, ge=0, description="additional learned tokens for each frame")
    frames: int = Field(8, ge=2, description="frames in a short training clip")
    long_frames: int = Field(
        16,
        ge=2,
        description="frames in a long training clip; a window of the batch is one long clip or several short ones",
    )
    long_every: int = Field(4, ge=1, description="every n-th step trains on long clips")
    images: float = Field(0.1, ge=0, lt=1, description="share of windows whose frames are trained as single images")
    bootstrap: float = Field(
        0.25, ge=0, le=1, description="share of windows that train long denoising steps (the shortcut objective)"
    )
    unlabelled: float = Field(0.1, ge=0, lt=1, description="probability that a window is trained without its actions")
    dreamed: float = Field(
        0.25, ge=0, le=1, description="probability that half of a window's context is the model's own prediction"
    )
    training: Training = Training(steps=2100, batch=4, lr=1e-3, muon=3.0, ema=0.995)

    @model_validator(mode="after")
    def _time_and_heads_fit(self) -> DynamicsConfig:
        if self.time_every > self.layers:
            raise ValueError(f"time_every is {self.time_every}, layers {self.layers}: no layer would attend over time")
        if self.long_frames % self.frames:
            raise ValueError(f"long_frames is {self.long_frames}: it must be a multiple of frames ({self.frames})")
        if self.window > self.long_frames:
            raise ValueError(
                f"window is {self.window}: longer than any clip, so use long_frames ({self.long_frames}) at most"
            )
        if self.heads % self.key_heads:
            raise ValueError(f"key_heads is {self.key_heads}: it must divide heads ({self.heads})")
        return self


class ReconstructionConfig(Section):
    """Tokenizer reconstruction of test frames."""

    frames: int = Field(1000, ge=10, description="frames from test recordings")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class SoundReconstructionConfig(Section):
    """Tokenizer reconstruction of test sounds."""

    windows: int = Field(240, ge=10, description="windows from test recordings")
    frames: int = Field(16, ge=1, description="frames in each window")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class GenerationEvaluations(Section):
    """How tokenizers and dreams are judged."""

    reconstruction: ReconstructionConfig = ReconstructionConfig()
    sound_reconstruction: SoundReconstructionConfig = SoundReconstructionConfig()
    rollout: RolloutConfig = RolloutConfig()
    uncertainty: UncertaintyConfig = UncertaintyConfig()
    counterfactual: CounterfactualConfig = CounterfactualConfig()
    drift: DriftConfig = DriftConfig()
    control: ControlConfig = ControlConfig()
    dreamed_sound: DreamedSoundConfig = DreamedSoundConfig()


class GenerationSettings(WorldSettings):
    """The sections of generation, and what they ask of the world."""

    tokenizers: Tokenizers = Tokenizers()
    latents: LatentsConfig = LatentsConfig()
    dynamics: DynamicsConfig = DynamicsConfig()
    evaluations: GenerationEvaluations = GenerationEvaluations()

    def checks(self) -> dict[str, Callable[[], None]]:
        """What the settings name on this machine."""
        own = {"tokenizers.video": self.tokenizers.video.check} if self.lines.generative else {}
        return super().checks() | own

    def evaluations_on(self) -> list[str]:
        """Names of the evaluations that run, as far as the source has truth for them."""
        if not self.lines.generative:
            return super().evaluations_on()
        sound = ["sound_reconstruction"] if "audio" in self.streams() else []
        own = ["reconstruction", *sound, "rollout", "uncertainty", "drift"]
        if recorded(self.data).action:
            own.append("control")
        own += ["dreamed_sound"] if "audio" in self.streams() else []
        if self.data.source == "playroom":  # the only world that can be simulated again with other actions
            own.append("counterfactual")
        return [*super().evaluations_on(), *own]

    def trained(self) -> list[str]:
        """Folders of the models that this line trains, below results/."""
        own = [*(f"tokenizers/{stream}" for stream in self.streams()), "dynamics"] if self.lines.generative else []
        return [*super().trained(), *own]

    def windows(self) -> dict[str, int]:
        """Frames that each setting asks of a recording."""
        judged = self.evaluations
        own = {
            "dynamics.long_frames": self.dynamics.long_frames,
            "tokenizers.audio.frames": self.tokenizers.audio.frames,
            "evaluations.sound_reconstruction.frames": judged.sound_reconstruction.frames,
        }
        for name in ("rollout", "uncertainty", "counterfactual", "dreamed_sound"):
            dream = getattr(judged, name)
            own[f"evaluations.{name}.context + evaluations.{name}.horizon"] = dream.context + dream.horizon
        own["evaluations.control.context + 1"] = judged.control.context + 1
        own["evaluations.drift.context + evaluations.drift.piece"] = judged.drift.context + judged.drift.piece
        video = self.tokenizers.video
        if self.lines.generative and video.kind == "transformer":
            own["tokenizers.video.transformer.frames"] = video.frames
            seen = judged.drift.piece + video.past
            own["evaluations.drift.piece + the frames before it that tokenizers.video sees"] = seen
        return super().windows() | own

    @model_validator(mode="after")
    def _tokens_fit(self) -> GenerationSettings:
        if self.lines.generative:
            self.tokenizers.video.check_size(self.data.size)
            if "audio" in self.streams():
                self.tokenizers.audio.check_samples(self.data.samples_per_frame)
        return self
