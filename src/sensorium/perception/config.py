"""Settings of perception: encoders, fusion, fine-tuning, and how they are judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field, model_validator

from sensorium.config import (
    AudioAugmentation,
    AudioData,
    Depth,
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
    Width,
    WorldSettings,
    without_muon,
)
from sensorium.config.sound import check_bands
from sensorium.config.splits import enough_for_two


class Contrast(Section):
    """The contrastive objective: NT-Xent with a variance term, or VICReg."""

    objective: Literal["nt_xent", "vicreg"] = Field(
        "nt_xent", description="nt_xent: find the partner among all others; vicreg: invariance, variance, covariance"
    )
    temperature: float = Field(0.1, gt=0, description="with nt_xent: its temperature")
    variance_weight: float = Field(
        1.0, ge=0, description="with nt_xent: weight of the hinge loss on each dimension's std"
    )
    projection: Width = Field(64, ge=2, description="width of the projection that the loss compares")


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

    width: Width = Field(
        24, ge=4, multiple_of=4, description="channels of the first convolution; doubled whenever resolution halves"
    )
    dim: Width = Field(128, ge=4, description="width of the embedding")
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

    width: Width = Field(24, ge=4, description="channels of the first convolution; doubled whenever resolution halves")
    dim: Width = Field(128, ge=4, description="width of the embedding")
    mels: Width = Field(64, ge=8, description="bands of the log-mel spectrogram")
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


class FusionConfig(Transformer):
    """Causal transformer over vision, sound and body; its output is a world state for each frame."""

    layers: Depth = Field(3, ge=1, description="transformer layers")
    frames: int = Field(16, ge=4, description="frames in each training window")
    components: Width = Field(
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

    @model_validator(mode="after")
    def _muon_fits(self) -> FinetuneConfig:
        if "fusion" in self.frozen:
            without_muon(self.training)
        return self


class ProbeConfig(Section):
    """Linear and few-shot probes of the frozen encoders."""

    samples: int = Field(
        1500, ge=20, description="labelled windows from training recordings, and as many from test recordings"
    )
    labels: int = Field(25, ge=1, description="labelled windows of each class for the linear probe")
    shots: int = Field(5, ge=1, description="examples of each class for the few-shot probe")
    trials: int = Field(50, ge=2, description="random draws of labelled windows, averaged")
    supervised_steps: int = Field(300, ge=1, description="training steps of the supervised network that is the ceiling")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class RetrievalConfig(Section):
    """Image-to-sound and sound-to-image retrieval among windows of different recordings."""

    queries: int = Field(1000, ge=10, description="query windows from test recordings")
    candidates: int = Field(100, ge=2, description="candidates for each query, the true one included")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class FewShotConfig(Section):
    """Few-shot classification with frozen encoders and fusion."""

    samples: int = Field(1000, ge=100, description="labelled windows from test recordings, for each sense")
    episodes: int = Field(600, ge=10, description="one-shot episodes, and as many five-shot episodes")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class PropertiesConfig(Section):
    """Readout of bodies' properties from the senses at impacts of the hand."""

    training: int = Field(3000, ge=20, description="impacts in training recordings that the readout is fitted on")
    test: int = Field(1200, ge=20, description="largest number of impacts in test recordings")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of random draws and of the bootstrap")


class ZeroShotConfig(Section):
    """Zero-shot recognition of combinations of visual and sound class that are withheld from the readout."""

    samples: int = Field(
        3000, ge=20, description="labelled windows from training recordings, and as many from test recordings"
    )
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class WorldStateConfig(Section):
    """Linear readout of the ground truth (simulator or console) from the world state."""

    samples: int = Field(2000, ge=20, description="windows from training recordings, and as many from test recordings")
    hidden: int = Field(8, ge=1, description="frames without sight at the end of a window, for the metric belief")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class FinetuningConfig(Section):
    """Effect of joint training: the same downstream evaluations before and after."""

    probe: ProbeConfig = ProbeConfig(trials=30)
    retrieval: RetrievalConfig = RetrievalConfig(queries=400, candidates=20)
    world_state: WorldStateConfig = WorldStateConfig()
    seed: int = Field(0, ge=0, description="seed of the bootstrap")


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
    """The sections of perception, and what they require of the recordings."""

    encoders: Encoders = Encoders()
    fusion: FusionConfig = FusionConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    evaluations: PerceptionEvaluations = PerceptionEvaluations()

    def sets(self) -> dict[str, Source]:
        """The world's recordings, and an encoder's own under its sense."""
        return super().sets() | self._own_sets()

    def _own_sets(self) -> dict[str, Source]:
        own = {name: getattr(self.encoders, name).data for name in Encoders.model_fields}
        return {name: data for name, data in own.items() if data is not None}

    def checks(self) -> dict[str, Callable[[], None]]:
        """What the settings name on this machine; an encoder's own set counts where encoders are trained."""
        own = {f"encoders.{name}.data": data.check for name, data in self._own_sets().items()}
        return super().checks() | (own if self.lines.representation else {})

    def warnings(self) -> list[str]:
        """What is likely to fail with an encoder's own set."""
        found = super().warnings()
        for name, data in self._own_sets().items() if self.lines.representation else ():
            found += [f"encoders.{name}.data.{text}" for text in data.warnings()]
            steps = getattr(self.encoders, name).training.steps
            if steps < 300:  # 120 on 1,797 digits left an encoder worse than an untrained one
                found.append(f"encoders.{name}.training.steps = {steps}: few; the encoder may be worse than untrained")
        return found

    def probed_set(self, modality: str) -> str | None:
        """The set that labels an encoder's probe: its own, else the world's; None if neither has labels."""
        # a console's memory holds state, but no classes; files carry no labels
        labelled = [name for name, data in self.sets().items() if isinstance(data, PlayroomConfig | LabelledSet)]
        return next((name for name in (modality, self.data.source) if name in labelled), None)

    def evaluations_on(self) -> list[str]:
        """Names of the evaluations that run, as far as the source has truth for them."""
        if not self.lines.representation:
            return super().evaluations_on()
        probes = [f"probe_{modality}" for modality in ("vision", "audio") if self.probed_set(modality)]
        few, joint = ["few_shot"] if probes else [], ["finetuning"] if self.lines.finetune else []
        bodies = ["properties"] if isinstance(self.data, PlayroomConfig) else []
        if isinstance(self.data, PlayroomConfig) and self.data.max_bodies - self.data.min_bodies >= 2:
            bodies.append("zero_shot")  # it withholds two visual classes, and a third must remain
        state = ["world_state"] if self.data.has_state() else []
        return [*super().evaluations_on(), *probes, "retrieval", *few, *bodies, *state, *joint]

    def trained(self) -> list[str]:
        """Folders of the models that this line trains, below results/."""
        own = ["encoders/vision", "encoders/audio", "fusion", *(["finetuned"] if self.lines.finetune else [])]
        return [*super().trained(), *(own if self.lines.representation else [])]

    def windows(self) -> dict[str, int]:
        """Frames of one recording that each setting needs."""
        vision, audio = self.encoders.vision, self.encoders.audio
        labelled = isinstance(self.data, PlayroomConfig) and self.lines.representation  # zero_shot cuts its sounds, too
        return super().windows() | {
            "encoders.vision.neighbours + 1": 0 if vision.data else vision.neighbours + 1,
            "encoders.audio.frames": 0 if audio.data and not labelled else audio.frames,
            "fusion.frames + the largest of fusion.offsets": self.fusion.frames + max(self.fusion.offsets),
        }

    def test_recordings(self) -> dict[str, int]:
        """Test recordings that each evaluation needs."""
        needed = super().test_recordings()
        if "few_shot" in needed and isinstance(self.data, PlayroomConfig):
            numbers = self.data.max_bodies - self.data.min_bodies + 1  # of bodies, which are the classes of vision
            needed["few_shot"] = enough_for_two(max(2, numbers) if self.probed_set("vision") == "playroom" else 2)
        return needed

    @model_validator(mode="after")
    def _own_windows_fit(self) -> PerceptionSettings:
        vision, audio = self.encoders.vision, self.encoders.audio
        if vision.data and vision.neighbours + 1 > vision.data.frames:
            raise ValueError(
                f"encoders.vision.neighbours is {vision.neighbours}: it must be at most {vision.data.frames - 1} here"
            )
        if audio.data and audio.frames > audio.data.frames:
            raise ValueError(
                f"encoders.audio.frames is {audio.frames}: it must not exceed encoders.audio.data.frames "
                f"({audio.data.frames})"
            )
        hidden = self.evaluations.world_state.hidden
        if hidden >= self.fusion.frames:
            raise ValueError(
                f"evaluations.world_state.hidden is {hidden}: it must be below fusion.frames ({self.fusion.frames})"
            )
        return self

    @model_validator(mode="after")
    def _data_fit(self) -> PerceptionSettings:
        vision, audio = self.encoders.vision.data, self.encoders.audio.data
        if self.lines.representation:
            check_bands(self.encoders.audio.mels, self.data.sample_rate, self.data.samples_per_frame)
        alike = isinstance(self.data, PlayroomConfig) and self.data.min_bodies == self.data.max_bodies
        if alike and self.lines.representation and (self.lines.finetune or self.probed_set("vision") == "playroom"):
            raise ValueError(
                "data.min_bodies and data.max_bodies are equal: evaluations of vision count bodies, so take several "
                "numbers of them, or set lines.representation to false"
            )
        if vision and vision.size != self.data.size:
            raise ValueError(
                f"encoders.vision.data.size is {vision.size}: it must be data.size ({self.data.size}); it embeds both"
            )
        if audio and self.data.source == "atari":
            raise ValueError(
                "encoders.audio.data is set while data.source is atari: a console's sound has its own rate; omit it"
            )
        for modality, stream, own in (("vision", "video", vision), ("audio", "audio", audio)):
            if isinstance(own, FolderConfig) and stream not in own.streams:
                raise ValueError(f"encoders.{modality}.data.streams is {own.streams}: it must name {stream}")
        return self
