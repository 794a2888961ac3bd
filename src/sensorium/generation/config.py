"""Settings of generation: tokenizers, latents, dynamics of tokens, and how dreams are judged."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sensorium.config import LatentsConfig, PlainTraining, Section, Training, Transformer, WorldSettings, without_muon


class TransformerTokenizerConfig(Transformer):
    """Block-causal transformer over clips, trained as a masked autoencoder; read where kind is transformer."""

    dim: int = Field(96, ge=8, description="width of every token")
    layers: int = Field(3, ge=1, description="transformer layers of the encoder, and as many of the decoder")
    patch: int = Field(8, ge=2, description="pixels a side of a patch")
    time_every: int = Field(3, ge=1, description="every n-th layer attends over time, the others over space")
    frames: int = Field(2, ge=1, description="frames of a training clip, and frames that a layer over time sees")
    mask: float = Field(0.9, ge=0, lt=1, description="largest share of a frame's patches that is hidden in training")
    mask_warmup: int = Field(200, ge=0, description="steps until that share may be reached")


class VideoTokenizerConfig(Section):
    """Autoencoder: each frame to a grid of bounded continuous tokens."""

    kind: Literal["convolutional", "transformer"] = Field("convolutional", description="single frames, or clips")
    width: int = Field(
        32, ge=4, description="channels of the first convolution, doubled at each halving; where kind is convolutional"
    )
    transformer: TransformerTokenizerConfig = TransformerTokenizerConfig()
    channels: int = Field(16, ge=1, description="numbers a token")
    perceptual_weight: float = Field(0.2, ge=0, description="weight of the perceptual term beside the squared error")
    lpips: str | None = Field(
        None, description="safetensors file of LPIPS weights (docs/data.md) for that term; none: an error of edges"
    )
    training: Training = Training(steps=1500, batch=64, lr=2e-3)

    @model_validator(mode="after")
    def _muon_fits(self) -> VideoTokenizerConfig:
        if self.kind == "convolutional":
            without_muon(self.training)
        return self


class AudioTokenizerConfig(Section):
    """Causal convolutional autoencoder: the sound of each frame to a few bounded continuous tokens."""

    tokens: int = Field(4, ge=1, description="tokens a frame, each for its share of the frame's time")
    channels: int = Field(16, ge=1, description="numbers a token, as many as tokenizers.video.channels")
    width: int = Field(96, ge=4, description="channels of the convolutions")
    layers: int = Field(3, ge=1, description="residual layers each of encoder and decoder; each doubles the dilation")
    kernel: int = Field(5, ge=1, description="columns that a convolution sees")
    frames: int = Field(8, ge=1, description="frames in a training window")
    wave_weight: float = Field(4.0, ge=0, description="weight of the wave's error beside that of its spectrum")
    training: PlainTraining = Training(steps=800, batch=12, lr=5e-3)


class Tokenizers(Section):
    """One tokenizer for each stream that the dynamics dream."""

    video: VideoTokenizerConfig = VideoTokenizerConfig()
    audio: AudioTokenizerConfig = AudioTokenizerConfig()

    @model_validator(mode="after")
    def _channels_agree(self) -> Tokenizers:
        if self.audio.channels != self.video.channels:
            raise ValueError(
                f"audio.channels is {self.audio.channels}: it must be video.channels ({self.video.channels}), "
                "for the dynamics dream both in one sequence"
            )
        return self


class DynamicsConfig(Transformer):
    """Space-time transformer over video and sound tokens, trained by shortcut forcing and steered by actions."""

    layers: int = Field(4, ge=1, description="transformer layers")
    key_heads: int = Field(2, ge=1, description="heads of keys and values, each shared by heads / key_heads others")
    time_every: int = Field(2, ge=1, description="every n-th layer attends over time, the others over space")
    window: int = Field(12, ge=2, description="frames that time layers see, in training and in a dream alike")
    soft_cap: float = Field(50.0, ge=0, description="smooth bound of attention logits; 0: none")
    registers: int = Field(2, ge=0, description="extra learned tokens a frame")
    frames: int = Field(8, ge=2, description="frames of a short training clip")
    long_frames: int = Field(
        16, ge=2, description="frames of a long one; a window of the batch is one long or several short"
    )
    long_every: int = Field(4, ge=1, description="every n-th step trains long clips")
    images: float = Field(0.1, ge=0, lt=1, description="share of windows whose frames are trained alone")
    bootstrap: float = Field(0.25, ge=0, le=1, description="share of windows that learn long denoising steps")
    unlabelled: float = Field(0.1, ge=0, lt=1, description="chance that a window trains without its actions")
    dreamed: float = Field(
        0.25, ge=0, le=1, description="chance that a window reads half of its context as it dreams it"
    )
    training: Training = Training(steps=2100, batch=4, lr=1e-3, muon=3.0, ema=0.995)

    @model_validator(mode="after")
    def _time_fits(self) -> DynamicsConfig:
        if self.time_every > self.layers:
            raise ValueError(f"time_every is {self.time_every}, layers {self.layers}: no layer would attend over time")
        if self.long_frames % self.frames:
            raise ValueError(f"long_frames is {self.long_frames}: it must be a multiple of frames ({self.frames})")
        if self.window > self.long_frames:
            raise ValueError(
                f"window is {self.window}: longer than any clip, so use long_frames ({self.long_frames}) at most"
            )
        return self

    @model_validator(mode="after")
    def _key_heads_fit(self) -> DynamicsConfig:
        if self.heads % self.key_heads:
            raise ValueError(f"key_heads is {self.key_heads}: it must divide heads ({self.heads})")
        return self


class ReconstructionConfig(Section):
    """Tokenizer reconstruction of test frames."""

    frames: int = Field(1000, ge=10, description="frames from test recordings")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class SoundReconstructionConfig(Section):
    """Tokenizer reconstruction of test sounds."""

    windows: int = Field(240, ge=10, description="windows from test recordings")
    frames: int = Field(16, ge=1, description="frames of sound in a window")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class DreamConfig(Section):
    """What all evaluations of dreams share."""

    windows: int = Field(ge=8, description="dreamed windows from test recordings")
    context: int = Field(6, ge=1, description="true frames before the dream begins")
    denoising_steps: Literal[1, 2, 4, 8, 16, 32, 64] = Field(4, description="Euler steps a dreamed frame")
    context_noise: float = Field(0.1, ge=0, lt=1, description="noise share that context frames carry while dreaming")
    stillness: float = Field(
        0.0, ge=0, description="video tokens whose change is below this share of the usual stay; 0: none"
    )
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class RolloutConfig(DreamConfig):
    """Dreams beside truth: PSNR and SSIM over the horizon, true and shuffled actions, few and many steps."""

    windows: int = Field(240, ge=8, description="dreamed windows from test recordings")
    denoising_steps: Literal[1, 2, 4, 8, 16, 32, 64] = Field(1, description="Euler steps a dreamed frame")
    horizon: int = Field(16, ge=1, description="dreamed frames")
    fine_windows: int = Field(64, ge=8, description="windows that are dreamed in 4 and in 64 steps a frame too")

    @model_validator(mode="after")
    def _some_are_fine(self) -> RolloutConfig:
        if self.fine_windows > self.windows:
            raise ValueError(f"fine_windows is {self.fine_windows}: it must not exceed windows ({self.windows})")
        return self


class UncertaintyConfig(DreamConfig):
    """Several dreams from one beginning: whether their spread tells how wrong they are."""

    windows: int = Field(64, ge=8, description="beginnings from test recordings")
    horizon: int = Field(16, ge=1, description="dreamed frames")
    dreams: int = Field(8, ge=3, description="dreams from each beginning")


class CounterfactualConfig(DreamConfig):
    """Other actions from a moment on, in the dream and in the simulator: whether the same changes."""

    windows: int = Field(80, ge=8, description="test recordings that are run again with other actions")
    horizon: int = Field(8, ge=1, description="dreamed frames")
    dreams: int = Field(4, ge=1, description="dreams whose mean is compared, of each beginning and choice of actions")


class DriftConfig(DreamConfig):
    """Long dreams: whether their pieces go on looking and moving like pieces of recordings."""

    windows: int = Field(32, ge=8, description="long dreams, each from a test recording of its own")
    stillness: float = Field(
        0.7, ge=0, description="video tokens whose change is below this share of the usual stay; 0: none"
    )
    frames: int = Field(64, ge=32, le=10000, description="frames of each dream")
    piece: int = Field(16, ge=8, description="frames of a piece")

    @model_validator(mode="after")
    def _pieces_fit(self) -> DriftConfig:
        if self.frames < 4 * self.piece:
            raise ValueError(f"frames is {self.frames}: it must be at least four pieces of {self.piece}")
        return self


class GenerationEvaluations(Section):
    """How tokenizers and dreams are judged."""

    reconstruction: ReconstructionConfig = ReconstructionConfig()
    sound_reconstruction: SoundReconstructionConfig = SoundReconstructionConfig()
    rollout: RolloutConfig = RolloutConfig()
    uncertainty: UncertaintyConfig = UncertaintyConfig()
    counterfactual: CounterfactualConfig = CounterfactualConfig()
    drift: DriftConfig = DriftConfig()


class GenerationSettings(WorldSettings):
    """The sections of generation, and what they ask of the world."""

    tokenizers: Tokenizers = Tokenizers()
    latents: LatentsConfig = LatentsConfig()
    dynamics: DynamicsConfig = DynamicsConfig()
    evaluations: GenerationEvaluations = GenerationEvaluations()

    def evaluations_on(self) -> list[str]:
        """Names of the evaluations that run, as far as the source has truth for them."""
        if not self.lines.generative:
            return super().evaluations_on()
        sound = ["sound_reconstruction"] if "audio" in self.streams() else []
        own = ["reconstruction", *sound, "rollout", "uncertainty", "drift"]
        if self.data.source == "playroom":  # the only world that can be run again with one thing changed
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
        for name in ("rollout", "uncertainty", "counterfactual"):
            dream = getattr(judged, name)
            own[f"evaluations.{name}.context + evaluations.{name}.horizon"] = dream.context + dream.horizon
        own["evaluations.drift.context + evaluations.drift.piece"] = judged.drift.context + judged.drift.piece
        return super().windows() | own
