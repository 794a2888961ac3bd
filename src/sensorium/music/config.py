"""Settings of music: songs with ground truth, and the network that takes them apart. Never imports torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field, field_validator, model_validator

from sensorium.config import Depth, PlainTraining, Section, Training, Width, WorldSettings
from sensorium.config.splits import split_counts
from sensorium.music.cascade_config import CascadeConfig
from sensorium.music.codec_config import CodecConfig, SoundCodingConfig
from sensorium.music.soundfont_config import HeardSongsConfig, UnseenSongsConfig, check_apart

RATE = 24_000  # samples a second of all songs
BEATS = 4  # of a bar
SONG_BARS = 32
LEAST_SECONDS = 1.0  # of a window


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
    heard: HeardSongsConfig = HeardSongsConfig()
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
    def _training_hears_nothing_of_the_test(self) -> SongsConfig:
        check_apart(self.heard, self.unseen)
        return self

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
    training: PlainTraining = Training(steps=700, batch=4, lr=4e-3, warmup=10)


class MusicConfig(Section):
    """Music: songs, and the models that combine them."""

    songs: SongsConfig = SongsConfig()
    mask: MaskConfig = MaskConfig()
    others: tuple[Literal["cascade"], ...] = Field((), description="models that are trained and judged beside the mask")
    cascade: CascadeConfig = CascadeConfig()
    codec: CodecConfig = CodecConfig()


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
    sound_coding: SoundCodingConfig = SoundCodingConfig()


class MusicSettings(WorldSettings):
    """The section of music; its songs are made here, so it asks nothing of the recordings."""

    music: MusicConfig = MusicConfig()
    evaluations: MusicEvaluations = MusicEvaluations()

    def checks(self) -> dict[str, Callable[[], None]]:
        """What the settings name on this machine."""
        songs = self.music.songs
        own = {"music.songs.heard": songs.heard.check, "music.songs.unseen": songs.unseen.check}
        return super().checks() | (own if self.lines.music else {})

    def music_models(self) -> list[str]:
        """Sections of the models that are trained: the mask, and the others that are named."""
        return ["mask", *dict.fromkeys(self.music.others)] if self.lines.music else []

    def _music_evaluations(self) -> list[str]:
        return ["music_transfer" if model == "mask" else f"{model}_transfer" for model in self.music_models()]

    def evaluations_on(self) -> list[str]:
        """Names of the evaluations that run."""
        coded = self.lines.codec and self.music.codec.quantiser.codes  # without codes there are no bits to judge by
        return [*super().evaluations_on(), *self._music_evaluations(), *(["sound_coding"] if coded else [])]

    def test_recordings(self) -> dict[str, int]:
        """Test recordings that each evaluation needs: of music none, for it has songs of its own."""
        own = MusicEvaluations.model_fields
        return {name: count for name, count in super().test_recordings().items() if name not in own}

    def trained(self) -> list[str]:
        """Folders of the models that this line trains, below results/."""
        own = [*self.music_models(), *(["codec"] if self.lines.codec else [])] if self.lines.music else []
        return [*super().trained(), *(f"music/{model}" for model in own)]

    @model_validator(mode="after")
    def _windows_fit_songs(self) -> MusicSettings:
        wanted = {f"music.{name}": getattr(self.music, name).seconds for name in self.music_models()}
        wanted |= {f"evaluations.{name}": getattr(self.evaluations, name).seconds for name in self._music_evaluations()}
        if self.lines.codec and self.lines.music:
            wanted |= {"music.codec": self.music.codec.seconds}
            wanted |= {"evaluations.sound_coding": self.evaluations.sound_coding.seconds}
        for key, seconds in wanted.items():
            if seconds > self.music.songs.seconds:
                raise ValueError(
                    f"{key}.seconds is {seconds}: the shortest songs have "
                    f"{self.music.songs.seconds:.2f} seconds; raise music.songs.bars or lower it"
                )
        return self
