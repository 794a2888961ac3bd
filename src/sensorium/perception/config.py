"""Settings of perception: encoders, fusion, fine-tuning, and how they are judged."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sensorium.config import (
    AudioAugmentation,
    AudioData,
    FolderConfig,
    LabelledSet,
    PlainTraining,
    PlayroomConfig,
    Section,
    Source,
    Training,
    Transformer,
    VisionAugmentation,
    VisionData,
    WorldSettings,
)


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

    queries: int = Field(1000, ge=10, description="query windows from test recordings")
    candidates: int = Field(100, ge=2, description="candidates a query, the true one among them")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class FewShotConfig(Section):
    """Episodes of few-shot classification from frozen encoders and fusion."""

    samples: int = Field(1000, ge=20, description="labelled windows of test recordings, of each sense")
    episodes: int = Field(600, ge=10, description="episodes with one example a class, and as many with five")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class PropertiesConfig(Section):
    """What senses tell of the properties of bodies that the hand strikes."""

    training: int = Field(3000, ge=20, description="strikes in training recordings that the read-out learns from")
    test: int = Field(1200, ge=20, description="strikes in test recordings, at most")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class ZeroShotConfig(Section):
    """Kinds that were never met: classes seen and heard in combinations that are withheld."""

    samples: int = Field(3000, ge=20, description="labelled windows taken from each of training and test recordings")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class WorldStateConfig(Section):
    """Linear read-out of simulator or console truth from the world state."""

    samples: int = Field(2000, ge=20, description="windows taken from each of training and test recordings")
    hidden: int = Field(8, ge=1, description="last frames of a window without sight, where belief is read")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class FinetuningConfig(Section):
    """What joint training gains and what it harms: the same downstream tests before and after."""

    probe: ProbeConfig = ProbeConfig(trials=30)
    retrieval: RetrievalConfig = RetrievalConfig(queries=400, candidates=20)
    world_state: WorldStateConfig = WorldStateConfig()
    seed: int = Field(0, ge=0, description="seed of resampling")


class PerceptionEvaluations(Section):
    """How perception is judged."""

    probe: ProbeConfig = ProbeConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    few_shot: FewShotConfig = FewShotConfig()
    properties: PropertiesConfig = PropertiesConfig()
    zero_shot: ZeroShotConfig = ZeroShotConfig()
    world_state: WorldStateConfig = WorldStateConfig()
    finetuning: FinetuningConfig = FinetuningConfig()


class PerceptionSettings(WorldSettings):
    """The sections of perception, and what they ask of the world."""

    encoders: Encoders = Encoders()
    fusion: FusionConfig = FusionConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    evaluations: PerceptionEvaluations = PerceptionEvaluations()

    def sets(self) -> dict[str, Source]:
        """The world's recordings, and an encoder's own under its sense."""
        own = {"vision": self.encoders.vision.data, "audio": self.encoders.audio.data}
        return super().sets() | {name: data for name, data in own.items() if data is not None}

    def probed_set(self, modality: str) -> str | None:
        """The set whose labels an encoder is probed for: its own, else the world's; None if neither has labels."""
        # a console's memory holds state, but no classes; files carry no labels
        labelled = [name for name, data in self.sets().items() if isinstance(data, PlayroomConfig | LabelledSet)]
        return next((name for name in (modality, self.data.source) if name in labelled), None)

    def evaluations_on(self) -> list[str]:
        """Names of the evaluations that run, as far as the source has truth for them."""
        if not self.lines.representation:
            return super().evaluations_on()
        probes = [f"probe_{modality}" for modality in ("vision", "audio") if self.probed_set(modality)]
        few = ["few_shot"] if probes else []
        bodies = ["properties"] if isinstance(self.data, PlayroomConfig) else []
        if isinstance(self.data, PlayroomConfig) and self.data.max_bodies - self.data.min_bodies >= 2:
            bodies.append("zero_shot")  # withholds two classes seen, and a third must be left
        state = [] if isinstance(self.data, FolderConfig) else ["world_state"]
        joint = ["finetuning"] if self.lines.finetune else []
        return [*super().evaluations_on(), *probes, "retrieval", *few, *bodies, *state, *joint]

    def trained(self) -> list[str]:
        """Folders of the models that this line trains, below results/."""
        finetuned = ["finetuned"] if self.lines.finetune else []
        own = ["encoders/vision", "encoders/audio", "fusion", *finetuned] if self.lines.representation else []
        return [*super().trained(), *own]

    def windows(self) -> dict[str, int]:
        """Frames that each setting asks of a recording."""
        vision, audio = self.encoders.vision, self.encoders.audio
        return super().windows() | {
            "encoders.vision.neighbours + 1": 0 if vision.data else vision.neighbours + 1,
            "encoders.audio.frames": 0 if audio.data else audio.frames,
            "fusion.frames + the largest of fusion.offsets": self.fusion.frames + max(self.fusion.offsets),
        }

    @model_validator(mode="after")
    def _own_windows_fit(self) -> PerceptionSettings:
        vision, audio = self.encoders.vision, self.encoders.audio
        if vision.data and vision.neighbours + 1 > vision.data.frames:
            raise ValueError(
                f"encoders.vision.neighbours is {vision.neighbours}: encoders.vision.data has {vision.data.frames} "
                f"frames that belong together, so it must be at most {vision.data.frames - 1}"
            )
        if audio.data and audio.frames > audio.data.frames:
            raise ValueError(
                f"encoders.audio.frames is {audio.frames}: it must not exceed encoders.audio.data.frames "
                f"({audio.data.frames})"
            )
        hidden = self.evaluations.world_state.hidden
        if hidden >= self.fusion.frames:
            raise ValueError(
                f"evaluations.world_state.hidden is {hidden}: it must be below fusion.frames ({self.fusion.frames}), "
                "for something must be seen first"
            )
        return self

    @model_validator(mode="after")
    def _own_data_fits_the_world(self) -> PerceptionSettings:
        vision, audio = self.encoders.vision.data, self.encoders.audio.data
        if vision and vision.size != self.data.size:
            raise ValueError(
                f"encoders.vision.data.size is {vision.size}: it must be data.size ({self.data.size}), for the same "
                "encoder looks at the recordings"
            )
        if audio and self.data.source == "atari":
            raise ValueError(
                "encoders.audio.data is set while data.source is atari: a console's sound has its own rate, so its "
                "encoder must learn from it; leave encoders.audio.data out"
            )
        for modality, stream, own in (("vision", "video", vision), ("audio", "audio", audio)):
            if isinstance(own, FolderConfig) and stream not in own.streams:
                raise ValueError(f"encoders.{modality}.data.streams is {own.streams}: it must name {stream}")
        return self
