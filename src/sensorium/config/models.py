"""What is trained: encoders, tokenizers, latents, fusion, dynamics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sensorium.config.section import PlainTraining, Section, Training, without_muon
from sensorium.config.sets import AudioData, VisionData


class VisionAugmentation(Section):
    """Batched augmentations of images, drawn anew for every view."""

    crop: float = Field(0.6, gt=0, le=1, description="smallest area of the random crop")
    flip: float = Field(0.5, ge=0, le=1, description="chance of a horizontal flip")
    jitter: float = Field(0.4, ge=0, le=1, description="strength of brightness, contrast and saturation changes")
    grayscale: float = Field(0.2, ge=0, le=1, description="chance that a view loses its colour")
    rotation: float = Field(0.0, ge=0, le=180, description="largest turn, in degrees")
    shear: float = Field(0.0, ge=0, lt=1, description="largest shear, as the tangent of its angle")
    bend: float = Field(0.0, ge=0, le=0.5, description="deviation of a smooth random displacement, in half widths")


class AudioAugmentation(Section):
    """Batched augmentations of sound, drawn anew for every view."""

    shift: float = Field(0.4, ge=0, le=0.5, description="largest time shift, as a fraction of the window")
    pitch: float = Field(1.0, ge=0, le=12, description="largest pitch shift, in semitones")
    formant: float = Field(
        0.0, ge=0, le=12, description="largest shift of formants, in semitones; 0: they move with the pitch"
    )
    stretch: float = Field(0.1, ge=0, le=0.5, description="largest relative change of tempo, pitch kept")
    gain: float = Field(6.0, ge=0, le=40, description="largest change of loudness, in decibels")
    noise: float = Field(5.0, ge=0, le=80, description="lowest signal-to-noise ratio of background noise, in decibels")


class Contrast(Section):
    """What two views of a moment must share: NT-Xent with a variance term, or VICReg."""

    objective: Literal["nt_xent", "vicreg"] = Field(
        "nt_xent", description="nt_xent: tell the partner from all others; vicreg: agree, vary and not repeat"
    )
    temperature: float = Field(0.1, gt=0, description="temperature of NT-Xent")
    variance_weight: float = Field(
        1.0, ge=0, description="weight beside NT-Xent of the hinge on each dimension's deviation"
    )
    projection: int = Field(64, ge=2, description="width of the projection that is contrasted")


class VisionPriors(Section):
    """What the first layer sees beside, or in place of, red, green and blue; each can be switched off."""

    colour: bool = Field(False, description="opponent colours of logarithmic cone responses in place of RGB")
    edges: bool = Field(False, description="energies of quadrature Gabor filters: 4 orientations, 2 scales")
    depth: bool = Field(False, description="depth cues of the content: texture, height of the foot, extent")


class AudioPriors(Section):
    """What the first layer hears beside the log-mel spectrogram."""

    onset: bool = Field(False, description="the rise of every band since the column before")


class VisionEncoderConfig(Section):
    """Contrastive vision encoder: one frame to one embedding."""

    width: int = Field(24, ge=4, description="channels of the first convolution; doubled at each halving")
    dim: int = Field(128, ge=4, description="width of the embedding")
    neighbours: int = Field(12, ge=0, description="the two views may lie this many frames apart")
    priors: VisionPriors = VisionPriors()
    data: VisionData | None = Field(None, description="pictures of its own to learn from; null: the recordings of data")
    augmentation: VisionAugmentation = VisionAugmentation()
    contrast: Contrast = Contrast()
    training: PlainTraining = Training(steps=800, batch=128, lr=2e-3)


class AudioEncoderConfig(Section):
    """Contrastive audio encoder: a window of sound to one embedding a frame."""

    width: int = Field(24, ge=4, description="channels of the first convolution; doubled at each halving")
    dim: int = Field(128, ge=4, description="width of the embedding")
    mels: int = Field(64, ge=8, description="bands of the log-mel spectrogram")
    frames: int = Field(4, ge=2, description="frames of sound in a window")
    priors: AudioPriors = AudioPriors()
    data: AudioData | None = Field(None, description="sounds of its own to learn from; null: the recordings of data")
    augmentation: AudioAugmentation = AudioAugmentation()
    contrast: Contrast = Contrast()
    training: PlainTraining = Training(steps=500, batch=128, lr=2e-3)


class Encoders(Section):
    """One contrastive encoder for each sense."""

    vision: VisionEncoderConfig = VisionEncoderConfig()
    audio: AudioEncoderConfig = AudioEncoderConfig()


class Transformer(Section):
    """The shape of a transformer."""

    dim: int = Field(128, ge=8, description="width of every token")
    layers: int = Field(4, ge=1, description="transformer layers")
    heads: int = Field(4, ge=1, description="attention heads")

    @model_validator(mode="after")
    def _heads_fit(self) -> Transformer:
        if self.dim % (2 * self.heads):  # rotary positions turn pairs of channels
            raise ValueError(f"heads is {self.heads}: dim ({self.dim}) must be a multiple of 2 * heads")
        return self


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


class LatentsConfig(Section):
    """Tokens of every recording, encoded once."""

    dtype: Literal["float16", "float32"] = Field("float16", description="number format on disk")


class FusionConfig(Transformer):
    """Causal transformer over vision, sound and body: a world state for each frame."""

    layers: int = Field(3, ge=1, description="transformer layers")
    frames: int = Field(16, ge=4, description="frames in a training window")
    components: int = Field(128, ge=4, description="principal components taken of a sense that has more dimensions")
    offsets: tuple[int, ...] = Field(
        (-2, -1, 1, 4), min_length=1, description="frames back and ahead: the world state must tell the change to there"
    )
    vision_weight: float = Field(
        0.5, gt=0, lt=1, description="share of vision in what must be told; others share alike"
    )
    mask: float = Field(
        0.15, ge=0, lt=1, description="chance that a sense is hidden in a window, so the others must serve"
    )
    occlusion: float = Field(
        0.3, ge=0, le=1, description="chance that sight is lost for a stretch of a window, so the state must remember"
    )
    temperature: float = Field(0.2, gt=0, description="temperature of the image-sound alignment")
    alignment_weight: float = Field(1.0, ge=0, description="weight of the image-sound alignment beside prediction")
    training: Training = Training(steps=600, batch=64, lr=2e-3)

    @model_validator(mode="after")
    def _offsets_fit(self) -> FusionConfig:
        if 0 in self.offsets or len(set(self.offsets)) < len(self.offsets):
            raise ValueError(f"offsets is {self.offsets}: frames other than 0, each once")
        if max(self.offsets) < 1 or -min(self.offsets) >= self.frames:
            raise ValueError(
                f"offsets is {self.offsets}: one at least lies ahead, and none further back than frames ({self.frames})"
            )
        return self


class FinetuneConfig(Section):
    """Encoders and fusion trained together, end to end, from where their own trainings ended."""

    frozen: tuple[Literal["vision", "audio", "fusion"], ...] = Field(
        (), max_length=2, description="parts that stay as they are"
    )
    alignment_weight: float = Field(0.2, ge=0, description="weight of the image-sound alignment beside prediction")
    keep_weight: float = Field(
        1.0, ge=0, description="weight of each encoder's embedding staying what it was, in units of its variances"
    )
    jitter: float = Field(0.2, ge=0, le=1, description="strength of brightness, contrast and saturation changes")
    noise: float = Field(40.0, ge=0, le=80, description="lowest signal-to-noise ratio of the sound, in decibels")
    training: Training = Training(steps=120, batch=32, lr=1e-3, warmup=20, ema=0.98)


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


class StateDynamicsConfig(Section):
    """Small recurrent network: the world states of the next frames, from those before and the actions."""

    width: int = Field(256, ge=8, description="width of the recurrent state")
    context: int = Field(6, ge=2, description="true world states before it goes on alone, in training and when judged")
    horizon: int = Field(10, ge=1, description="frames that it goes on alone")
    training: PlainTraining = Training(steps=700, batch=64, lr=2e-3)
