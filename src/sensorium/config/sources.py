"""Sources of recordings (whole episodes), one section for each. Sets of labelled items: config/sets.py."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from sensorium.config.names import refuse_names
from sensorium.config.section import ConfigurationError, Section
from sensorium.config.splits import split_counts

UNLOADABLE_GAMES = frozenset({"combat", "joust", "maze_craze", "warlords"})  # loading them aborts the process
SOURCE = "where recordings come from: playroom, atari, gymnasium, folder, video or episodes"
TOKENIZER_STRIDE = 8  # height and width of the patch behind one video token, in pixels


class Source(Section):
    """Settings that all sources share."""

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

    @property
    def sample_rate(self) -> int:
        """Samples a second of its sound, if it has any."""
        return 16_000

    @property
    def samples_per_frame(self) -> int:
        """Samples of its sound in each frame."""
        return 1_000

    @property
    def sound_clock(self) -> tuple[int, int]:
        """Samples a second and a frame: what hears one set can hear another of the same clock."""
        return self.sample_rate, self.samples_per_frame

    def episodes(self) -> int:
        """Recordings that are expected, by which memory, disk and evaluations are planned."""
        return self.recordings

    def files(self) -> list[Path]:
        """Files and folders that the recordings depend on; a simulator has none."""
        return []

    @property
    def listing(self) -> str:
        """A digest of the names and sizes of the files that are read; empty where `files` stands for them."""
        return ""

    def listing_of(self, shard: int) -> str:
        """The digest of the files of a shard, where only these matter to it; else that of all."""
        return self.listing

    def numbers_of(self, shard: int) -> range:
        """Numbers of the recordings, or files, of a shard: consecutive; the sizes of shards differ by at most one."""
        return range(shard * self.recordings // self.shards, (shard + 1) * self.recordings // self.shards)

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
        return split_counts(self.episodes(), self.validation_fraction, self.test_fraction)

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

    def _draws_splits(self) -> bool:
        """Whether each of `recordings` is drawn for a split."""
        return True

    @model_validator(mode="after")
    def _splits_fit(self) -> Recordings:
        if self.size % TOKENIZER_STRIDE:
            raise ValueError(f"size is {self.size}: it must be a multiple of {TOKENIZER_STRIDE}")
        smallest = min(self.validation_fraction, self.test_fraction, 1 - self.validation_fraction - self.test_fraction)
        if self._draws_splits() and smallest * self.recordings < 1:
            raise ValueError(
                f"recordings is {self.recordings}: too few to leave one in each of training, validation "
                f"({self.validation_fraction}) and test ({self.test_fraction})"
            )
        return self


class PlayroomConfig(Recordings):
    """The embedded simulator: bodies in a room, a hand that pushes them, impact sounds, full ground truth."""

    source: Literal["playroom"] = Field("playroom", description=SOURCE)
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

    source: Literal["atari"] = Field("atari", description=SOURCE)
    games: tuple[str, ...] = Field(
        ("breakout", "seaquest"), min_length=1, description="ROM names, as ale-py ships them"
    )
    repeat_action: float = Field(0.75, ge=0, lt=1, description="probability that the policy repeats its last action")

    @property
    def sample_rate(self) -> int:
        """As the console's chip makes them: 512 in each of 60 frames."""
        return 30_720

    @property
    def samples_per_frame(self) -> int:
        """Of four of the console's frames."""
        return 2_048

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
