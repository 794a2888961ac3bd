"""Settings of generation: latents, dynamics of tokens, and how tokenizers and dreams are judged."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from pydantic import Field, model_validator

from sensorium.config import (
    ConfigurationError,
    Depth,
    LatentsConfig,
    Section,
    Training,
    Transformer,
    Width,
    WorldSettings,
)
from sensorium.config.counts import recorded
from sensorium.generation.dream_config import (
    ControlConfig,
    CounterfactualConfig,
    DreamedSoundConfig,
    DriftConfig,
    RolloutConfig,
    UncertaintyConfig,
)
from sensorium.generation.tokenizer_config import AudioTokenizerConfig, Tokenizers, VideoTokenizerConfig

LAST_FRAMES = 3  # frames before the one that is denoised, which the fine path sees as they are
GLIMPSE, GLIMPSED = 14, 2  # rows and columns of pixels about the felt place, and frames, that the body sense sees
PCA_FRAMES = 1500  # training frames that `reconstruction` fits principal components on


class RefinerConfig(Section):
    """A second pass over dreamed frames, which pulls them back to the look of the recordings."""

    every: int = Field(
        0, ge=0, description="frames from one that is refined to the next; 0: none is, nothing is learned"
    )
    width: Width = Field(32, ge=4, description="channels of its blocks")
    blocks: Depth = Field(3, ge=1, description="blocks of two convolutions")
    frames: int = Field(4, ge=2, description="frames of each window that it learns from in a step, harmed as in dreams")
    spread: float = Field(0.05, gt=0, description="deviation of a pixel that its likelihood expects, of full scale")


class FineConfig(Section):
    """Blocks on the grid of the video tokens, above and below the transformer, and a head that copies."""

    width: Width = Field(48, ge=4, description="channels of the blocks")
    blocks: Depth = Field(4, ge=2, description="blocks of two convolutions; half of them come before the transformer")
    pool: int = Field(
        4, ge=1, description="rows and columns of video tokens that one token of the transformer stands for"
    )
    reach: int = Field(3, ge=0, le=8, description="pixels by which copies may be shifted, along each axis")
    crop: int = Field(
        8,
        ge=1,
        description="rows and columns of tokens of the crops that training begins with, without transformer",
    )
    crops: float = Field(0.5, ge=0, le=1, description="share of the steps that train on crops; then dreams begin")
    spread: float = Field(
        0.04, gt=0, description="deviation of a copied pixel that the likelihood expects, of full scale"
    )
    body: bool = Field(False, description="where recordings have a body sense, dream it, too, and let sight follow it")
    onsets: bool = Field(
        False,
        description="where sound tokens are bands, draw from picture and body sense whether something begins to sound",
    )
    refiner: RefinerConfig = RefinerConfig()

    def check_grid(self, side: int) -> None:
        """Refuse a grid of `side` rows and columns of video tokens that coarse tokens do not fill, or below a crop.

        Raises:
            ConfigurationError: naming the setting.
        """
        if side % self.pool:
            raise ConfigurationError(f"dynamics.fine.pool is {self.pool}: it must divide the {side} tokens of a row")
        if self.crop > side:
            raise ConfigurationError(f"dynamics.fine.crop is {self.crop}: at most the {side} tokens of a row")


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
        0.25,
        ge=0,
        le=1,
        description="probability that half of a window's context is the model's own prediction; with path fine, all "
        "of it after three frames",
    )
    path: Literal["filtered", "fine"] = Field(
        "filtered", description="of video tokens: through a filter, or, if they are patches, by blocks and copies"
    )
    fine: FineConfig = FineConfig()
    training: Training = Training(steps=2100, batch=4, lr=1e-3, muon=3.0, ema=0.995)

    @property
    def fine_path(self) -> FineConfig | None:
        """The section `fine`, if video tokens take that path."""
        return self.fine if self.path == "fine" else None

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
        if self.path == "fine" and self.fine.crops and self.long_frames <= LAST_FRAMES:
            raise ValueError(
                f"long_frames is {self.long_frames}: with path fine crops are trained after {LAST_FRAMES} frames, so "
                f"at least {LAST_FRAMES + 1} are needed, or fine.crops must be 0"
            )
        if self.path == "fine" and self.dreamed and self.frames < LAST_FRAMES + 2:
            raise ValueError(
                f"frames is {self.frames}: with path fine clips dream after {LAST_FRAMES} frames, so at least "
                f"{LAST_FRAMES + 2} are needed, or dreamed must be 0"
            )
        if self.heads % self.key_heads:
            raise ValueError(f"key_heads is {self.key_heads}: it must divide heads ({self.heads})")
        return self


FINE_DYNAMICS = DynamicsConfig(
    path="fine",
    dim=96,
    layers=2,
    frames=16,
    images=0.0,
    dreamed=0.5,
    fine=FineConfig(crops=0.7, body=True, onsets=True, refiner=RefinerConfig(every=2)),
    training=Training(steps=2200, batch=3, lr=2e-3, muon=3.0, ema=0.995),
)  # of the default run


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

    tokenizers: Tokenizers = Tokenizers(
        video=VideoTokenizerConfig(kind="patches", channels=12),
        audio=AudioTokenizerConfig(kind="bands", channels=12, tokens=8),
    )
    latents: LatentsConfig = LatentsConfig()
    dynamics: DynamicsConfig = FINE_DYNAMICS
    evaluations: GenerationEvaluations = GenerationEvaluations()

    @property
    def dreamed_body(self) -> int:
        """Numbers of the body sense that dreams predict; 0 if they predict none, or recordings have none."""
        fine = self.dynamics.fine_path
        return recorded(self.data).body if fine is not None and fine.body else 0

    @property
    def drawn_onsets(self) -> int:
        """Channel of the onset flag in sound tokens whose onsets dreams draw from the picture; 0 if they draw none."""
        fine, audio = self.dynamics.fine_path, self.tokenizers.audio
        drawn = fine is not None and fine.onsets and audio.kind == "bands" and "audio" in self.streams()
        return audio.bands // audio.tokens + 1 if drawn else 0

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
        if self.tokenizers.video.kind == "patches":  # they lose nothing
            own.remove("reconstruction")
        if self.data.has_actions():
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
            if fine := self.dynamics.fine_path:
                if (kind := self.tokenizers.video.kind) != "patches":
                    raise ValueError(
                        f"dynamics.path is fine, which copies pixels, and tokenizers.video.kind is {kind}; "
                        "set the kind to patches, or the path to filtered"
                    )
                fine.check_grid(math.isqrt(self.tokenizers.video.tokens(self.data.size)))
                used = self.drawn_onsets + 1
                if self.drawn_onsets and self.tokenizers.audio.channels == used:
                    raise ValueError(
                        f"tokenizers.audio.channels is {used}, all in use, and dynamics.fine.onsets is true, whose "
                        f"draws need one more; set the channels to {used + 1}, or onsets to false"
                    )
        return self
