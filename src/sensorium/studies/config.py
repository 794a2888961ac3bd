"""Studies: experiments over many seeds, one section for each; none is part of the default run."""

from __future__ import annotations

from pydantic import Field, model_validator

from sensorium.agent.config import AgentConfig, AgentReturnConfig, CloningConfig, ImaginationConfig
from sensorium.config import VisionAugmentation
from sensorium.config.episodes import Data
from sensorium.config.section import PlainTraining, Section, Training, Width
from sensorium.config.sources import TOKENIZER_STRIDE, AtariConfig, PlayroomConfig
from sensorium.generation.config import PCA_FRAMES, DynamicsConfig, ReconstructionConfig
from sensorium.generation.tokenizer_config import VideoTokenizerConfig
from sensorium.perception.config import Contrast
from sensorium.studies.dreaming_config import DreamingConfig
from sensorium.studies.music_config import MusicCodesConfig, MusicNumbersConfig
from sensorium.studies.study_config import Study


class CuriosityConfig(Study):
    """Curiosity and the noisy television: where an agent spends its time."""

    steps: int = Field(600, ge=100, description="visits of an agent; the door to the novelty opens half way")
    batch: int = Field(64, ge=2, description="transitions in each visit: half for training, half for testing")
    window: int = Field(20, ge=8, description="latest visits to a place, from which interest in it is computed")
    explore: float = Field(0.15, ge=0, lt=1, description="share of visits whose place is random")
    width: Width = Field(48, ge=4, description="hidden units of each forward model")
    lr: float = Field(0.001, gt=0, le=1, description="learning rate of the forward models")


class ForgettingConfig(Study):
    """Forgetting: three tasks in sequence, with and without protection of the earlier ones."""

    recordings: int = Field(500, ge=20, description="playroom recordings from which impacts are taken")
    steps: int = Field(300, ge=1, description="training steps for each task")
    batch: int = Field(32, ge=1, description="sounds of the task in each batch")
    lr: float = Field(0.01, gt=0, le=1, description="learning rate of Adam")
    width: Width = Field(24, ge=2, description="hidden units of the classifier")
    weights: tuple[float, ...] = Field(
        (3.0, 30.0, 300.0, 3000.0), description="weights of EWC that are compared, in increasing order"
    )
    weight: float = Field(30.0, gt=0, description="the one among `weights` that the metrics are about")
    plain_weights: tuple[float, ...] = Field(
        (0.01, 0.03, 0.1, 0.3), min_length=1, description="weights of plain L2 to the old weights; each is a baseline"
    )

    @model_validator(mode="after")
    def _weights_grow(self) -> ForgettingConfig:
        if list(self.weights) != sorted(set(self.weights)) or self.weight not in self.weights:
            raise ValueError(f"weights is {self.weights}, weight {self.weight}: weights must grow and contain weight")
        return self


class PhysicsPriorConfig(Study):
    """Value of knowing gravity where some things rise: a prior, a learner and both combined."""

    samples: tuple[int, ...] = Field(
        (10, 30, 100, 300, 1000), description="training samples of the learning curve, in increasing order"
    )
    scenes: int = Field(300, ge=20, description="simulated throws for training; half as many for testing")
    steps: int = Field(300, ge=1, description="training steps, each on all samples")
    lr: float = Field(0.02, gt=0, le=1, description="learning rate of Adam")
    width: Width = Field(32, ge=2, description="hidden units of the learned correction")
    penalty: float = Field(10.0, ge=0, description="weight of the penalty on the correction, in samples")

    @model_validator(mode="after")
    def _samples_grow(self) -> PhysicsPriorConfig:
        if not self.samples or list(self.samples) != sorted(set(self.samples)) or self.samples[0] < 1:
            raise ValueError(f"samples is {self.samples}: it needs numbers from 1 on, in increasing order")
        return self


class ViolationsConfig(Study):
    """Violation of expectation: whether breaking a law of physics surprises, and the same motion elsewhere does not."""

    fours: int = Field(40, ge=2, description="matched groups of four scenes for each law: two possible, two impossible")
    scenes: int = Field(200, ge=10, description="ordinary scenes for training")
    noise: float = Field(0.2, ge=0, description="std of the noise on observed positions, in hundredths of the room")
    steps: int = Field(300, ge=1, description="training steps, each on all frames")
    lr: float = Field(0.02, gt=0, le=1, description="learning rate of Adam")
    width: Width = Field(32, ge=2, description="hidden units of the learned part")
    penalty: float = Field(1.0, ge=0, description="weight of the penalty on what is learned about single colours")


class BabblingConfig(Study):
    """Babbling: a hand acts at random first, then where its predictions make progress."""

    visits: int = Field(250, ge=20, description="visits in a run; each tries one action on balls of one colour")
    random: int = Field(60, ge=0, description="visits at the beginning that are random")
    attempts: int = Field(8, ge=2, description="attempts in each visit: half for training, half for testing")
    lessons: int = Field(
        5, ge=1, description="training steps in each visit, on its attempts and all earlier ones in that region"
    )
    window: int = Field(16, ge=4, description="latest visits to a region, from which interest in it is computed")
    explore: float = Field(0.15, ge=0, lt=1, description="share of later visits that are random")
    width: Width = Field(32, ge=2, description="hidden units of each forward model")
    lr: float = Field(0.01, gt=0, le=1, description="learning rate of Adam")

    @model_validator(mode="after")
    def _some_visits_are_chosen(self) -> BabblingConfig:
        if self.random >= self.visits:
            raise ValueError(f"random is {self.random}: it must be below visits ({self.visits})")
        return self


class WordAugmentation(Section):
    """Random augmentation of spoken words: other voices, other microphones."""

    voices: int = Field(8, ge=2, description="other voices into which each word is converted")
    pitch: float = Field(6.0, ge=0, le=12, description="largest pitch shift of another voice, in semitones")
    formant: float = Field(5.0, ge=0, le=12, description="largest formant shift of another voice, in semitones")
    crop: float = Field(0.3, ge=0, lt=1, description="largest share of a word that a view leaves out")
    warp: float = Field(0.06, ge=0, le=0.5, description="std of the random warp of time and of bands, in half widths")
    channel: float = Field(0.3, ge=0, description="std of the microphone's gain, in decades of power")
    noise: float = Field(1.5, ge=0, description="loudest noise, in decades of power above silence")
    mask: float = Field(0.25, ge=0, le=1, description="largest share of bands, and of columns, that is masked")


class SpokenDigitsConfig(Study):
    """Spoken digits of a speaker whom the encoder never heard; each repetition leaves out the next speaker."""

    archive: str = Field(
        "../shared/data/spoken_digits.tar.gz", description="path of a .tar.gz with SET/DIGIT/DIGIT_SPEAKER_TAKE.wav"
    )
    seeds: int = Field(
        4, ge=2, description="repetitions, each with another speaker left out and other weights and random draws"
    )
    expected: float = Field(0.7, ge=0, le=1, description="accuracy that the claim requires")
    few: int = Field(5, ge=1, description="labelled words of each digit for the probe with few labels")
    width: Width = Field(
        16, ge=4, multiple_of=4, description="channels of the first convolution; doubled whenever resolution halves"
    )
    dim: Width = Field(256, ge=4, description="width of the embedding")
    augmentation: WordAugmentation = WordAugmentation()
    contrast: Contrast = Contrast(temperature=0.5)
    neighbours: int = Field(
        5, ge=1, description="nearest words of other speakers, from which the partner of a word is drawn"
    )
    met: float = Field(
        0.8,
        ge=0,
        le=1,
        description="share of words paired with such a neighbour; the others are paired with themselves",
    )
    meet_after: int = Field(60, ge=0, description="steps before that; until then every word is paired with itself")
    training: PlainTraining = Training(steps=600, batch=128, lr=2e-3, warmup=20)


class HandwritingConfig(Study):
    """One-shot recognition of characters of an unseen alphabet; each repetition leaves out the next alphabet."""

    archive: str = Field(
        "../shared/data/omniglot_small1.zip", description="path of a .zip with SET/ALPHABET/CHARACTER/NUMBER_WRITER.png"
    )
    seeds: int = Field(
        5, ge=2, description="repetitions, each with another alphabet left out and other weights and random draws"
    )
    expected: float = Field(0.85, ge=0, le=1, description="accuracy that the claim requires")
    size: int = Field(42, ge=16, le=256, description="height and width of a drawing, in pixels")
    episodes: int = Field(600, ge=1, description="episodes for each alphabet")
    width: Width = Field(
        16, ge=4, multiple_of=4, description="channels of the first convolution; doubled whenever resolution halves"
    )
    dim: Width = Field(128, ge=4, description="width of the embedding")
    augmentation: VisionAugmentation = VisionAugmentation(
        crop=0.8, flip=0.0, jitter=0.0, grayscale=0.0, rotation=10.0, shear=0.2, bend=0.04
    )
    contrast: Contrast = Contrast(temperature=0.2)
    training: PlainTraining = Training(steps=2000, batch=128, lr=2e-3, warmup=20)


class SightPriorsConfig(Study):
    """Value of visual priors with few labels: the same encoder with each prior and without."""

    seeds: int = Field(5, ge=2, description="repetitions, each with different recordings, weights and random draws")
    recordings: int = Field(160, ge=16, description="recordings for each repetition, a quarter of them for testing")
    labels: tuple[int, ...] = Field(
        (20, 50, 100, 500), min_length=1, description="numbers of labelled images for the probe"
    )
    test: int = Field(500, ge=10, description="labelled images for testing")
    draws: int = Field(10, ge=1, description="random draws of labelled images in each repetition, averaged")
    width: Width = Field(
        16, ge=4, multiple_of=4, description="channels of the first convolution; doubled whenever resolution halves"
    )
    training: PlainTraining = Training(steps=100, batch=96, lr=2e-3, warmup=20)

    @model_validator(mode="after")
    def _labels_suffice(self) -> SightPriorsConfig:
        if min(self.labels) < 8:
            raise ValueError(f"labels is {self.labels}: with less than 8 images all may be of one class")
        return self


class AgentReturnsConfig(Study):
    """Whether training in dreams beats cloning, in the real environment; small, for two CPU cores."""

    seeds: int = Field(3, ge=2, description="repetitions, each with different recordings, models and episodes")
    data: Data = PlayroomConfig(task="left", max_bodies=1, size=16, recordings=320, test_fraction=0.25, shards=1)
    tokenizer: VideoTokenizerConfig = VideoTokenizerConfig(
        width=16, training=Training(steps=500, batch=32, lr=3e-3, warmup=20)
    )
    dynamics: DynamicsConfig = DynamicsConfig(
        dim=64,
        layers=2,
        heads=2,
        registers=1,
        images=0.0,
        dreamed=0.0,
        training=Training(steps=1200, batch=4, lr=2e-3, warmup=30, ema=0.98),
    )
    agent: AgentConfig = AgentConfig(
        cloning=CloningConfig(distances=4, training=Training(steps=400, batch=8, lr=2e-3, warmup=20, ema=0.98)),
        imagination=ImaginationConfig(training=Training(steps=150, batch=32, lr=1e-3, warmup=10, weight_decay=0.0)),
    )
    play: AgentReturnConfig = AgentReturnConfig()

    @model_validator(mode="after")
    def _world_fits(self) -> AgentReturnsConfig:
        if not self.data.has_rewards():
            raise ValueError("data has no rewards: set data.task, or record a game")
        self.tokenizer.check_size(self.data.size)
        if self.dynamics.path != "filtered":
            raise ValueError(
                f"dynamics.path is {self.dynamics.path}: this study trains filtered dynamics; set filtered"
            )
        needed = {
            "tokenizer.transformer.frames": self.tokenizer.frames,
            "dynamics.long_frames + agent.cloning.distances": self.dynamics.long_frames + self.agent.cloning.distances,
            "agent.imagination.context": self.agent.imagination.context,
        }
        for key, frames in needed.items():
            if frames > self.data.frames:
                raise ValueError(f"{key} is {frames}: it must not exceed data.frames ({self.data.frames})")
        if self.data.split_counts()["test"] < 2:
            raise ValueError(f"data.recordings is {self.data.recordings}: at least 2 must be for testing")
        return self


class AtariReturnsConfig(AgentReturnsConfig):
    """The same in an Atari game, recorded from a random policy."""

    data: Data = AtariConfig(
        source="atari",
        games=("yars_revenge",),
        repeat_action=0.9,
        recordings=400,
        frames=96,
        test_fraction=0.25,
        shards=1,
    )
    tokenizer: VideoTokenizerConfig = VideoTokenizerConfig(
        width=24, training=Training(steps=700, batch=32, lr=2e-3, warmup=20)
    )
    dynamics: DynamicsConfig = DynamicsConfig(
        dim=96,
        layers=4,
        heads=3,
        key_heads=1,
        registers=1,
        training=Training(steps=1200, batch=4, lr=1e-3, muon=3.0, warmup=30, ema=0.99),
    )
    agent: AgentConfig = AgentConfig(
        cloning=CloningConfig(distances=4, training=Training(steps=800, batch=8, lr=1e-3, warmup=20, ema=0.98)),
        imagination=ImaginationConfig(training=Training(steps=200, batch=32, lr=1e-3, warmup=10, weight_decay=0.0)),
    )


class TokenizersStudyConfig(Study):
    """Both video tokenizers on the same recordings, compared with principal components."""

    seeds: int = Field(3, ge=2, description="repetitions, each with different recordings and weights")
    data: Data = PlayroomConfig()
    convolutional: VideoTokenizerConfig = VideoTokenizerConfig()
    transformer: VideoTokenizerConfig = VideoTokenizerConfig(
        kind="transformer", training=Training(steps=2500, batch=16, lr=2e-3, muon=3.0)
    )
    reconstruction: ReconstructionConfig = ReconstructionConfig()

    @model_validator(mode="after")
    def _kinds_fit(self) -> TokenizersStudyConfig:
        for kind in ("convolutional", "transformer"):
            if (given := getattr(self, kind).kind) != kind:
                raise ValueError(
                    f"{kind}.kind is {given}: it must be {kind}, because its results are reported under that name"
                )
        if self.convolutional.channels != self.transformer.channels:
            raise ValueError(
                f"transformer.channels is {self.transformer.channels}: it must be convolutional.channels "
                f"({self.convolutional.channels}), because both are compared with the same principal components"
            )
        return self

    @model_validator(mode="after")
    def _frames_fit(self) -> TokenizersStudyConfig:
        if not self.data.has("video"):
            raise ValueError("data.streams has no video")
        self.convolutional.check_size(self.data.size)
        self.transformer.check_size(self.data.size)
        numbers = (self.data.size // TOKENIZER_STRIDE) ** 2 * self.convolutional.channels
        if numbers >= PCA_FRAMES:
            raise ValueError(
                f"{numbers} numbers a frame, and {PCA_FRAMES} frames to fit as many principal components on; lower "
                "data.size or channels"
            )
        if self.transformer.frames > self.data.frames:
            raise ValueError(
                f"transformer.transformer.frames is {self.transformer.frames}: it must not exceed data.frames "
                f"({self.data.frames})"
            )
        if self.data.split_counts()["test"] < 2:
            raise ValueError(f"data.recordings is {self.data.recordings}: at least 2 must be for testing")
        return self


class Studies(Section):
    """The studies, one section for each: results/studies/NAME.json."""

    curiosity: CuriosityConfig = CuriosityConfig()
    forgetting: ForgettingConfig = ForgettingConfig()
    physics_prior: PhysicsPriorConfig = PhysicsPriorConfig()
    violations: ViolationsConfig = ViolationsConfig()
    babbling: BabblingConfig = BabblingConfig()
    spoken_digits: SpokenDigitsConfig = SpokenDigitsConfig()
    handwriting: HandwritingConfig = HandwritingConfig()
    sight_priors: SightPriorsConfig = SightPriorsConfig()
    agent_returns: AgentReturnsConfig = AgentReturnsConfig()
    atari_returns: AtariReturnsConfig = AtariReturnsConfig()
    tokenizers: TokenizersStudyConfig = TokenizersStudyConfig()
    dreaming: DreamingConfig = DreamingConfig()
    music_numbers: MusicNumbersConfig = MusicNumbersConfig()
    music_codes: MusicCodesConfig = MusicCodesConfig()
