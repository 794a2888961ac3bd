"""The configuration: everything that changes a result, and nothing that does not.

Each stage has one section, each section one model. Devices, precision, workers and minutes are not
here: they belong to profiles and command-line arguments, so changing them never reruns anything.
This module never imports torch, so `snakemake -n` stays fast.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

UNLOADABLE_GAMES = frozenset({"combat", "joust", "maze_craze", "warlords"})  # they abort the whole process
TOKENIZER_STRIDE = 8  # pixels a side that one video token stands for


class ConfigurationError(ValueError):
    """A configuration that cannot run: the message names the key, the value and what is allowed."""


class Section(BaseModel):
    """A frozen part of the configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        for key in set(values) - set(cls.model_fields) if isinstance(values, dict) else ():
            raise ValueError(f"{key} = {values[key]!r}: no such key; allowed here: {', '.join(cls.model_fields)}")
        return values


class Training(Section):
    """The optimisation of one stage (AdamW, linear warm-up, cosine decay)."""

    steps: int = Field(1000, ge=1, description="optimiser steps")
    batch: int = Field(64, ge=2, description="global batch, in windows; never depends on the device")
    lr: float = Field(1e-3, gt=0, le=1, description="peak learning rate")
    final_lr: float = Field(0.05, ge=0, le=1, description="last learning rate, as a fraction of lr")
    warmup: int = Field(50, ge=0, description="steps of linear warm-up")
    weight_decay: float = Field(0.01, ge=0, description="decoupled weight decay on matrices and kernels")
    clip: float = Field(1.0, gt=0, description="largest gradient norm")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the weight average that is exported; 0: none")
    seed: int = Field(0, ge=0, description="seed of initial weights, data order, augmentation and noise")

    @model_validator(mode="after")
    def _warmup_fits(self) -> Training:
        if self.warmup >= self.steps:
            raise ValueError(f"warmup is {self.warmup}, steps {self.steps}: warmup must be below steps")
        return self


class Recordings(Section):
    """What every source of recordings shares."""

    recordings: int = Field(480, ge=8, description="recordings (episodes) to collect")
    frames: int = Field(64, ge=16, description="frames a recording")
    size: int = Field(32, ge=16, le=256, description="height and width of a frame, in pixels")
    shards: int = Field(4, ge=1, description="files, and parallel jobs, the set is split into")
    validation_fraction: float = Field(0.1, gt=0, lt=0.5, description="share of recordings for validation")
    test_fraction: float = Field(0.25, gt=0, lt=0.5, description="share of recordings for the evaluations")
    max_bad_fraction: float = Field(0.01, ge=0, le=1, description="share of quarantined recordings that stops the run")
    seed: int = Field(0, ge=0, description="seed of the recordings and of their split")

    @model_validator(mode="after")
    def _splits_fit(self) -> Recordings:
        if self.size % TOKENIZER_STRIDE:
            raise ValueError(f"size is {self.size}: it must be a multiple of {TOKENIZER_STRIDE}")
        if self.shards > self.recordings:
            raise ValueError(f"shards is {self.shards}, recordings {self.recordings}: every shard needs a recording")
        smallest = min(self.validation_fraction, self.test_fraction, 1 - self.validation_fraction - self.test_fraction)
        if smallest * self.recordings < 1:
            raise ValueError(
                f"recordings is {self.recordings}: too few to leave one in each of training, validation "
                f"({self.validation_fraction}) and test ({self.test_fraction})"
            )
        return self


class PlayroomConfig(Recordings):
    """The embedded simulator: bodies in a room, a hand that pushes, impact sound, full truth."""

    source: Literal["playroom"] = Field("playroom", description="where recordings come from: playroom, atari or folder")
    min_bodies: int = Field(1, ge=1, le=4, description="fewest bodies in a room")
    max_bodies: int = Field(4, ge=1, le=4, description="most bodies in a room")

    @model_validator(mode="after")
    def _bodies_fit(self) -> PlayroomConfig:
        if self.min_bodies > self.max_bodies:
            raise ValueError(f"min_bodies is {self.min_bodies}: it must not exceed max_bodies ({self.max_bodies})")
        return self


class AtariConfig(Recordings):
    """Games of the Arcade Learning Environment, played by a random policy with sticky actions."""

    source: Literal["atari"] = Field("atari", description="where recordings come from: playroom, atari or folder")
    games: tuple[str, ...] = Field(
        ("breakout", "seaquest"), min_length=1, description="ROM names, as ale-py ships them"
    )
    repeat_action: float = Field(0.75, ge=0, lt=1, description="chance that the policy keeps its last action")

    @model_validator(mode="after")
    def _games_load(self) -> AtariConfig:
        for game in self.games:
            if game in UNLOADABLE_GAMES:
                raise ValueError(f"games has {game!r}, which cannot be loaded; leave out {sorted(UNLOADABLE_GAMES)}")
        return self


class FolderConfig(Recordings):
    """Files of a folder, one recording a file: videos with sound, or sounds alone."""

    source: Literal["folder"] = Field("folder", description="where recordings come from: playroom, atari or folder")
    path: str = Field(min_length=1, description="the folder; every media file below it is taken, in order of its path")
    streams: tuple[Literal["video", "audio"], ...] = Field(
        ("video", "audio"), min_length=1, description="what every file must hold, and what is read from it"
    )


Data = Annotated[PlayroomConfig | AtariConfig | FolderConfig, Field(discriminator="source")]


class VisionAugmentation(Section):
    """Batched augmentations of images, drawn anew for every view."""

    crop: float = Field(0.6, gt=0, le=1, description="smallest area of the random crop")
    flip: float = Field(0.5, ge=0, le=1, description="chance of a horizontal flip")
    jitter: float = Field(0.4, ge=0, le=1, description="strength of brightness, contrast and saturation changes")
    grayscale: float = Field(0.2, ge=0, le=1, description="chance that a view loses its colour")


class AudioAugmentation(Section):
    """Batched augmentations of sound, drawn anew for every view."""

    shift: float = Field(0.4, ge=0, le=0.5, description="largest time shift, as a fraction of the window")
    pitch: float = Field(1.0, ge=0, le=12, description="largest pitch shift, in semitones")
    stretch: float = Field(0.1, ge=0, le=0.5, description="largest relative change of tempo, pitch kept")
    gain: float = Field(6.0, ge=0, le=40, description="largest change of loudness, in decibels")
    noise: float = Field(5.0, ge=0, le=80, description="lowest signal-to-noise ratio of background noise, in decibels")


class Contrast(Section):
    """NT-Xent with a variance term."""

    temperature: float = Field(0.1, gt=0, description="temperature of NT-Xent")
    variance_weight: float = Field(1.0, ge=0, description="weight of the hinge on each dimension's deviation")
    projection: int = Field(64, ge=2, description="width of the projection that is contrasted")


class VisionEncoderConfig(Section):
    """Contrastive vision encoder: one frame to one embedding."""

    width: int = Field(24, ge=4, description="channels of the first convolution; doubled at each halving")
    dim: int = Field(128, ge=4, description="width of the embedding")
    neighbours: int = Field(12, ge=0, description="the two views may lie this many frames apart")
    augmentation: VisionAugmentation = VisionAugmentation()
    contrast: Contrast = Contrast()
    training: Training = Training(steps=800, batch=128, lr=2e-3)


class AudioEncoderConfig(Section):
    """Contrastive audio encoder: a window of sound to one embedding a frame."""

    width: int = Field(24, ge=4, description="channels of the first convolution; doubled at each halving")
    dim: int = Field(128, ge=4, description="width of the embedding")
    mels: int = Field(64, ge=8, description="bands of the log-mel spectrogram")
    frames: int = Field(4, ge=2, description="frames of sound in a window")
    augmentation: AudioAugmentation = AudioAugmentation()
    contrast: Contrast = Contrast()
    training: Training = Training(steps=500, batch=128, lr=2e-3)


class Encoders(Section):
    """One contrastive encoder for each sense."""

    vision: VisionEncoderConfig = VisionEncoderConfig()
    audio: AudioEncoderConfig = AudioEncoderConfig()


class VideoTokenizerConfig(Section):
    """Convolutional autoencoder: each frame to a grid of bounded continuous tokens."""

    width: int = Field(32, ge=4, description="channels of the first convolution; doubled at each halving")
    channels: int = Field(16, ge=1, description="numbers a token")
    gradient_weight: float = Field(0.5, ge=0, description="weight of the squared error of image gradients")
    training: Training = Training(steps=1500, batch=64, lr=2e-3)


class Tokenizers(Section):
    """One tokenizer for each stream that the dynamics dream."""

    video: VideoTokenizerConfig = VideoTokenizerConfig()


class LatentsConfig(Section):
    """Tokens of every recording, encoded once."""

    dtype: Literal["float16", "float32"] = Field("float16", description="number format on disk")


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


class FusionConfig(Transformer):
    """Causal transformer over vision, sound and body: a world state for each frame."""

    layers: int = Field(3, ge=1, description="transformer layers")
    frames: int = Field(16, ge=4, description="frames in a training window")
    horizon: int = Field(4, ge=1, description="frames ahead that the world state must predict")
    mask: float = Field(
        0.3, ge=0, lt=1, description="chance that a sense is hidden in a window, so the others must serve"
    )
    temperature: float = Field(0.1, gt=0, description="temperature of the image-sound alignment")
    alignment_weight: float = Field(1.0, ge=0, description="weight of the image-sound alignment beside prediction")
    training: Training = Training(steps=800, batch=64, lr=1e-3)


class DynamicsConfig(Transformer):
    """Space-time transformer over video tokens, trained by diffusion forcing and steered by actions."""

    layers: int = Field(4, ge=1, description="transformer layers")
    time_every: int = Field(2, ge=1, description="every n-th layer attends over time, the others over space")
    registers: int = Field(2, ge=0, description="extra learned tokens a frame")
    frames: int = Field(8, ge=2, description="frames in a training window, and the longest context of a dream")
    unlabelled: float = Field(0.1, ge=0, lt=1, description="chance that a window trains without its actions")
    training: Training = Training(steps=2400, batch=16, lr=1.5e-3, ema=0.995)

    @model_validator(mode="after")
    def _time_fits(self) -> DynamicsConfig:
        if self.time_every > self.layers:
            raise ValueError(f"time_every is {self.time_every}, layers {self.layers}: no layer would attend over time")
        return self


class ProbeConfig(Section):
    """Linear and few-shot probes of the frozen encoders."""

    samples: int = Field(1500, ge=20, description="labelled windows taken from each of training and test recordings")
    labels: int = Field(25, ge=1, description="labelled windows a class in the linear probe")
    shots: int = Field(5, ge=1, description="examples a class in the few-shot probe")
    trials: int = Field(50, ge=2, description="draws of labelled windows to average")
    supervised_steps: int = Field(300, ge=1, description="steps of the supervised network that sets the ceiling")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class RetrievalConfig(Section):
    """Image-to-sound and sound-to-image retrieval among windows of different recordings."""

    queries: int = Field(400, ge=10, description="query windows from test recordings")
    candidates: int = Field(20, ge=2, description="candidates a query, the true one among them")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class WorldStateConfig(Section):
    """Linear read-out of simulator or console truth from the world state."""

    samples: int = Field(1500, ge=20, description="windows taken from each of training and test recordings")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class ReconstructionConfig(Section):
    """Tokenizer reconstruction of test frames."""

    frames: int = Field(1000, ge=10, description="frames from test recordings")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class RolloutConfig(Section):
    """Dreams beside truth: PSNR over the horizon, with true and with shuffled actions."""

    windows: int = Field(128, ge=8, description="dreamed windows from test recordings")
    context: int = Field(6, ge=1, description="true frames before the dream begins")
    horizon: int = Field(8, ge=1, description="dreamed frames")
    denoising_steps: int = Field(2, ge=1, description="Euler steps a dreamed frame")
    context_noise: float = Field(0.1, ge=0, lt=1, description="noise share that context frames carry while dreaming")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class Evaluations(Section):
    """One section an evaluation."""

    probe: ProbeConfig = ProbeConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    world_state: WorldStateConfig = WorldStateConfig()
    reconstruction: ReconstructionConfig = ReconstructionConfig()
    rollout: RolloutConfig = RolloutConfig()


class Lines(Section):
    """Which halves of the workflow run; results/eval.json holds what is on."""

    representation: bool = Field(True, description="encoders, fusion and their evaluations")
    generative: bool = Field(True, description="tokenizer, latents, dynamics and their evaluations")

    @model_validator(mode="after")
    def _something_runs(self) -> Lines:
        if not (self.representation or self.generative):
            raise ValueError("representation and generative are both off: switch one on")
        return self


class Config(Section):
    """The whole configuration of Sensorium."""

    data: Data = PlayroomConfig()
    lines: Lines = Lines()
    encoders: Encoders = Encoders()
    tokenizers: Tokenizers = Tokenizers()
    latents: LatentsConfig = LatentsConfig()
    fusion: FusionConfig = FusionConfig()
    dynamics: DynamicsConfig = DynamicsConfig()
    evaluations: Evaluations = Evaluations()

    def evaluations_on(self) -> list[str]:
        """Names of the evaluations that run: of the lines that are on, as far as the source has truth for them."""
        labelled = self.data.source == "playroom"  # a console's memory holds state, but no classes to probe for
        probes = ["probe_vision", "probe_audio"] if labelled else []
        representation = [*probes, "retrieval", "world_state"] if self.lines.representation else []
        generative = ["reconstruction", "rollout"] if self.lines.generative else []
        return representation + generative

    @model_validator(mode="before")
    @classmethod
    def _playroom_by_default(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("data"), dict):
            return {**values, "data": {"source": "playroom", **values["data"]}}
        return values

    @model_validator(mode="after")
    def _windows_fit(self) -> Config:
        windows = {
            "encoders.vision.neighbours + 1": self.encoders.vision.neighbours + 1,
            "encoders.audio.frames": self.encoders.audio.frames,
            "fusion.frames + fusion.horizon": self.fusion.frames + self.fusion.horizon,
            "dynamics.frames": self.dynamics.frames,
            "evaluations.rollout.context + evaluations.rollout.horizon": self.evaluations.rollout.context
            + self.evaluations.rollout.horizon,
        }
        for key, frames in windows.items():
            if frames > self.data.frames:
                raise ValueError(f"{key} is {frames}: it must not exceed data.frames ({self.data.frames})")
        if self.evaluations.rollout.context >= self.dynamics.frames:
            raise ValueError(
                f"evaluations.rollout.context is {self.evaluations.rollout.context}: "
                f"it must be below dynamics.frames ({self.dynamics.frames})"
            )
        return self


def validate(values: dict[str, Any]) -> Config:
    """Check a plain configuration and fill in defaults.

    Raises:
        ConfigurationError: with one line for each fault: the key, the value, what is allowed.
    """
    return _parse(Config, values)


def parse_section(model: Any, text: str) -> Any:
    """Read one section from JSON, as a rule hands it to a stage. `model` is a section or a union of them."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"--config is not JSON ({error}): {text[:80]!r}") from error
    return _parse(model, values)


def _parse(model: Any, values: Any) -> Any:
    try:
        return TypeAdapter(model).validate_python(values)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_explain(fault) for fault in error.errors())) from None


def _explain(fault: Any) -> str:
    place = [str(part) for part in fault["loc"] if part not in ("playroom", "atari", "folder")]
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":  # a rule over several keys: the message already names key and value
        return f"config: {'.'.join(place) or 'top level'}: {message}"
    return f"config: {'.'.join(place)} = {fault['input']!r}: {message}"


def canonical_json(section: BaseModel) -> str:
    """One line of JSON that is equal for equal settings: defaults filled in, keys sorted."""
    return json.dumps(section.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
