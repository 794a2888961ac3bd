"""Settings of music: songs with ground truth, and the network that takes them apart. Never imports torch."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from sensorium.config import ConfigurationError, Depth, PlainTraining, Section, Training, Width, WorldSettings
from sensorium.config.splits import split_counts
from sensorium.music.cascade_config import CascadeConfig

RATE = 24_000  # samples a second of all songs
BEATS = 4  # of a bar
SONG_BARS = 32
LEAST_SECONDS = 1.0  # of a window


class UnseenSongsConfig(Section):
    """Songs for the test alone, on a soundfont: composed here, and written by people."""

    soundfont: str | None = Field(
        None, description="a file (.sf2, .sf3); null: no such songs. It needs the package tinysoundfont"
    )
    midi: tuple[str, ...] = Field(
        (), description="folders of songs that people wrote: MIDI files, or WAD files of games"
    )
    songs: int = Field(80, ge=2, le=10_000, description="how many are composed here for the soundfont")

    def check(self) -> None:
        """Ask for the package, for the soundfont and for the folders.

        Raises:
            ConfigurationError: naming what is missing, and the way out.
        """
        if self.soundfont is None:
            return
        if find_spec("tinysoundfont") is None:
            raise ConfigurationError(
                "soundfont: the package tinysoundfont is not installed; install it with: pip install --no-deps "
                "tinysoundfont"
            )
        if not Path(self.soundfont).is_file():
            raise ConfigurationError(f"soundfont = {self.soundfont!r}: no such file; name a .sf2 or .sf3 file, or null")
        for folder in self.midi:
            if not Path(folder).is_dir():
                raise ConfigurationError(f"midi = {folder!r}: no such folder; name one with .mid or .wad files")

    @model_validator(mode="after")
    def _people_need_a_soundfont(self) -> UnseenSongsConfig:
        if self.midi and self.soundfont is None:
            raise ValueError(f"midi names {self.midi[0]!r} and soundfont nothing: songs need one to sound; name a file")
        return self


class SongsConfig(Section):
    """Songs that are composed and synthesised here, with their stems and their truth."""

    songs: int = Field(560, ge=8, le=100_000, description="how many; of each, some bars are rendered")
    bars: int = Field(4, ge=1, le=SONG_BARS, description="bars of each song")
    tempi: tuple[float, ...] = Field(
        (84, 92, 100, 108, 116, 124, 132, 140),
        description="beats a minute, dealt in turn; two songs are combined only if they have the same",
    )
    instruments: int = Field(
        48, ge=6, le=10_000, description="drum kits, and patches of each role, in training; test songs have others"
    )
    validation_fraction: float = Field(0.07, gt=0, lt=0.5, description="share of the songs for validation")
    test_fraction: float = Field(0.15, gt=0, lt=0.5, description="share of the songs for the test")
    seed: int = Field(0, ge=0, description="seed of compositions, instruments and performances")
    unseen: UnseenSongsConfig = UnseenSongsConfig()

    @field_validator("tempi")
    @classmethod
    def _playable(cls, tempi: tuple[float, ...]) -> tuple[float, ...]:
        if not tempi or len(set(tempi)) < len(tempi) or any(not 40 <= tempo <= 240 for tempo in tempi):
            raise ValueError(f"{tempi}: name at least one tempo, none twice, between 40 and 240 beats a minute")
        return tempi

    def split_counts(self) -> dict[str, int]:
        """Songs of each split."""
        return split_counts(self.songs, self.validation_fraction, self.test_fraction)

    @property
    def seconds(self) -> float:
        """Of the shortest song: what every window must fit into."""
        return 60 * BEATS * self.bars / max(self.tempi)

    @model_validator(mode="after")
    def _songs_can_be_combined(self) -> SongsConfig:
        if min(self.split_counts().values()) < 2 * len(self.tempi):
            raise ValueError(
                f"songs is {self.songs}, for {len(self.tempi)} tempi: a split has {min(self.split_counts().values())} "
                f"songs, and two of each tempo are needed; raise it or name fewer tempi"
            )
        return self


class MaskConfig(Section):
    """The network that finds the drums in a mixture: one mask, and what it leaves is harmony."""

    width: Width = Field(24, ge=4, description="channels of a band")
    layers: Depth = Field(5, ge=1, le=8, description="layers; each sees twice as far in time as the one before")
    seconds: float = Field(1.5, ge=LEAST_SECONDS, le=60, description="length of the windows in training")
    gain: float = Field(6.0, ge=0, le=40, description="largest change of loudness of a stem in training, in decibels")
    training: PlainTraining = Training(steps=500, batch=4, lr=4e-3, warmup=10)


class MusicConfig(Section):
    """Music: songs, and the models that combine them."""

    songs: SongsConfig = SongsConfig()
    mask: MaskConfig = MaskConfig()
    others: tuple[Literal["cascade"], ...] = Field((), description="models that are trained and judged beside the mask")
    cascade: CascadeConfig = CascadeConfig()


class MusicTransferConfig(Section):
    """Whether the drums of one song and the harmony of another come out."""

    pairs: int = Field(40, ge=2, description="pairs of test songs at most; no song is in two pairs")
    seconds: float = Field(6.0, ge=LEAST_SECONDS, le=600, description="length of each, from the first bar on")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class CascadeTransferConfig(Section):
    """Whether they come out where the cascade combines the songs, in latents."""

    pairs: int = Field(40, ge=2, description="pairs of test songs at most; no song is in two pairs")
    seconds: float = Field(6.0, ge=LEAST_SECONDS, le=600, description="length of each, from the first bar on")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class MusicEvaluations(Section):
    """How music is judged."""

    music_transfer: MusicTransferConfig = MusicTransferConfig()
    cascade_transfer: CascadeTransferConfig = CascadeTransferConfig()


class MusicSettings(WorldSettings):
    """The section of music; its songs are made here, so it asks nothing of the recordings."""

    music: MusicConfig = MusicConfig()
    evaluations: MusicEvaluations = MusicEvaluations()

    def checks(self) -> dict[str, Callable[[], None]]:
        """What the settings name on this machine."""
        return super().checks() | ({"music.songs.unseen": self.music.songs.unseen.check} if self.lines.music else {})

    def music_models(self) -> list[str]:
        """Sections of the models that are trained: the mask, and the others that are named."""
        return ["mask", *dict.fromkeys(self.music.others)] if self.lines.music else []

    def _music_evaluations(self) -> list[str]:
        return ["music_transfer" if model == "mask" else f"{model}_transfer" for model in self.music_models()]

    def evaluations_on(self) -> list[str]:
        """Names of the evaluations that run."""
        return [*super().evaluations_on(), *self._music_evaluations()]

    def test_recordings(self) -> dict[str, int]:
        """Test recordings that each evaluation needs: of music none, for it has songs of its own."""
        own = self._music_evaluations()
        return {name: count for name, count in super().test_recordings().items() if name not in own}

    def trained(self) -> list[str]:
        """Folders of the models that this line trains, below results/."""
        return [*super().trained(), *(f"music/{model}" for model in self.music_models())]

    @model_validator(mode="after")
    def _windows_fit_songs(self) -> MusicSettings:
        wanted = {f"music.{name}": getattr(self.music, name).seconds for name in self.music_models()}
        wanted |= {f"evaluations.{name}": getattr(self.evaluations, name).seconds for name in self._music_evaluations()}
        for key, seconds in wanted.items():
            if seconds > self.music.songs.seconds:
                raise ValueError(
                    f"{key}.seconds is {seconds}: the shortest songs have "
                    f"{self.music.songs.seconds:.2f} seconds; raise music.songs.bars or lower it"
                )
        return self
