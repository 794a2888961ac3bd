"""Settings of puzzle codes: sight and sound as grids of 30 x 30 cells, each one of ten codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from pydantic import Field, model_validator

from sensorium.config import (
    AudioData,
    Depth,
    FolderConfig,
    PlainTraining,
    Section,
    Source,
    Training,
    Transformer,
    VisionData,
    Width,
    WorldSettings,
)
from sensorium.config.counts import recorded
from sensorium.puzzle.text_config import PuzzleTextConfig, PuzzleTextEvaluation

SIDE, CODES = 30, 10  # cells in a row and a column of a grid; codes of a cell
SOUND_RATE = 16_000  # samples a second, and in a grid, of the sounds that are coded
PICTURE = 32  # pictures have a multiple of so many rows and columns of pixels
SENSES = ("sound", "sight")
Other = Literal["sound_list", "sound_legacy", "sight_legacy", "text_legacy"]
OTHERS: tuple[Other, ...] = get_args(Other)


class MapConfig(Section):
    """A learned map: every cell is a place, coded by the level there and a learned correction."""

    width: Width = Field(128, ge=8, description="channels of the networks that learn the corrections")
    blocks: Depth = Field(2, ge=1, description="residual blocks in the encoder, and as many in the decoder")
    correction: float = Field(
        1.5, gt=0, le=9, description="largest correction of a code, in levels: less keeps it nearer to what it shows"
    )


class SoundMapConfig(MapConfig):
    """The map of a second of sound: 128 mel bands by 32 columns."""

    speed: float = Field(
        0.15, ge=0, lt=1, description="largest relative change of speed in training: other pitches and formants"
    )
    gain: float = Field(6.0, ge=0, le=40, description="largest change of loudness in training, in decibels")
    data: AudioData | None = Field(None, description="sounds of its own to learn from and be judged on; null: data")
    training: PlainTraining = Training(steps=2000, batch=32, lr=2e-3, warmup=40)


class SightMapConfig(MapConfig):
    """The map of a picture."""

    width: Width = Field(64, ge=8, description="channels of the networks that learn the corrections")
    data: VisionData | None = Field(None, description="pictures of its own to learn from and be judged on; null: data")
    training: PlainTraining = Training(steps=2000, batch=32, lr=2e-3, warmup=40)


class ListConfig(Section):
    """A list: digits of principal components in order of importance, any prefix of which decodes."""

    width: Width = Field(192, ge=8, description="channels of the network that learns the correction")
    blocks: Depth = Field(2, ge=1, description="residual blocks of it")
    copies: int = Field(4, ge=0, le=16, description="varied copies of each example that components are fitted on too")


class SoundListConfig(ListConfig):
    """The list of a second of sound; it learns from the sounds of the map."""

    speed: float = Field(0.15, ge=0, lt=1, description="as of the map: changes of speed, in training and in copies")
    gain: float = Field(6.0, ge=0, le=40, description="as of the map: changes of loudness, in decibels")
    training: PlainTraining = Training(steps=600, batch=32, lr=2e-3, warmup=40)


class LegacyConfig(Section):
    """A preset of earlier work, in its own size, for comparison (docs/puzzles.md); it has no settings but these."""

    training: PlainTraining = Training(steps=300, batch=32, lr=1e-3, warmup=0)


class JointConfig(Transformer):
    """One model of the grids of sound, sight and text of the same moments."""

    dim: Width = Field(64, ge=8, description="width of the tokens, one for each 3 x 6 cells")
    layers: Depth = Field(2, ge=1, description="transformer layers over the tokens of the three grids")
    width: Width = Field(32, ge=8, description="channels of the network that gives the cells of a grid")
    blocks: Depth = Field(4, ge=1, description="residual blocks of it")
    moments: int = Field(4000, ge=64, description="seconds of training recordings that it learns from")
    training: PlainTraining = Training(steps=300, batch=24, lr=2e-3, warmup=40)


class NextGridConfig(Section):
    """The next grid of sight from the last two and the action."""

    width: Width = Field(32, ge=8, description="channels of both its networks")
    blocks: Depth = Field(2, ge=1, description="residual blocks of each")
    moments: int = Field(4000, ge=64, description="frames of training recordings that it learns to predict")
    training: PlainTraining = Training(steps=300, batch=24, lr=2e-3, warmup=40)


class PuzzleConfig(Section):
    """The learned puzzle codes, one section for each."""

    sound: SoundMapConfig = SoundMapConfig()
    sight: SightMapConfig = SightMapConfig()
    text: PuzzleTextConfig = PuzzleTextConfig()
    others: tuple[Other, ...] = Field((), description="codes that are trained and shown in the tables beside the maps")
    sound_list: SoundListConfig = SoundListConfig()
    joint: JointConfig = JointConfig()
    next: NextGridConfig = NextGridConfig()
    sound_legacy: LegacyConfig = LegacyConfig()
    sight_legacy: LegacyConfig = LegacyConfig()
    text_legacy: LegacyConfig = LegacyConfig()


class PuzzleSoundConfig(Section):
    """What survives of a second of sound."""

    windows: int = Field(500, ge=10, description="seconds of test recordings")
    examples: int = Field(1500, ge=100, description="seconds of training recordings that other codes are fitted on")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class PuzzleSightConfig(Section):
    """What survives of a picture."""

    frames: int = Field(1000, ge=10, description="frames of test recordings")
    examples: int = Field(1500, ge=100, description="frames of training recordings that other codes are fitted on")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class PuzzleCommonConfig(Section):
    """What each sense tells of the others."""

    moments: int = Field(200, ge=10, description="seconds of test recordings")
    examples: int = Field(1500, ge=100, description="seconds of training recordings that simple means are fitted on")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class PuzzleNextConfig(Section):
    """How well the next grid of sight is predicted."""

    clips: int = Field(500, ge=10, description="frames of test recordings that are predicted")
    examples: int = Field(2000, ge=100, description="frames of training recordings that counts are made of")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class PuzzleEvaluations(Section):
    """How puzzle codes are judged."""

    puzzle_sound: PuzzleSoundConfig = PuzzleSoundConfig()
    puzzle_sight: PuzzleSightConfig = PuzzleSightConfig()
    puzzle_text: PuzzleTextEvaluation = PuzzleTextEvaluation()
    puzzle_common: PuzzleCommonConfig = PuzzleCommonConfig()
    puzzle_next: PuzzleNextConfig = PuzzleNextConfig()


class PuzzleSettings(WorldSettings):
    """The section of puzzle codes, and its requirements on recordings."""

    puzzle: PuzzleConfig = PuzzleConfig()
    evaluations: PuzzleEvaluations = PuzzleEvaluations()

    def evaluations_on(self) -> list[str]:
        """Names of the evaluations that run."""
        text = ["puzzle_text"] if self.lines.puzzle else []
        common = [f"puzzle_{name}" for name in self.puzzle_models()]
        return [*super().evaluations_on(), *(f"puzzle_{sense}" for sense in self.puzzle_senses()), *text, *common]

    def puzzle_sets(self) -> dict[str, Source]:
        """Sets of recordings that the codes of a sense have for themselves: name -> section."""
        own = {f"puzzle_{sense}": getattr(self.puzzle, sense).data for sense in SENSES}
        return {name: data for name, data in own.items() if data is not None}

    def puzzle_senses(self) -> list[str]:
        """Senses that are coded: sound drops out where neither set has any."""
        if not self.lines.puzzle:
            return []
        return [*(["sound"] if self.puzzle.sound.data or self.data.has("audio") else []), "sight"]

    def puzzle_models(self) -> dict[str, str]:
        """Evaluations of models that read grids -> the models: of moments of one world that tells what is true."""
        if not self.lines.puzzle or not self.places_are_known() or self.puzzle_sets():
            return {}
        return {"common": "joint", "next": "next"}

    def puzzle_others(self) -> list[str]:
        """Codes that are trained beside the maps, of what is coded at all."""
        coded = [*self.puzzle_senses(), "text"] if self.lines.puzzle else []
        return [name for name in self.puzzle.others if name.partition("_")[0] in coded]

    def learned_from(self, name: str) -> str:
        """Where that which a model learns from stands: codes of texts learn from texts, others as their sense's map."""
        if name.startswith("puzzle_text"):
            return "puzzle/texts"
        return super().learned_from("_".join(name.split("_")[:2]) if name.startswith("puzzle_") else name)

    def compared_with(self, sense: str) -> dict[str, str]:
        """Manifests of the codes that are shown beside the one of a sense, by the arguments of its evaluation."""
        names = [name for name in self.puzzle_others() if name.startswith(f"{sense}_")]
        return {name.removeprefix(f"{sense}_"): f"results/puzzle/{name}/manifest.json" for name in names}

    def sets(self) -> dict[str, Source]:
        """Every set of recordings that is collected."""
        return super().sets() | self.puzzle_sets()

    def checks(self) -> dict[str, Callable[[], None]]:
        """What the settings name on this machine; own sets count where the line is on."""
        own = {f"puzzle.{name.removeprefix('puzzle_')}.data": data.check for name, data in self.puzzle_sets().items()}
        own["puzzle.text.corpus"] = self.puzzle.text.corpus.check
        return super().checks() | (own if self.lines.puzzle else {})

    def trained(self) -> list[str]:
        """Folders of the models that this line trains, below results/."""
        names = [*self.puzzle_senses(), *self.puzzle_others(), *self.puzzle_models().values()]
        return [*super().trained(), *(f"puzzle/{name}" for name in names)]

    @model_validator(mode="after")
    def _codes_fit(self) -> PuzzleSettings:
        if not self.lines.puzzle:
            return self
        sound, sight = self.puzzle.sound.data, self.puzzle.sight.data
        if isinstance(sound, FolderConfig) and not sound.has("audio"):
            raise ValueError("puzzle.sound.data.streams has no audio: its files must have sound")
        if isinstance(sight, FolderConfig) and not sight.has("video"):
            raise ValueError("puzzle.sight.data.streams has no video: its files must have pictures")
        if "sound" in self.puzzle_senses():
            heard = recorded(sound or self.data)
            if heard.sample_rate != SOUND_RATE or SOUND_RATE % heard.samples:
                raise ValueError(
                    f"lines.puzzle is on, but the sounds have {heard.sample_rate} samples a second: {SOUND_RATE} are "
                    "coded; set puzzle.sound.data to sounds of that rate"
                )
            frames, key = SOUND_RATE // heard.samples, "puzzle.sound.data.frames" if sound else "data.frames"
            if frames > (found := (sound or self.data).frames):
                raise ValueError(f"{key} is {found}: a grid of sound takes {frames} frames, a second")
        size, key = (sight.size, "puzzle.sight.data.size") if sight else (self.data.size, "data.size")
        if size % PICTURE:
            raise ValueError(f"{key} is {size}: pictures that are coded have a multiple of {PICTURE} pixels a side")
        return self
