"""Studies: experiments over many seeds, one section each, none of them part of the default run."""

from __future__ import annotations

from pydantic import Field, model_validator

from sensorium.agent.config import AgentConfig, AgentReturnConfig, CloningConfig, ImaginationConfig
from sensorium.config import VisionAugmentation
from sensorium.config.section import PlainTraining, Section, Training
from sensorium.config.sources import AtariConfig, Data, PlayroomConfig
from sensorium.generation.config import DynamicsConfig, ReconstructionConfig, VideoTokenizerConfig
from sensorium.perception.config import Contrast


class Study(Section):
    """What every study has."""

    seeds: int = Field(20, ge=2, description="repetitions, each with its own world, weights and draws")
    seed: int = Field(0, ge=0, description="first seed; the others follow it")

    def all_seeds(self) -> list[int]:
        """The seeds of the repetitions."""
        return list(range(self.seed, self.seed + self.seeds))


class CuriosityConfig(Study):
    """Curiosity in a room with a noisy television: where an agent spends its time."""

    steps: int = Field(600, ge=100, description="visits an agent makes; the novelty opens half way")
    batch: int = Field(64, ge=2, description="transitions seen in a visit; half of them teach, half of them examine")
    window: int = Field(20, ge=8, description="last visits to a place that tell how interesting it is")
    explore: float = Field(0.15, ge=0, lt=1, description="share of visits to a place drawn at random")
    width: int = Field(48, ge=4, description="hidden units of a forward model")
    lr: float = Field(0.001, gt=0, le=1, description="learning rate of the forward models")


class ForgettingConfig(Study):
    """Three tasks in a row: what is forgotten, and what protects from it."""

    recordings: int = Field(500, ge=20, description="playroom recordings whose impacts are heard")
    steps: int = Field(300, ge=1, description="training steps a task")
    batch: int = Field(32, ge=1, description="sounds of a task in a batch")
    lr: float = Field(0.01, gt=0, le=1, description="learning rate of Adam")
    width: int = Field(24, ge=2, description="hidden units of the classifier")
    weights: tuple[float, ...] = Field((3.0, 30.0, 300.0, 3000.0), description="weights of EWC, growing")
    weight: float = Field(30.0, gt=0, description="the one among them that is judged")

    @model_validator(mode="after")
    def _weights_grow(self) -> ForgettingConfig:
        if list(self.weights) != sorted(set(self.weights)) or self.weight not in self.weights:
            raise ValueError(f"weights is {self.weights}, weight {self.weight}: weights must grow and hold weight")
        return self


class PhysicsPriorConfig(Study):
    """What knowing gravity is worth where some things rise: a prior, a learner and their blend."""

    samples: tuple[int, ...] = Field((10, 30, 100, 300, 1000), description="training samples of the curve, growing")
    scenes: int = Field(300, ge=20, description="balls thrown for training; half as many for the test")
    steps: int = Field(300, ge=1, description="training steps, each on all samples")
    lr: float = Field(0.02, gt=0, le=1, description="learning rate of Adam")
    width: int = Field(32, ge=2, description="hidden units of a correction")
    penalty: float = Field(10.0, ge=0, description="penalty of the correction, as heavy as so many samples")


class ViolationsConfig(Study):
    """Violation of expectation: whether what breaks a law of physics surprises, and the same motion elsewhere not."""

    fours: int = Field(40, ge=2, description="matched fours of scenes a law: two possible, two impossible")
    scenes: int = Field(200, ge=10, description="ordinary scenes to learn from")
    noise: float = Field(0.2, ge=0, description="deviation of what is seen of a place, in hundredths of the room")
    steps: int = Field(300, ge=1, description="training steps, each on all frames")
    lr: float = Field(0.02, gt=0, le=1, description="learning rate of Adam")
    width: int = Field(32, ge=2, description="hidden units of what is learned")
    penalty: float = Field(1.0, ge=0, description="weight of the penalty on what is learned of single colours")


class BabblingConfig(Study):
    """Babbling: a hand that tries things at random, then what it makes progress with."""

    visits: int = Field(250, ge=20, description="visits of a life; each tries one action on balls of one colour")
    random: int = Field(60, ge=0, description="first of them that are drawn at random")
    attempts: int = Field(8, ge=2, description="attempts in a visit; half of them teach, half of them examine")
    lessons: int = Field(5, ge=1, description="steps of learning a visit, on its lesson and all earlier attempts there")
    window: int = Field(16, ge=4, description="last visits to a region that tell how interesting it is")
    explore: float = Field(0.15, ge=0, lt=1, description="share of visits drawn at random for ever")
    width: int = Field(32, ge=2, description="hidden units of a forward model")
    lr: float = Field(0.01, gt=0, le=1, description="learning rate of Adam")


class WordAugmentation(Section):
    """How a spoken word is made another speaker's, and another microphone's."""

    voices: int = Field(8, ge=2, description="other voices that each word is spoken in")
    pitch: float = Field(6.0, ge=0, le=12, description="largest shift of pitch in another voice, in semitones")
    formant: float = Field(5.0, ge=0, le=12, description="largest shift of formants in another voice, in semitones")
    crop: float = Field(0.3, ge=0, lt=1, description="largest share of a word that a view leaves out")
    warp: float = Field(0.06, ge=0, le=0.5, description="deviation of time and bands from even, in half widths")
    channel: float = Field(0.3, ge=0, description="deviation of the microphone's gain, in decades of power")
    noise: float = Field(1.5, ge=0, description="most noise, in decades above silence")
    mask: float = Field(0.25, ge=0, le=1, description="largest share of the bands, and of the columns, that is hidden")


class SpokenDigitsConfig(Study):
    """Digits of a speaker whom the encoder never heard; each repetition leaves out the next speaker."""

    archive: str = Field(
        "../shared/data/spoken_digits.tar.gz", description="archive SET/DIGIT/DIGIT_SPEAKER_TAKE.wav, .tar.gz"
    )
    seeds: int = Field(4, ge=2, description="repetitions, each with its own speaker left out, weights and draws")
    expected: float = Field(0.7, ge=0, le=1, description="accuracy that is asked for")
    width: int = Field(16, ge=4, description="channels of the first convolution; doubled at each halving")
    dim: int = Field(256, ge=4, description="width of the embedding")
    augmentation: WordAugmentation = WordAugmentation()
    contrast: Contrast = Contrast(temperature=0.5)
    neighbours: int = Field(5, ge=1, description="nearest words of other speakers that a word may be paired with")
    met: float = Field(0.8, ge=0, le=1, description="share of pairs that are a word and such a neighbour")
    meet_after: int = Field(60, ge=0, description="steps before that; until then a word is paired with itself")
    training: PlainTraining = Training(steps=600, batch=128, lr=2e-3, warmup=20)


class HandwritingConfig(Study):
    """Characters of an alphabet the encoder never saw, one example each; each repetition leaves out the next one."""

    archive: str = Field(
        "../shared/data/omniglot_small1.zip", description="archive SET/ALPHABET/CHARACTER/NUMBER_WRITER.png, .zip"
    )
    seeds: int = Field(5, ge=2, description="repetitions, each with its own alphabet left out, weights and draws")
    expected: float = Field(0.85, ge=0, le=1, description="accuracy that is asked for")
    size: int = Field(42, ge=16, description="height and width of a drawing, in pixels")
    episodes: int = Field(600, ge=1, description="episodes for each alphabet")
    width: int = Field(16, ge=4, description="channels of the first convolution; doubled at each halving")
    dim: int = Field(128, ge=4, description="width of the embedding")
    augmentation: VisionAugmentation = VisionAugmentation(
        crop=0.8, flip=0.0, jitter=0.0, grayscale=0.0, rotation=10.0, shear=0.2, bend=0.04
    )
    contrast: Contrast = Contrast(temperature=0.2)
    training: PlainTraining = Training(steps=2000, batch=128, lr=2e-3, warmup=20)


class SightPriorsConfig(Study):
    """What priors of sight are worth at few labels: the same encoder with a prior, and with none in its place."""

    seeds: int = Field(5, ge=2, description="repetitions, each with its own recordings, weights and draws")
    recordings: int = Field(160, ge=16, description="recordings a repetition, a quarter of them for the test")
    labels: tuple[int, ...] = Field((20, 50, 100, 500), min_length=1, description="labelled images to learn from")
    test: int = Field(500, ge=10, description="labelled images to judge by")
    draws: int = Field(10, ge=1, description="draws of labelled images a repetition")
    width: int = Field(16, ge=4, description="channels of the first convolution; doubled at each halving")
    training: PlainTraining = Training(steps=100, batch=96, lr=2e-3, warmup=20)


class AgentReturnsConfig(Study):
    """Whether dreaming makes a better policy than cloning, in the real environment; small, for two CPU cores."""

    seeds: int = Field(3, ge=2, description="repetitions, each with its own recordings, models and episodes")
    data: Data = PlayroomConfig(task="left", max_bodies=1, size=16, recordings=320, test_fraction=0.25, shards=1)
    tokenizer: VideoTokenizerConfig = VideoTokenizerConfig(
        width=16, training=Training(steps=500, batch=32, lr=3e-3, warmup=20)
    )
    dynamics: DynamicsConfig = DynamicsConfig(
        dim=64, layers=2, heads=2, registers=1, images=0.0, dreamed=0.0,
        training=Training(steps=1200, batch=4, lr=2e-3, warmup=30, ema=0.98),
    )  # fmt: skip
    agent: AgentConfig = AgentConfig(
        cloning=CloningConfig(distances=4, training=Training(steps=400, batch=8, lr=2e-3, warmup=20, ema=0.98)),
        imagination=ImaginationConfig(training=Training(steps=150, batch=32, lr=1e-3, warmup=10, weight_decay=0.0)),
    )
    play: AgentReturnConfig = AgentReturnConfig()


class AtariReturnsConfig(AgentReturnsConfig):
    """The same in a game of a console, whose recorded player presses keys at random."""

    data: Data = AtariConfig(
        source="atari", games=("yars_revenge",), repeat_action=0.9, recordings=400, frames=96, test_fraction=0.25,
        shards=1,
    )  # fmt: skip
    tokenizer: VideoTokenizerConfig = VideoTokenizerConfig(
        width=24, training=Training(steps=700, batch=32, lr=2e-3, warmup=20)
    )
    dynamics: DynamicsConfig = DynamicsConfig(
        dim=96, layers=4, heads=3, key_heads=1, registers=1,
        training=Training(steps=1200, batch=4, lr=1e-3, muon=3.0, warmup=30, ema=0.99),
    )  # fmt: skip
    agent: AgentConfig = AgentConfig(
        cloning=CloningConfig(distances=4, training=Training(steps=800, batch=8, lr=1e-3, warmup=20, ema=0.98)),
        imagination=ImaginationConfig(training=Training(steps=200, batch=32, lr=1e-3, warmup=10, weight_decay=0.0)),
    )


class TokenizersStudyConfig(Study):
    """Both video tokenizers on the same recordings, beside principal components."""

    seeds: int = Field(3, ge=2, description="repetitions, each with its own recordings and weights")
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
                raise ValueError(f"{kind}.kind is {given}: it must be {kind}, for its figures are told under that name")
        if self.convolutional.channels != self.transformer.channels:
            raise ValueError(
                f"transformer.channels is {self.transformer.channels}: it must be convolutional.channels "
                f"({self.convolutional.channels}), for both are held to the same principal components"
            )
        return self


class Studies(Section):
    """One section a study: results/studies/NAME.json."""

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
