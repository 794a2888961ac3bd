"""The configuration: everything that changes a result, and nothing that does not.

Each stage has one section, each section one model. Devices, precision, workers and minutes are not
here: profiles and command-line arguments hold them, so changing them never reruns anything.
This module never imports torch, so `snakemake -n` stays fast.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, model_validator

from sensorium.config.agent import AgentConfig, CloningConfig, ImaginationConfig
from sensorium.config.evaluations import (
    AgentReturnConfig,
    CausalConfig,
    CounterfactualConfig,
    DreamConfig,
    DriftConfig,
    Evaluations,
    FewShotConfig,
    FinetuningConfig,
    MotionConfig,
    ProbeConfig,
    PropertiesConfig,
    ReconstructionConfig,
    RetrievalConfig,
    RolloutConfig,
    SoundReconstructionConfig,
    UncertaintyConfig,
    WorldStateConfig,
    ZeroShotConfig,
)
from sensorium.config.models import (
    AudioAugmentation,
    AudioEncoderConfig,
    AudioPriors,
    AudioTokenizerConfig,
    Contrast,
    DynamicsConfig,
    Encoders,
    FinetuneConfig,
    FusionConfig,
    LatentsConfig,
    StateDynamicsConfig,
    Tokenizers,
    Transformer,
    TransformerTokenizerConfig,
    VideoTokenizerConfig,
    VisionAugmentation,
    VisionEncoderConfig,
    VisionPriors,
)
from sensorium.config.section import ConfigurationError, Section, Training
from sensorium.config.sets import (
    CIFAR_FOLDER,
    SOURCES,
    SPEECH_FOLDER,
    AnyData,
    Cifar100Config,
    ImageNetConfig,
    LabelledSet,
    PictureFoldersConfig,
    PictureSet,
    SoundFoldersConfig,
    SoundSet,
    SpeechCommandsConfig,
)
from sensorium.config.sources import (
    SOUND_SUFFIXES,
    TOKENIZER_STRIDE,
    UNLOADABLE_GAMES,
    AtariConfig,
    Data,
    FolderConfig,
    PlayroomConfig,
    Recordings,
    Source,
)
from sensorium.config.studies import (
    AgentReturnsConfig,
    AtariReturnsConfig,
    BabblingConfig,
    CuriosityConfig,
    ForgettingConfig,
    HandwritingConfig,
    PhysicsPriorConfig,
    SightPriorsConfig,
    SpokenDigitsConfig,
    Studies,
    Study,
    TokenizersStudyConfig,
    ViolationsConfig,
    WordAugmentation,
)

__all__ = [
    "CIFAR_FOLDER",
    "SOUND_SUFFIXES",
    "SOURCES",
    "SPEECH_FOLDER",
    "TOKENIZER_STRIDE",
    "UNLOADABLE_GAMES",
    "AgentConfig",
    "AgentReturnConfig",
    "AgentReturnsConfig",
    "AnyData",
    "AtariConfig",
    "AtariReturnsConfig",
    "AudioAugmentation",
    "AudioEncoderConfig",
    "AudioPriors",
    "AudioTokenizerConfig",
    "BabblingConfig",
    "CausalConfig",
    "Cifar100Config",
    "CloningConfig",
    "Config",
    "ConfigurationError",
    "Contrast",
    "CounterfactualConfig",
    "CuriosityConfig",
    "Data",
    "DreamConfig",
    "DriftConfig",
    "DynamicsConfig",
    "Encoders",
    "Evaluations",
    "FewShotConfig",
    "FinetuneConfig",
    "FinetuningConfig",
    "FolderConfig",
    "ForgettingConfig",
    "FusionConfig",
    "HandwritingConfig",
    "ImageNetConfig",
    "ImaginationConfig",
    "LabelledSet",
    "LatentsConfig",
    "Lines",
    "MotionConfig",
    "PhysicsPriorConfig",
    "PictureFoldersConfig",
    "PictureSet",
    "PlayroomConfig",
    "ProbeConfig",
    "PropertiesConfig",
    "ReconstructionConfig",
    "Recordings",
    "RetrievalConfig",
    "RolloutConfig",
    "Section",
    "SightPriorsConfig",
    "SoundFoldersConfig",
    "SoundReconstructionConfig",
    "SoundSet",
    "Source",
    "SpeechCommandsConfig",
    "SpokenDigitsConfig",
    "StateDynamicsConfig",
    "Studies",
    "Study",
    "Tokenizers",
    "TokenizersStudyConfig",
    "Training",
    "Transformer",
    "TransformerTokenizerConfig",
    "UncertaintyConfig",
    "VideoTokenizerConfig",
    "ViolationsConfig",
    "VisionAugmentation",
    "VisionEncoderConfig",
    "VisionPriors",
    "WordAugmentation",
    "WorldStateConfig",
    "ZeroShotConfig",
    "canonical_json",
    "parse_section",
    "validate",
]


class Lines(Section):
    """The lines of the workflow that run; results/eval.json holds their evaluations."""

    representation: bool = Field(True, description="train encoders, fusion and state dynamics, and evaluate them")
    finetune: bool = Field(True, description="with representation: also train encoders and fusion together")
    generative: bool = Field(True, description="train tokenizers, encode latents, train dynamics, and evaluate them")
    agent: bool = Field(False, description="train an agent with the dynamics: cloned, then in dreams; needs rewards")

    @model_validator(mode="after")
    def _something_runs(self) -> Lines:
        if not (self.representation or self.generative):
            raise ValueError("representation and generative are both off: switch one on")
        if self.agent and not self.generative:
            raise ValueError(
                "agent is on, generative is off: the agent is trained in dreams of the dynamics; switch it on"
            )
        return self


class Config(Section):
    """The whole configuration of Sensorium."""

    data: Data = PlayroomConfig()
    lines: Lines = Lines()
    encoders: Encoders = Encoders()
    tokenizers: Tokenizers = Tokenizers()
    latents: LatentsConfig = LatentsConfig()
    fusion: FusionConfig = FusionConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    state_dynamics: StateDynamicsConfig = StateDynamicsConfig()
    dynamics: DynamicsConfig = DynamicsConfig()
    agent: AgentConfig = AgentConfig()
    evaluations: Evaluations = Evaluations()
    studies: Studies = Studies()

    def sets(self) -> dict[str, Source]:
        """All sets that are collected: the recordings of the world, named by their source, and the encoders' own."""
        own = {"vision": self.encoders.vision.data, "audio": self.encoders.audio.data}
        return {self.data.source: self.data, **{name: data for name, data in own.items() if data is not None}}

    def probed_set(self, modality: str) -> str | None:
        """The set that labels an encoder's probe: its own, else the world's; None if neither has labels."""
        # a console's memory holds state but no classes; files have no labels
        labelled = [name for name, data in self.sets().items() if isinstance(data, PlayroomConfig | LabelledSet)]
        return next((name for name in (modality, self.data.source) if name in labelled), None)

    def evaluations_on(self) -> list[str]:
        """Names of the evaluations that run: those of the lines that are on, if the source has the truth they need."""
        probes = [f"probe_{modality}" for modality in ("vision", "audio") if self.probed_set(modality)]
        state = [] if isinstance(self.data, FolderConfig) else ["world_state"]
        few = ["few_shot"] if probes else []
        bodies = ["properties"] if isinstance(self.data, PlayroomConfig) else []
        if isinstance(self.data, PlayroomConfig) and self.data.max_bodies - self.data.min_bodies >= 2:
            bodies.append("zero_shot")  # it withholds two visual classes, and a third must remain
        joint = ["finetuning"] if self.lines.finetune else []
        moving = ["motion", "causal"] if self.places_are_known() else []
        senses = [*probes, "retrieval", *few, *bodies, *state, *joint, *moving]
        representation = senses if self.lines.representation else []
        sound = ["sound_reconstruction"] if "audio" in self.streams() else []
        dreams = ["reconstruction", *sound, "rollout", "uncertainty", "drift"]
        if self.data.source == "playroom":  # the only world that can be simulated again with other actions
            dreams.append("counterfactual")
        generative = dreams if self.lines.generative else []
        return representation + generative + (["agent_return"] if self.lines.agent else [])

    def places_are_known(self) -> bool:
        """Whether the truth has the positions of things; a console's memory and files have none."""
        return self.data.source == "playroom"

    def streams(self) -> list[str]:
        """Streams that the generative line tokenizes: "video", and "audio" if the recordings have sound."""
        silent = isinstance(self.data, FolderConfig) and "audio" not in self.data.streams
        return ["video"] if silent else ["video", "audio"]

    @model_validator(mode="before")
    @classmethod
    def _playroom_by_default(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("data"), dict):
            return {**values, "data": {"source": "playroom", **values["data"]}}
        return values

    @model_validator(mode="after")
    def _rewards_are_there(self) -> Config:
        rewarded = self.data.source == "atari" or (self.data.source == "playroom" and self.data.task != "none")
        if self.lines.agent and not rewarded:
            raise ValueError("lines.agent is on, but the recordings have no rewards: set data.task, or record a game")
        return self

    @model_validator(mode="after")
    def _windows_fit(self) -> Config:
        vision, audio = self.encoders.vision, self.encoders.audio
        if vision.data and vision.neighbours + 1 > vision.data.frames:
            raise ValueError(
                f"encoders.vision.neighbours is {vision.neighbours}: encoders.vision.data has {vision.data.frames} "
                f"consecutive frames, so it must be at most {vision.data.frames - 1}"
            )
        if audio.data and audio.frames > audio.data.frames:
            raise ValueError(
                f"encoders.audio.frames is {audio.frames}: it must not exceed encoders.audio.data.frames "
                f"({audio.data.frames})"
            )
        windows = {
            "encoders.vision.neighbours + 1": 0 if vision.data else vision.neighbours + 1,
            "encoders.audio.frames": 0 if audio.data else audio.frames,
            "fusion.frames + the largest of fusion.offsets": self.fusion.frames + max(self.fusion.offsets),
            "dynamics.long_frames": self.dynamics.long_frames,
            "tokenizers.audio.frames": self.tokenizers.audio.frames,
            "evaluations.sound_reconstruction.frames": self.evaluations.sound_reconstruction.frames,
        }
        if self.lines.representation and self.places_are_known():
            ahead = self.state_dynamics.context + self.state_dynamics.horizon
            windows["state_dynamics.context + state_dynamics.horizon"] = ahead
        if self.lines.agent:
            ahead = self.dynamics.long_frames + self.agent.cloning.distances
            windows["dynamics.long_frames + agent.cloning.distances"] = ahead
            windows["agent.imagination.context"] = self.agent.imagination.context
        for name in ("rollout", "uncertainty", "counterfactual"):
            judged = getattr(self.evaluations, name)
            windows[f"evaluations.{name}.context + evaluations.{name}.horizon"] = judged.context + judged.horizon
        drift = self.evaluations.drift
        windows["evaluations.drift.context + evaluations.drift.piece"] = drift.context + drift.piece
        hidden = self.evaluations.world_state.hidden
        if hidden >= self.fusion.frames:
            raise ValueError(
                f"evaluations.world_state.hidden is {hidden}: it must be below fusion.frames ({self.fusion.frames}), "
                "because the state must see something first"
            )
        for key, frames in windows.items():
            if frames > self.data.frames:
                raise ValueError(f"{key} is {frames}: it must not exceed data.frames ({self.data.frames})")
        return self

    @model_validator(mode="after")
    def _own_data_fits_the_world(self) -> Config:
        vision, audio = self.encoders.vision.data, self.encoders.audio.data
        if vision and vision.size != self.data.size:
            raise ValueError(
                f"encoders.vision.data.size is {vision.size}: it must be data.size ({self.data.size}), because "
                "the same encoder also embeds the recordings"
            )
        if audio and self.data.source == "atari":
            raise ValueError(
                "encoders.audio.data is set while data.source is atari: a console's sound has its own rate, so the "
                "encoder must be trained on that sound; leave encoders.audio.data out"
            )
        for modality, stream, own in (("vision", "video", vision), ("audio", "audio", audio)):
            if isinstance(own, FolderConfig) and stream not in own.streams:
                raise ValueError(f"encoders.{modality}.data.streams is {own.streams}: it must name {stream}")
        return self


def validate(values: dict[str, Any]) -> Config:
    """Check a plain configuration and fill in defaults.

    Raises:
        ConfigurationError: one line for each fault, with the key, the value and what is allowed.
    """
    return _parse(Config, values)


def parse_section(model: Any, text: str) -> Any:
    """Parse one section from JSON, as rules pass it to stages. `model` is a section or a union of sections."""
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
    place = [str(part) for part in fault["loc"] if part not in SOURCES]
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":  # a rule over several keys: the message already names key and value
        return f"config: {'.'.join(place) or 'top level'}: {message}"
    return f"config: {'.'.join(place)} = {fault['input']!r}: {message}"


def canonical_json(section: BaseModel) -> str:
    """One line of JSON that is equal for equal settings: defaults filled in, keys sorted."""
    return json.dumps(section.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
