"""Episodes that others recorded: folders of LeRobot, .npz files, HDF5 files of Minari and robomimic."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, model_validator

from sensorium.config.films import Column, FileSource
from sensorium.config.folders import files_below
from sensorium.config.probing import ask, need
from sensorium.config.section import ConfigurationError
from sensorium.config.sources import SOURCE

PROBE = "sensorium.data.offline.probe"
PROBE_SECONDS = 600  # in which the episodes of a set are listed and its first ones looked at


class Usual(NamedTuple):
    """What a layout calls its parts, and the files that it consists of.

    Attributes:
        picture, action, body, reward, end: names; an empty one: there is none, or for a picture the first camera.
        led: whether action[t] led to frame t, or is what was done in frame t.
        suffixes: of its files.
        package, extra: that reads it; of pyproject.toml.
    """

    picture: str
    action: str
    body: tuple[str, ...]
    reward: str
    end: str
    led: bool
    suffixes: frozenset[str]
    package: str = "numpy"
    extra: str = ""


HDF5 = frozenset({".hdf5", ".h5"})
LEROBOT = frozenset({".json", ".jsonl", ".parquet", ".mp4"})
USUAL = {
    "lerobot": Usual("", "action", ("observation.state",), "", "", False, LEROBOT, "pyarrow", "parquet"),
    "npz": Usual("image", "action", (), "reward", "is_terminal", True, frozenset({".npz"})),
    "minari": Usual("observations", "actions", (), "rewards", "terminations", False, HDF5, "h5py", "hdf5"),
    "robomimic": Usual("obs/agentview_image", "actions", (), "rewards", "", False, HDF5, "h5py", "hdf5"),
}


class EpisodesConfig(FileSource):
    """Episodes of robots and of offline sets, with the names that their layout gives to pictures and actions."""

    source: Literal["episodes"] = Field("episodes", description=SOURCE)
    layout: Literal["lerobot", "npz", "minari", "robomimic"] = Field(description="how its files are laid out")
    recordings: int = Field(ge=3, description="episodes to take, in their order")
    shards: int = Field(1, ge=1, le=10_000, description="parts that the set is split into, by episode")
    frames: int = Field(1024, ge=16, le=1_000_000, description="frames of a recording; longer episodes become several")
    fit: Literal["crop", "pad", "stretch"] = Field(
        "crop",
        description="how a picture becomes square: its middle, the whole with black bars, or the whole distorted",
    )
    split_by: Literal["draw", "set"] = Field(
        "draw", description="episodes are drawn for the splits, or go where the set itself puts them"
    )
    picture: str | None = Field(None, description="name of the pictures; null: as usual in the layout")
    action: str | None = Field(None, description="name of the action; null: as usual in the layout; empty: none")
    body: tuple[Column, ...] | None = Field(
        None, description="names of the body sense; null: as usual in the layout; []: none"
    )
    reward: str | None = Field(None, description="name of the reward; null: as usual in the layout; empty: none")
    end: str | None = Field(
        None, description="name of what is true where the world ends; null: as usual in the layout; empty: none"
    )
    led: bool | None = Field(
        None,
        description="whether action, reward and end of row t led to frame t (true), or followed it; null: as usual in "
        "the layout",
    )
    choices: int = Field(
        0, ge=0, le=65536, description="choices of a discrete action; 0: it is numbers, or the set says"
    )
    bounds: Literal["set", "unit"] = Field(
        "set", description="actions and body are scaled from the bounds that the set states to [-1, 1], or taken as is"
    )
    frames_per_second: int = Field(0, ge=0, le=240, description="frames a second; 0: what the set states, or 16")
    sound: str = Field("", description="name of the sound, int16 samples of each frame; empty: there is none")
    sound_rate: int = Field(16_000, ge=1_000, le=192_000, description="samples a second of the sound")

    @model_validator(mode="after")
    def _sound_has_a_clock(self) -> EpisodesConfig:
        if self.sound and (not self.frames_per_second or self.sound_rate % self.frames_per_second):
            raise ValueError(
                f"sound is {self.sound!r}: it needs frames_per_second ({self.frames_per_second}), of which sound_rate "
                f"({self.sound_rate}) is a multiple"
            )
        return self

    @property
    def usual(self) -> Usual:
        """The layout."""
        return USUAL[self.layout]

    def name(self, part: str) -> Any:
        """Name of a part: picture, action, body, reward, end; or whether they led to their frame (led)."""
        given = getattr(self, part)
        return getattr(self.usual, part) if given is None else given

    @property
    def sample_rate(self) -> int:
        """Samples a second of the sound; 0 without sound."""
        return self.sound_rate if self.sound else 0

    @property
    def samples_per_frame(self) -> int:
        """Samples of the sound in each frame; 0 without sound."""
        return self.sound_rate // self.frames_per_second if self.sound else 0

    def has(self, stream: str) -> bool:
        """Whether the recordings have this stream, "video" or "audio"."""
        return stream == "video" or bool(self.sound)

    def has_actions(self) -> bool:
        """Whether somebody acts in the recordings."""
        return bool(self.name("action"))

    def has_rewards(self) -> bool:
        """Whether the recordings hold rewards."""
        return bool(self.name("reward"))

    def has_ends(self) -> bool:
        """Whether the recordings say where an episode ends."""
        return bool(self.name("end"))

    def _draws_splits(self) -> bool:
        return self.split_by == "draw"

    def read_files(self) -> list[str]:
        """All files of the set.

        Raises:
            ConfigurationError: if the folder is not there, or holds none of this layout.
        """
        files = files_below(Path(self.path), self.usual.suffixes)
        if not files:
            raise ConfigurationError(
                f"path = {self.path!r}: no file of the types {', '.join(sorted(self.usual.suffixes))}, of which "
                f"layout {self.layout!r} consists"
            )
        return files

    def check(self) -> None:
        """List the episodes and look at the first ones, in a process of its own.

        Raises:
            ConfigurationError: naming the key, its value and the way out.
        """
        self.read_files()
        found = described(self)
        if len(found.places) < self.recordings:
            raise ConfigurationError(
                f"recordings = {self.recordings}: {self.path} has {len(found.places)} episodes; set it to at most that "
                "number"
            )


class DescribedSet(NamedTuple):
    """What a set of episodes holds.

    Attributes:
        places: file of each episode, below the folder, and its name in there, behind a colon.
        splits: split of each episode, if the set says so; else empty.
        rate: frames a second.
        action: {"kind", "size"} of its actions, as in manifests, or None.
        body: numbers of its body sense.
        names: part -> names of its numbers, where they have any.
        scales: name of an array -> lowest and highest value of each of its numbers.
        shapes: name of an array -> its shape in each frame, where it is stored flat.
    """

    places: list[str]
    splits: list[str]
    rate: float
    action: dict[str, Any] | None
    body: int
    names: dict[str, list[str]]
    scales: dict[str, list[list[float]]]
    shapes: dict[str, list[int]]


@lru_cache(maxsize=4)
def described(config: EpisodesConfig) -> DescribedSet:
    """List a set in another process, which may crash or hang over a file.

    Raises:
        ConfigurationError: naming the key, its value and the way out.
    """
    where = f"layout = {config.layout!r}"
    need(config.usual.package, config.usual.extra, where)
    late = (
        f"{where}: the episodes of {config.path} were not listed within {PROBE_SECONDS} s; remove the file that "
        "cannot be opened"
    )
    return DescribedSet(**ask(PROBE, config, PROBE_SECONDS, f"{where}: the process that listed {config.path}", late))
