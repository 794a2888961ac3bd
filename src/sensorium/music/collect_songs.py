"""Compose songs, render some bars of each, and write their stems with the truth about them."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.artifacts import write_manifest
from sensorium.config import canonical_json, parse_section
from sensorium.data.recording import SPLITS, recording_name, write_shard
from sensorium.data.schema import Split
from sensorium.music.config import RATE, SONG_BARS, SongsConfig
from sensorium.music.parts import ROLES
from sensorium.music.rendering import Instruments, Rendered, render
from sensorium.music.song import Song, compose
from sensorium.music.song_set import KIND, OWN
from sensorium.music.soundfont_songs import soundfont_songs
from sensorium.progress import say, track
from sensorium.randomness import stable_seed

REVISION = 3
SHARD = 64  # songs of a file
BANK = {"training": 0, "validation": 1, "test": 2}  # instruments of each split are numbered from BANK * instruments on


@dataclass(frozen=True)
class Planned:
    """What is decided of a song before a note of it is composed.

    Attributes:
        number: of the song.
        split: that it belongs to.
        tempo: beats a minute.
        first: of its rendered bars.
        instruments: from the bank of its split.
    """

    number: int
    split: Split
    tempo: float
    first: int
    instruments: Instruments

    @property
    def name(self) -> str:
        """Of the song in its set."""
        return recording_name("song", self.number)


def main(argv: list[str]) -> None:
    """Run `sensorium collect-songs`."""
    parser = argparse.ArgumentParser(prog="sensorium collect-songs", description=__doc__)
    parser.add_argument("--config", required=True, help="section music.songs, as JSON")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder of the songs")
    args = parser.parse_args(argv)
    write_songs(parse_section(SongsConfig, args.config), args.output)


def plan(config: SongsConfig) -> Iterator[Planned]:
    """All songs of a set, split by split; the tempi of a split are dealt in turn."""
    number = 0
    for split in SPLITS:
        for place in range(config.split_counts()[split]):
            rng = np.random.default_rng(stable_seed(config.seed, "plan", number))
            own = BANK[split] * config.instruments + rng.integers(config.instruments, size=1 + len(ROLES))
            patches = dict(zip(ROLES, own[1:].tolist(), strict=True))
            first = int(rng.integers(SONG_BARS - config.bars + 1))
            tempo = config.tempi[place % len(config.tempi)]
            yield Planned(number, split, tempo, first, Instruments(config.seed, int(own[0]), patches))
            number += 1


def perform(config: SongsConfig, planned: Planned) -> tuple[Song, Rendered]:
    """A song and its sound: a function of the settings and its number."""
    song = compose(config.seed, planned.number)
    seed = stable_seed(config.seed, "rendering", planned.number)
    return song, render(song, planned.instruments, planned.tempo, planned.first, config.bars, seed)


def write_songs(config: SongsConfig, folder: Path) -> None:
    """Render all songs of a set and write them with their manifest.

    Raises:
        ConfigurationError: if songs on soundfonts are wanted and cannot be made.
        StorageError: if the folder cannot be written.
    """
    listed: list[dict[str, Any]] = []
    files: dict[str, Path] = {}
    held: dict[str, dict[str, np.ndarray]] = {}

    def write() -> None:
        shard = f"songs-{len(files):04d}"
        files[shard] = folder / f"{shard}.safetensors"
        write_shard(files[shard], held)
        listed.extend({**entries[name], "shard": shard} for name in held)
        held.clear()
        entries.clear()

    entries: dict[str, dict[str, Any]] = {}
    for entry, fields in chain(own_songs(config), soundfont_songs(config)):
        entries[entry["name"]], held[entry["name"]] = entry, fields
        if len(held) == SHARD:
            write()
    if held:
        write()
    write_manifest(
        folder,
        kind=KIND,
        section_json=canonical_json(config),
        inputs={},
        files=files,
        details={"rate": RATE, "bars": config.bars, "songs": listed},
    )
    counts = Counter(f"{song['split']} ({song['source']})" for song in listed)
    say(
        f"{folder}: {len(listed)} songs of {config.bars} bars: {', '.join(f'{n} {what}' for what, n in counts.items())}"
    )


def own_songs(config: SongsConfig) -> Iterator[tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """Songs that are composed and synthesised here: what the manifest says of each, and its fields."""
    every = list(plan(config))
    for planned in track(every, "songs"):
        song, sound = perform(config, planned)
        yield (
            {
                "name": planned.name,
                "source": OWN,
                "split": planned.split,
                "tempo": planned.tempo,
                "first_bar": planned.first,
                "title": f"{song.form} in {song.key.mode} on {song.key.tonic}",
                "instruments": planned.instruments.names(),
            },
            asdict(sound),
        )
