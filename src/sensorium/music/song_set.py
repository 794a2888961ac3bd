"""A set of songs on disk, and the pairs of songs that training combines.

Each shard holds the fields of `rendering.Rendered` for some songs; they are read by memory map without copying.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from sensorium.artifacts import ArtifactError, Stored, checked, read_manifest, verified_file
from sensorium.config import ConfigurationError
from sensorium.data.recording import read_shard
from sensorium.data.schema import Split
from sensorium.music.config import BEATS, RATE
from sensorium.randomness import stable_seed

KIND = "songs"
OWN = "own"  # source of the songs that are composed and synthesised here
STEMS = ("drums", "harmony")


class ListedSong(Stored):
    """A song in the manifest of its set."""

    name: str
    source: str
    split: Split
    shard: str
    tempo: float = Field(gt=0)
    first_bar: int = Field(ge=0)
    title: str
    instruments: list[str]


class SongDetails(Stored):
    """Of the manifest of a set of songs."""

    rate: int
    bars: int = Field(ge=1)
    songs: list[ListedSong]


class SongSet:
    """Songs with stems and truth.

    Attributes:
        manifest: path of the manifest.
        songs: name -> what the manifest says of it.
    """

    def __init__(self, manifest: Path, details: dict[str, Any], shards: Mapping[str, Path]) -> None:
        self.manifest, self._details, self._shards = manifest, details, dict(shards)
        self.songs: dict[str, dict[str, Any]] = {song["name"]: song for song in details["songs"]}
        held = {shard: read_shard(path) for shard, path in shards.items()}
        self._fields = {name: self._checked(name, held) for name in self.songs}

    def _checked(self, name: str, held: Mapping[str, Mapping[str, Any]]) -> Mapping[str, np.ndarray]:
        """The fields of a song, after a check that they are what the manifest says."""
        song = self.songs[name]
        fields: Mapping[str, np.ndarray] = held.get(song["shard"], {}).get(name, {})
        samples = round(60 * RATE / song["tempo"]) * BEATS * self._details["bars"]
        for stem in STEMS:
            if stem not in fields or fields[stem].dtype != np.int16 or fields[stem].shape != (samples,):
                raise ArtifactError(
                    f"{self.manifest}: song {name!r} has no {stem} of {samples} samples in {song['shard']!r}; delete "
                    "the folder and make it again with: snakemake --profile local -j1"
                )
        return fields

    @classmethod
    def open(cls, manifest: Path) -> SongSet:
        """Verify every shard against the manifest, and map it into memory.

        Raises:
            ArtifactError: if the manifest or a shard is missing, of another kind, or changed, or they disagree.
        """
        content = read_manifest(manifest, KIND)
        details = checked(manifest, content["details"], SongDetails)
        if details["rate"] != RATE or len({song["name"] for song in details["songs"]}) != len(details["songs"]):
            raise ArtifactError(f"{manifest}: songs of {details['rate']} samples a second, or two of one name")
        return cls(manifest, details, {name: verified_file(manifest, content, name) for name in content["files"]})

    def __reduce__(self) -> tuple[Any, ...]:
        # A spawned worker maps the files itself, because pickling the views would copy the whole set.
        return SongSet, (self.manifest, self._details, self._shards)

    def sources(self) -> list[str]:
        """Where the songs of the test come from, in order."""
        return list(dict.fromkeys(song["source"] for song in self.songs.values() if song["split"] == "test"))

    def names(self, split: Split, source: str | None = None) -> list[str]:
        """Names of the songs of a split that come from a source, or from any, in order."""
        every = self.songs.items()
        return [name for name, song in every if song["split"] == split and source in (None, song["source"])]

    def field(self, name: str, field: str) -> np.ndarray:
        """Read-only view of a field of a song."""
        return self._fields[name][field]

    def by_tempo(self, split: Split, source: str | None = None) -> dict[float, list[str]]:
        """Tempo -> names of the songs of a split that have it, and come from a source or from any."""
        found: dict[float, list[str]] = {}
        for name in self.names(split, source):
            found.setdefault(self.songs[name]["tempo"], []).append(name)
        return found

    def pairs(self, split: Split, source: str = OWN) -> list[tuple[str, str]]:
        """Pairs of songs of one tempo and one source; no song is in two."""
        groups = self.by_tempo(split, source).values()
        return [(songs[place], songs[place + 1]) for songs in groups for place in range(0, len(songs) - 1, 2)]


class SongPairs:
    """Windows of two songs of one tempo whose bars are aligned: what training and validation read.

    Window i is a beat of one of the songs; its partner, another song of that tempo, and the bar of it are drawn from
    the seed of the row. Both windows begin at the same beat of their bars.

    Args:
        songs: the set.
        split: of both songs.
        seconds: length of a window.

    Raises:
        ConfigurationError: if songs are shorter, or one has no partner.
    """

    def __init__(self, songs: SongSet, split: Split, seconds: float) -> None:
        self._songs, self.samples = songs, round(seconds * RATE)
        self._partners: list[tuple[str, list[str]]] = []
        starts = []
        for tempo, names in songs.by_tempo(split).items():
            free = len(songs.field(names[0], "drums")) - self.samples
            if free < 0 or len(names) < 2:
                raise ConfigurationError(
                    f"{songs.manifest}: {len(names)} {split} songs of {tempo} beats a minute, with "
                    f"{free / RATE + seconds:.2f} seconds; windows have {seconds}, and a song needs a partner"
                )
            for name in names:
                self._partners.append((name, [other for other in names if other != name]))
                starts.append(1 + free // self._beat(name))
        if not starts:
            raise ConfigurationError(f"{songs.manifest}: no {split} songs; make it again with more of them")
        self._ends = np.cumsum(starts)

    def _beat(self, name: str) -> int:
        return round(60 * RATE / self._songs.songs[name]["tempo"])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def batch(self, indices: np.ndarray, seeds: Sequence[int] | None = None) -> dict[str, Tensor]:
        """Windows by number.

        Args:
            indices: int [B].
            seeds: one for each row, from which its partner is drawn; None: from its number.

        Returns:
            "stems" int16 [B, 4, S]: drums and harmony of the first song, drums and harmony of the second one.
        """
        rows = np.zeros((len(indices), 2 * len(STEMS), self.samples), np.int16)
        for row, index in enumerate(np.asarray(indices).tolist()):
            place = int(np.searchsorted(self._ends, index, side="right"))
            name, partners = self._partners[place]
            start = index - (int(self._ends[place - 1]) if place else 0)
            seed = stable_seed("pair", index) if seeds is None else seeds[row]
            rng = np.random.default_rng(stable_seed("partner", seed))
            other = partners[int(rng.integers(len(partners)))]
            last = (len(self._songs.field(other, "drums")) - self.samples) // self._beat(other)
            aligned = np.arange(start % BEATS, last + 1, BEATS)
            second = int(aligned[int(rng.integers(len(aligned)))]) if len(aligned) else start
            for song, (which, beat) in enumerate(((name, start), (other, second))):
                first = beat * self._beat(which)
                for stem, field in enumerate(STEMS):
                    rows[row, 2 * song + stem] = self._songs.field(which, field)[first : first + self.samples]
        return {"stems": torch.from_numpy(rows), "index": torch.from_numpy(np.array(indices, np.int64))}
