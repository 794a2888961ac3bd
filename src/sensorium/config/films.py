"""Sources of recordings that are read from the user's films and sounds."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sensorium.config.folders import files_below
from sensorium.config.section import ConfigurationError, Section
from sensorium.config.sources import SOURCE, Recordings

VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm"})
SOUND_SUFFIXES = frozenset({".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav"})
SIGNAL_SUFFIXES = (".csv", ".npy", ".parquet", ".jsonl")
Column = Annotated[str, Field(min_length=1)]


class FileSource(Recordings):
    """Settings that all sources share whose files come through the gate."""

    source: str
    path: str = Field(min_length=1, description="the folder; all files below it are used, sorted by path")
    shortest: int = Field(16, ge=2, description="fewest frames of a recording; what is shorter is left out and named")
    suspicious: Literal["keep", "leave"] = Field(
        "keep", description="files that can be read but look wrong (docs/data.md): keep or leave them out"
    )

    def has_state(self) -> bool:
        """Whether the truth holds a state: files hold none."""
        return False

    def in_pieces(self) -> bool:
        """Whether a file may become several recordings."""
        return True

    @model_validator(mode="after")
    def _shortest_fits(self) -> FileSource:
        if self.shortest > self.frames:
            raise ValueError(f"shortest is {self.shortest}: it must not exceed frames ({self.frames})")
        return self

    @cached_property
    def listing(self) -> str:
        """A digest of the names and sizes of the files: dates say nothing, and Snakemake need not handle the names."""
        return self._digest(self.read_files())

    def _digest(self, files: Iterable[str]) -> str:
        folder, found = str(Path(self.path)), hashlib.sha256()
        start = 0 if folder == "." else len(os.path.join(folder, ""))
        for path in files:
            found.update(os.fsencode(path[start:]) + b"\0%d\0" % os.stat(path).st_size)
        return found.hexdigest()

    def check(self) -> None:
        """Refuse a folder that is not there, or has fewer files than recordings.

        Raises:
            ConfigurationError: as `read_files`.
        """
        self.read_files()

    def read_files(self) -> list[str]:
        """All files that are read."""
        raise NotImplementedError


class FilmSource(FileSource):
    """Settings that all sources of films and sounds share."""

    streams: tuple[Literal["video", "audio"], ...] = Field(
        ("video", "audio"), min_length=1, description="streams that every file must have and that are read from it"
    )

    @property
    def frame_rate(self) -> int:
        """Frames a second of the recordings."""
        return 16

    @property
    def samples_per_frame(self) -> int:
        """Samples of the sound in each frame."""
        return self.sample_rate // self.frame_rate

    def has(self, stream: str) -> bool:
        """Whether the recordings have this stream, "video" or "audio"."""
        return stream in self.streams

    def has_actions(self) -> bool:
        """Whether somebody acts in the recordings: nobody is known to."""
        return False

    def read_files(self) -> list[str]:
        """All files that are read."""
        return self.films

    def listing_of(self, shard: int) -> str:
        """The digest of the files of a shard: a film that was exchanged makes its own shard anew."""
        numbers = self.numbers_of(shard)
        return self._digest(self.with_beside(self.films[numbers.start : numbers.stop]))

    def with_beside(self, films: list[str]) -> list[str]:
        """Films, and the files that are read beside them."""
        return films

    @cached_property
    def films(self) -> list[str]:
        """The files that become recordings, in order; the folder is listed once.

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


class FolderConfig(FilmSource):
    """Short files in a folder, the beginning of each a recording: videos with sound, or sounds alone."""

    source: Literal["folder"] = Field("folder", description=SOURCE)

    def in_pieces(self) -> bool:
        """Whether a file may become several recordings: its beginning becomes one."""
        return False


class SignalsConfig(Section):
    """What lies beside each film in a file of its name: keys, numbers, body sense and rewards over time."""

    suffix: Literal[".csv", ".npy", ".parquet", ".jsonl"] = Field(
        ".csv", description="type of the file beside each film, which has the film's name"
    )
    clock: Literal["time", "frame"] = Field(
        "time", description="whether a row has a time, in seconds after the first picture, or a frame of the film"
    )
    column: str = Field(
        "time", description="column of that time or frame; empty, with clock frame: row k is that of frame k"
    )
    delay: float = Field(0.0, description="seconds added to the time of every row")
    choice: str = Field("", description="column of a discrete action, whole numbers from 0; not with keys or values")
    choices: int = Field(2, ge=2, le=65536, description="with choice: how many there are")
    keys: tuple[Column, ...] = Field((), description="columns of keys, each up (0) or down (any other number)")
    values: tuple[Column, ...] = Field((), description="columns of continuous actions, from -1 to 1 after scaling")
    scale: float = Field(1.0, gt=0, description="number by which the values are divided")
    body: tuple[Column, ...] = Field((), description="columns of the body sense")
    reward: str = Field("", description="column of the reward; rows of one frame are summed up")

    @model_validator(mode="after")
    def _fits(self) -> SignalsConfig:
        if self.choice and (self.keys or self.values):
            raise ValueError(f"choice is {self.choice!r}: it is the whole action; leave keys and values out")
        if not (self.choice or self.keys or self.values or self.body or self.reward):
            raise ValueError("no column is named: name those of choice, keys, values, body or reward")
        if self.clock == "time" and not self.column:
            raise ValueError("column is empty: with clock time it must name the column of the time")
        named = [name for name in self.columns() if name]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"column {twice[0]!r} is named twice")
        return self

    def columns(self) -> list[str]:
        """All columns that are read, that of the clock first."""
        return [self.column, *filter(None, (self.choice,)), *self.keys, *self.values, *self.body, *self._rewards()]

    def _rewards(self) -> list[str]:
        return [self.reward] if self.reward else []

    def action(self) -> dict[str, object] | None:
        """Kind and size of an action, as in manifests; None: there are none."""
        if self.choice:
            return {"kind": "discrete", "size": self.choices}
        size = len(self.keys) + len(self.values)
        return {"kind": "continuous", "size": size} if size else None


class VideoConfig(FilmSource):
    """Long videos, all of them: cut into recordings, at a rate and size of their own, with signals beside them."""

    source: Literal["video"] = Field("video", description=SOURCE)
    recordings: int = Field(ge=1, description="files to take, in the order of their paths")
    shards: int = Field(1, ge=1, le=10_000, description="parts that the set is split into, by file")
    frames: int = Field(1024, ge=16, le=1_000_000, description="frames of a recording; longer films become several")
    hours: float = Field(1.0, gt=0, description="expected length of all films; it plans memory and disk, no more")
    frames_per_second: int = Field(16, ge=1, le=240, description="frames a second, whatever the films have")
    sound_rate: int = Field(16_000, ge=1_000, le=192_000, description="samples a second, whatever the films have")
    fit: Literal["crop", "pad", "stretch"] = Field(
        "crop",
        description="how a picture becomes square: its middle, the whole with black bars, or the whole distorted",
    )
    split_by: Literal["file", "time"] = Field(
        "file", description="whole files go to a split, or each file begins with training and ends with test"
    )
    gap: float = Field(5.0, ge=0, description="with split_by time: seconds left out between two splits")
    signals: SignalsConfig | None = Field(None, description="actions and more beside each film; null: there are none")

    @property
    def frame_rate(self) -> int:
        """Frames a second of the recordings."""
        return self.frames_per_second

    @property
    def sample_rate(self) -> int:
        """Samples a second of the recordings."""
        return self.sound_rate

    def has_actions(self) -> bool:
        """Whether somebody acts in the recordings: what lies beside the films says so."""
        return self.signals is not None and self.signals.action() is not None

    def has_rewards(self) -> bool:
        """Whether the recordings hold rewards."""
        return self.signals is not None and bool(self.signals.reward)

    def episodes(self) -> int:
        """Recordings that so many hours are cut into."""
        return max(1, math.ceil(self.hours * 3600 * self.frame_rate / self.frames))

    def _draws_splits(self) -> bool:
        return self.split_by == "file"

    @model_validator(mode="after")
    def _rates_fit(self) -> VideoConfig:
        if "audio" in self.streams and self.sound_rate % self.frames_per_second:
            raise ValueError(
                f"sound_rate is {self.sound_rate}: it must be a multiple of frames_per_second "
                f"({self.frames_per_second})"
            )
        if "video" not in self.streams:
            raise ValueError("streams has no video: sounds alone are read by source folder")
        return self

    def read_files(self) -> list[str]:
        """The films, then the files beside them.

        Raises:
            ConfigurationError: if the folder, a film or a file beside one is not there.
        """
        return self.with_beside(self.films)

    def with_beside(self, films: list[str]) -> list[str]:
        """Films, and the files with their signals."""
        return [*films, *(str(self.beside(Path(film))) for film in films)] if self.signals else films

    def beside(self, film: Path) -> Path:
        """The file with the signals of a film.

        Raises:
            ConfigurationError: if it is not there.
        """
        assert self.signals is not None
        path = film.with_suffix(self.signals.suffix)
        if not path.is_file():
            raise ConfigurationError(f"signals.suffix = {self.signals.suffix!r}: {path} is not there, beside {film}")
        return path
