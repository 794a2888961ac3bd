"""Collect one shard of recordings: simulate or read each one, check it, write it if it is good, list it if it is bad.

Next to shard-0000.safetensors it writes shard-0000.json, from which `index` learns what the shard holds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import AnyData, FileSource, LabelledSet, Source, canonical_json, parse_section
from sensorium.data import sources
from sensorium.data.collect_files import collect_files
from sensorium.data.files import printable
from sensorium.data.quarantine import BadRecordingError, check, refuse_too_many
from sensorium.data.recording import STILLS, recording_name, write_shard
from sensorium.data.shard_writer import ShardWriter, open_shard
from sensorium.data.shards import describe_shard
from sensorium.progress import say, track

REVISION = 3


def main(argv: list[str]) -> None:
    """Run `sensorium collect`."""
    parser = argparse.ArgumentParser(prog="sensorium collect", description=__doc__)
    parser.add_argument("--config", required=True, metavar="JSON", help="a section of data")
    parser.add_argument("--shard", required=True, type=int, metavar="K", help="number of the shard, from 0")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the shard (.safetensors)")
    args = parser.parse_args(argv)
    config: Any = parse_section(AnyData, args.config)
    if not 0 <= args.shard < config.shards:
        parser.error(f"--shard is {args.shard}: data.shards is {config.shards}, so it must be 0 to {config.shards - 1}")
    collect(config, args.shard, args.output)


def collect(config: Any, shard_number: int, output: Path) -> None:
    """Write a shard and its list.

    Raises:
        BadDataError: as soon as this shard alone has more bad recordings than the whole set may have.
    """
    if isinstance(config, FileSource):
        collect_files(config, config.numbers_of(shard_number), output)
        return
    source = sources.module(config.source)
    details, splits = source.details(config), sources.splits(config)
    checked = {**details, "simulated": sources.is_simulator(config.source)}
    numbers = config.numbers_of(shard_number)
    quarantine: list[dict[str, str]] = []
    with filled(output, config, still=bool(details.get("still"))) as shard:
        for number in track(numbers, f"shard {shard_number}: recordings"):
            name = recording_name(config.source, number)
            try:
                fields = source.simulate(config, number)
                reason = check(fields, checked, config.frames)
                if reason and (place := sources.origin(config, number)):
                    reason = f"{printable(place)}: {reason}"
            except BadRecordingError as error:
                reason = str(error)
            if reason is None:
                entry = {"name": name, "number": number, "frames": config.frames, "split": splits[number]}
                shard.add(entry, fields)
            else:
                quarantine.append({"name": name, "reason": reason})
                say(f"quarantine: {name}: {reason}")
                refuse_too_many(quarantine, config.recordings, config.max_bad_fraction)
    describe_shard(
        output,
        section_json=canonical_json(config),
        recordings=shard.listed,
        quarantine=quarantine,
        details=details,
        inputs={},
    )
    say(f"{output}: {len(numbers) - len(quarantine)} of {len(numbers)} recordings, {len(quarantine)} in quarantine")


class Filling:
    """A shard that is being filled.

    Args:
        writer: writes recordings as they come; None: they are held.
        still: whether they are single pictures, of which STILLS of one split make a recording. A manifest with a
            million recordings of one frame would take minutes to read. The frames of such a recording are no film, so
            windows on it must have one frame.

    Attributes:
        listed: entries of what was added.
        held: recordings that are not written yet: name -> fields.
    """

    def __init__(self, writer: ShardWriter | None, still: bool) -> None:
        self._writer, self._most = writer, STILLS if still else 1
        self._waiting: list[tuple[dict[str, Any], dict[str, np.ndarray]]] = []
        self.listed: list[dict[str, Any]] = []
        self.held: dict[str, dict[str, np.ndarray]] = {}

    def add(self, entry: dict[str, Any], fields: dict[str, np.ndarray]) -> None:
        """A recording with its entry {"name", "number", "frames", "split"}."""
        if self._waiting and self._waiting[0][0]["split"] != entry["split"]:
            self.flush()
        self._waiting.append((entry, fields))
        if len(self._waiting) == self._most:
            self.flush()

    def flush(self) -> None:
        """Write what waits for more pictures."""
        if not self._waiting:
            return
        (entry, fields), *_ = self._waiting
        if self._most > 1:
            fields = {name: np.concatenate([each[name] for _, each in self._waiting]) for name in fields}
            entry = {**entry, "frames": len(self._waiting)}
        self._waiting = []
        self.listed.append(entry)
        if self._writer is None:
            self.held[entry["name"]] = fields
        else:
            self._writer.add(entry["name"], fields)


@contextmanager
def filled(output: Path, config: Source, still: bool) -> Iterator[Filling]:
    """A shard to be filled, on disk when the block has ended; that of a labelled set is written as it fills."""
    if isinstance(config, LabelledSet):
        with open_shard(output) as writer:
            shard = Filling(writer, still)
            yield shard
            shard.flush()
        return
    shard = Filling(None, still)
    yield shard
    shard.flush()
    write_shard(output, shard.held)
