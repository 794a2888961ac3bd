"""Sources of recordings (whole episodes), one section for each. Sets of labelled items: config/sets.py."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from sensorium.config.folders import files_below
from sensorium.config.names import refuse_names
from sensorium.config.section import ConfigurationError, Section
from sensorium.config.splits import split_counts

UNLOADABLE_GAMES = frozenset({"combat", "joust", "maze_craze", "warlords"})  # loading them aborts the process
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm"})
SOUND_SUFFIXES = frozenset({".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav"})
TOKENIZER_STRIDE = 8  # height and width of the patch behind one video token, in pixels


class Source(Section):
    """Settings that all sources share.

    Attributes:
        sample_rate: samples a second of its sound, if it has any.
        samples_per_frame: samples of its sound in each frame.
    """

    sample_rate: ClassVar[int] = 16_000
    samples_per_frame: ClassVar[int] = 1_000

    recordings: int = Field(800, ge=8, description="recordings (episodes) to collect")
    shards: int = Field(
        2, ge=1, le=10_000, description="parts that the set is split into; each is a file and a parallel job"
    )
    max_bad_fraction: float = Field(
        0.01, ge=0, le=1, description="share of quarantined recordings above which the run stops"
    )
    seed: int = Field(0, ge=0, description="seed of the recordings and of their splits")

    @model_validator(mode="after")
    def _shards_fit(self) -> Source:
        if self.shards > self.recordings:
            raise ValueError(f"shards is {self.shards}, recordings {self.recordings}: every shard needs a recording")
        return self

    def files(self) -> list[Path]:
        """Files and folders that the recordings depend on; a simulator has none."""
        return []

    def check(self) -> None:
        """Refuse a source that is not on this machine, or not all of it. Nothing is opened.

        Raises:
            ConfigurationError: naming the key of this section, its value and the way out.
        """
        refuse_names(self.files())

    def warnings(self) -> list[str]:
        """What is likely to fail, as text that begins with the key; asked after `check`."""
        return []


class Recordings(Source):
    """Settings that all sources of episodes share."""

    frames: int = Field(64, ge=16, le=1_000_000, description="frames in each recording")
    size: int = Field(32, ge=16, le=256, description="height and width of a frame, in pixels")
    validation_fraction: float = Field(0.1, gt=0, lt=0.5, description="share of recordings for validation")
    test_fraction: float = Field(0.2, gt=0, lt=0.5, description="share of recordings for the evaluations")

    def split_counts(self) -> dict[str, int]:
        """Recordings of each split, if all are good."""
        return split_counts(self.recordings, self.validation_fraction, self.test_fraction)

    def has(self, stream: str) -> bool:
        """Whether the recordings have this stream, "video" or "audio"."""
        return True

    def has_actions(self) -> bool:
        """Whether somebody acts in the recordings."""
        return True

    def has_rewards(self) -> bool:
        """Whether the recordings hold rewards."""
        return False

    def has_state(self) -> bool:
        """Whether the truth holds a state that `world_state` can ask for."""
        return True

    def has_ends(self) -> bool:
        """Whether the recordings say where an episode ends (`continue`)."""
        return False

    @model_validator(mode="after")
    def _splits_fit(self) -> Recordings:
        if self.size % TOKENIZER_STRIDE:
            raise ValueError(f"size is {self.size}: it must be a multiple of {TOKENIZER_STRIDE}")
        smallest = min(self.validation_fraction, self.test_fraction, 1 - self.validation_fraction - self.test_fraction)
        if smallest * self.recordings < 1:
            raise ValueError(
                f"recordings is {self.recordings}: too few to leave one in each of training, validation "
                f"({self.validation_fraction}) and test ({self.test_fraction})"
            )
        return self


class PlayroomConfig(Recordings):
    """The embedded simulator: bodies in a room, a hand that pushes them, impact sounds, full ground truth."""

    source: Literal["playroom"] = Field(
        "playroom", description="where recordings come from: playroom, atari, gymnasium or folder"
    )
    min_bodies: int = Field(1, ge=1, le=4, description="fewest bodies in a room")
    max_bodies: int = Field(4, ge=1, le=4, description="most bodies in a room")
    task: Literal["none", "left", "lift", "touch", "loud"] = Field(
        "none",
        description="reward for the hand at the left wall, bodies high up, touching a body, or loud impacts",
    )

    @model_validator(mode="after")
    def _bodies_fit(self) -> PlayroomConfig:
        if self.min_bodies > self.max_bodies:
            raise ValueError(f"min_bodies is {self.min_bodies}: it must not exceed max_bodies ({self.max_bodies})")
        return self

    def has_rewards(self) -> bool:
        """Whether the recordings hold rewards: those of a task."""
        return self.task != "none"


class AtariConfig(Recordings):
    """Games of the Arcade Learning Environment, played by a random policy with sticky actions."""

    sample_rate: ClassVar[int] = 30_720
    samples_per_frame: ClassVar[int] = 2_048

    source: Literal["atari"] = Field(
        "atari", description="where recordings come from: playroom, atari, gymnasium or folder"
    )
    games: tuple[str, ...] = Field(
        ("breakout", "seaquest"), min_length=1, description="ROM names, as ale-py ships them"
    )
    repeat_action: float = Field(0.75, ge=0, lt=1, description="probability that the policy repeats its last action")

    @model_validator(mode="after")
    def _games_load(self) -> AtariConfig:
        for game in self.games:
            if game in UNLOADABLE_GAMES:
                raise ValueError(f"games has {game!r}, which cannot be loaded; leave out {sorted(UNLOADABLE_GAMES)}")
        return self

    def has_rewards(self) -> bool:
        """Whether the recordings hold rewards: the points of a game."""
        return True

    def check(self) -> None:
        """Refuse games that are not installed.

        Raises:
            ConfigurationError: naming the first of them, and all that are.
        """
        shipped = installed_games()
        for game in self.games:
            if game not in shipped:
                raise ConfigurationError(f"games = {game!r}: no such game; ale-py ships {', '.join(sorted(shipped))}")


def installed_games() -> set[str]:
    """The games that ale-py ships, without importing it."""
    (package,) = find_spec("ale_py").submodule_search_locations  # type: ignore[union-attr,misc]
    return {path.stem for path in Path(package, "roms").glob("*.bin")}


class FolderConfig(Recordings):
    """Files in a folder, each a recording: videos with sound, or sounds alone."""

    source: Literal["folder"] = Field(
        "folder", description="where recordings come from: playroom, atari, gymnasium or folder"
    )
    path: str = Field(min_length=1, description="the folder; all media files below it are used, sorted by path")
    streams: tuple[Literal["video", "audio"], ...] = Field(
        ("video", "audio"), min_length=1, description="streams that every file must have and that are read from it"
    )

    def has(self, stream: str) -> bool:
        """Whether the recordings have this stream, "video" or "audio"."""
        return stream in self.streams

    def has_actions(self) -> bool:
        """Whether somebody acts in the recordings: nobody is known to."""
        return False

    def has_state(self) -> bool:
        """Whether the truth holds a state: files hold none."""
        return False

    def files(self) -> list[Path]:
        """The files that are read, one for each recording, in order.

        Raises:
            ConfigurationError: if the folder does not exist or has fewer media files than recordings.
        """
        suffixes = VIDEO_SUFFIXES if "video" in self.streams else VIDEO_SUFFIXES | SOUND_SUFFIXES
        files = files_below(Path(self.path), suffixes)
        if len(files) < self.recordings:
            raise ConfigurationError(
                f"recordings = {self.recordings}: {self.path} has {len(files)} files of the types "
                f"{', '.join(sorted(suffixes))}; set it to at most that number"
            )
        return files[: self.recordings]
