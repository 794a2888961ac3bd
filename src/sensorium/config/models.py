"""The models and their trainings: encoders, tokenizers, latents, fusion, dynamics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sensorium.config.section import PlainTraining, Section, Training, without_muon
from sensorium.config.sets import AudioData, VisionData


class VisionAugmentation(Section):
    """Random augmentation of images, different for every view."""

    crop: float = Field(0.6, gt=0, le=1, description="smallest share of the area that a random crop keeps")
    flip: float = Field(0.5, ge=0, le=1, description="probability of a horizontal flip")
    jitter: float = Field(0.4, ge=0, le=1, description="strength of changes in brightness, contrast and saturation")
    grayscale: float = Field(0.2, ge=0, le=1, description="probability that a view loses its colour")
    rotation: float = Field(0.0, ge=0, le=180, description="largest rotation, in degrees")
    shear: float = Field(0.0, ge=0, lt=1, description="largest shear, as the tangent of its angle")
    bend: float = Field(0.0, ge=0, le=0.5, description="std of a smooth random displacement, in half widths")


class AudioAugmentation(Section):
    """Random augmentation of sound, different for every view."""

    shift: float = Field(0.4, ge=0, le=0.5, description="largest time shift, as a fraction of the window")
    pitch: float = Field(1.0, ge=0, le=12, description="largest pitch shift, in semitones")
    formant: float = Field(
        0.0, ge=0, le=12, description="largest shift of formants, in semitones; 0: they move with the pitch"
    )
    stretch: float = Field(0.1, ge=0, le=0.5, description="largest relative change of tempo, pitch kept")
    gain: float = Field(6.0, ge=0, le=40, description="largest change of loudness, in decibels")
    noise: float = Field(5.0, ge=0, le=80, description="lowest signal-to-noise ratio of background noise, in decibels")


class Contrast(Section):
    """The contrastive objective: NT-Xent with a variance term, or VICReg."""

    objective: Literal["nt_xent", "vicreg"] = Field(
        "nt_xent", description="nt_xent: find the partner among all others; vicreg: invariance, variance, covariance"
    )
    temperature: float = Field(0.1, gt=0, description="with nt_xent: its temperature")
    variance_weight: float = Field(
        1.0, ge=0, description="with nt_xent: weight of the hinge loss on each dimension's std"
    )
    projection: int = Field(64, ge=2, description="width of the projection that the loss compares")


class VisionPriors(Section):
    """Inputs of the first layer in addition to red, green and blue, or instead of them."""

    colour: bool = Field(False, description="opponent colours of logarithmic cone responses in place of RGB")
    edges: bool = Field(False, description="energies of quadrature Gabor filters (4 orientations, 2 scales)")
    depth: bool = Field(False, description="depth cues in the image: texture, height of the lower edge, extent")


class AudioPriors(Section):
    """Inputs of the first layer in addition to the log-mel spectrogram."""

    onset: bool = Field(False, description="increase of every band since the previous column")


class VisionEncoderConfig(Section):
    """Contrastive vision encoder: one embedding for each frame."""

    width: int = Field(24, ge=4, description="channels of the first convolution; doubled whenever resolution halves")
    dim: int = Field(128, ge=4, description="width of the embedding")
    neighbours: int = Field(12, ge=0, description="largest distance between the two views, in frames")
    priors: VisionPriors = VisionPriors()
    data: VisionData | None = Field(
        None, description="other pictures to learn from (docs/data.md); null: the recordings"
    )
    augmentation: VisionAugmentation = VisionAugmentation()
    contrast: Contrast = Contrast()
    training: PlainTraining = Training(steps=800, batch=128, lr=2e-3)


class AudioEncoderConfig(Section):
    """Contrastive audio encoder: one embedding for each frame of a window of sound."""

    width: int = Field(24, ge=4, description="channels of the first convolution; doubled whenever resolution halves")
    dim: int = Field(128, ge=4, description="width of the embedding")
    mels: int = Field(64, ge=8, description="bands of the log-mel spectrogram")
    frames: int = Field(4, ge=2, description="frames in each window")
    priors: AudioPriors = AudioPriors()
    data: AudioData | None = Field(None, description="other sounds to learn from (docs/data.md); null: the recordings")
    augmentation: AudioAugmentation = AudioAugmentation()
    contrast: Contrast = Contrast()
    training: PlainTraining = Training(steps=500, batch=128, lr=2e-3)


class Encoders(Section):
    """One contrastive encoder for each sense."""

    vision: VisionEncoderConfig = VisionEncoderConfig()
    audio: AudioEncoderConfig = AudioEncoderConfig()


class Transformer(Section):
    """The size of a transformer."""

    dim: int = Field(128, ge=8, description="width of every token")
    layers: int = Field(4, ge=1, description="transformer layers")
    heads: int = Field(4, ge=1, description="attention heads")

    @model_validator(mode="after")
    def _heads_fit(self) -> Transformer:
        if self.dim % (2 * self.heads):  # rotary positions turn pairs of channels
            raise ValueError(f"heads is {self.heads}: dim ({self.dim}) must be a multiple of 2 * heads")
        return self


class TransformerTokenizerConfig(Transformer):
    """With kind transformer: block-causal transformer over clips, trained as a masked autoencoder."""

    dim: int = Field(96, ge=8, description="width of every token")
    layers: int = Field(3, ge=1, description="transformer layers of the encoder, and of the decoder")
    patch: int = Field(8, ge=2, description="height and width of a patch, in pixels")
    time_every: int = Field(3, ge=1, description="every n-th layer attends over time, the others over space")
    frames: int = Field(2, ge=1, description="frames in a training clip; also the context length of layers over time")
    mask: float = Field(0.9, ge=0, lt=1, description="largest share of a frame's patches that is masked in training")
    mask_warmup: int = Field(200, ge=0, description="steps over which the largest share grows to `mask`")


class VideoTokenizerConfig(Section):
    """Video autoencoder: each frame becomes a grid of bounded continuous tokens."""

    kind: Literal["convolutional", "transformer"] = Field(
        "convolutional", description="convolutional: on single frames; transformer: on clips"
    )
    width: int = Field(
        32,
        ge=4,
        description="with kind convolutional: channels of the first convolution; doubled whenever resolution halves",
    )
    transformer: TransformerTokenizerConfig = TransformerTokenizerConfig()
    channels: int = Field(16, ge=1, description="channels of each token")
    perceptual_weight: float = Field(
        0.2, ge=0, description="weight of the perceptual loss relative to the squared error"
    )
    lpips: str | None = Field(
        None,
        description="safetensors file of LPIPS weights (docs/data.md) for the perceptual loss; null: error of edges",
    )
    training: Training = Training(steps=1500, batch=64, lr=2e-3)

    @model_validator(mode="after")
    def _muon_fits(self) -> VideoTokenizerConfig:
        if self.kind == "convolutional":
            without_muon(self.training)
        return self


class AudioTokenizerConfig(Section):
    """Causal convolutional autoencoder: the sound of each frame becomes a few bounded continuous tokens."""

    tokens: int = Field(4, ge=1, description="tokens for each frame; each covers an equal part of the frame's time")
    channels: int = Field(16, ge=1, description="channels of each token; must equal tokenizers.video.channels")
    width: int = Field(96, ge=4, description="channels of the convolutions")
    layers: int = Field(
        3, ge=1, description="residual layers of the encoder, and of the decoder; each doubles the dilation"
    )
    kernel: int = Field(5, ge=1, description="kernel length of the convolutions, in columns")
    frames: int = Field(8, ge=1, description="frames in each training window")
    wave_weight: float = Field(4.0, ge=0, description="weight of the waveform error relative to the spectral error")
    training: PlainTraining = Training(steps=800, batch=12, lr=5e-3)


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


class LatentsConfig(Section):
    """The tokens of all recordings, encoded once and stored."""

    dtype: Literal["float16", "float32"] = Field("float16", description="number format on disk")


class FusionConfig(Transformer):
    """Causal transformer over vision, sound and body; its output is a world state for each frame."""

    layers: int = Field(3, ge=1, description="transformer layers")
    frames: int = Field(16, ge=4, description="frames in each training window")
    components: int = Field(
        128, ge=4, description="principal components to which a sense with more dimensions is reduced"
    )
    offsets: tuple[int, ...] = Field(
        (-2, -1, 1, 4),
        min_length=1,
        description="frames back (negative) and ahead; the world state predicts the change from now to each",
    )
    vision_weight: float = Field(
        0.5, gt=0, lt=1, description="weight of vision in the prediction loss; the other senses share the rest equally"
    )
    mask: float = Field(
        0.15, ge=0, lt=1, description="probability that a sense is masked in a window, so the others must suffice"
    )
    occlusion: float = Field(
        0.3,
        ge=0,
        le=1,
        description="probability that vision is masked for part of a window, so the state must remember",
    )
    temperature: float = Field(0.2, gt=0, description="temperature of the image-sound contrastive loss")
    alignment_weight: float = Field(
        1.0, ge=0, description="weight of the image-sound contrastive loss relative to the prediction loss"
    )
    training: Training = Training(steps=600, batch=64, lr=2e-3)

    @model_validator(mode="after")
    def _offsets_fit(self) -> FusionConfig:
        if 0 in self.offsets or len(set(self.offsets)) < len(self.offsets):
            raise ValueError(f"offsets is {self.offsets}: use frames other than 0, each once")
        if max(self.offsets) < 1 or -min(self.offsets) >= self.frames:
            raise ValueError(
                f"offsets is {self.offsets}: at least one lies ahead, and none further back than frames ({self.frames})"
            )
        return self


class FinetuneConfig(Section):
    """Encoders and fusion trained together, end to end, initialised from the separately trained parts."""

    frozen: tuple[Literal["vision", "audio", "fusion"], ...] = Field(
        (), max_length=2, description="parts that are not trained"
    )
    alignment_weight: float = Field(
        0.2, ge=0, description="weight of the image-sound contrastive loss relative to the prediction loss"
    )
    keep_weight: float = Field(
        1.0, ge=0, description="weight of the squared drift of each encoder's embedding, in units of its variances"
    )
    jitter: float = Field(0.2, ge=0, le=1, description="strength of changes in brightness, contrast and saturation")
    noise: float = Field(40.0, ge=0, le=80, description="lowest signal-to-noise ratio of the sound, in decibels")
    training: Training = Training(steps=120, batch=32, lr=1e-3, warmup=20, ema=0.98)


class DynamicsConfig(Transformer):
    """Space-time transformer over video and sound tokens, trained by shortcut forcing, conditioned on actions."""

    layers: int = Field(4, ge=1, description="transformer layers")
    key_heads: int = Field(2, ge=1, description="heads of keys and values; each serves heads / key_heads query heads")
    time_every: int = Field(2, ge=1, description="every n-th layer attends over time, the others over space")
    window: int = Field(
        12, ge=2, description="context length of layers over time, in frames, in training and in dreams"
    )
    soft_cap: float = Field(50.0, ge=0, description="soft bound on attention logits; 0: no bound")
    registers: int = Field(2, ge=0, description="additional learned tokens for each frame")
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


class StateDynamicsConfig(Section):
    """Small recurrent network that predicts the next world states from earlier ones and actions."""

    width: int = Field(256, ge=8, description="width of the recurrent state")
    context: int = Field(
        6, ge=2, description="given world states before the prediction begins, in training and evaluation"
    )
    horizon: int = Field(10, ge=1, description="frames that are predicted, each from the prediction before")
    training: PlainTraining = Training(steps=700, batch=64, lr=2e-3)
