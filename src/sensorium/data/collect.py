"""Collect one shard of recordings: simulate or read each one, check it, write it if it is good, list it if it is bad.

Next to shard-0000.safetensors it writes shard-0000.json, from which `index` learns what the shard holds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import AnyData, FileSource, Source, canonical_json, parse_section
from sensorium.data import sources
from sensorium.data.collect_files import collect_files
from sensorium.data.files import printable
from sensorium.data.quarantine import BadRecordingError, check, refuse_too_many
from sensorium.data.recording import join_stills, recording_name, write_shard
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


def numbers_of_shard(config: Source, shard: int) -> range:
    """Numbers of the recordings in a shard: consecutive, and the sizes of shards differ by at most one."""
    return range(shard * config.recordings // config.shards, (shard + 1) * config.recordings // config.shards)


def collect(config: Any, shard: int, output: Path) -> None:
    """Write a shard and its list.

    Raises:
        BadDataError: as soon as this shard alone has more bad recordings than the whole set may have.
    """
    if isinstance(config, FileSource):
        collect_files(config, numbers_of_shard(config, shard), output)
        return
    source = sources.module(config.source)
    details, splits = source.details(config), sources.splits(config)
    checked = {**details, "simulated": sources.is_simulator(config.source)}
    numbers = numbers_of_shard(config, shard)
    recordings: dict[str, dict[str, np.ndarray]] = {}
    listed: list[dict[str, Any]] = []
    quarantine: list[dict[str, str]] = []
    for number in track(numbers, f"shard {shard}: recordings"):
        name = recording_name(config.source, number)
        try:
            fields = source.simulate(config, number)
            reason = check(fields, checked, config.frames)
            if reason and (place := sources.origin(config, number)):
                reason = f"{printable(place)}: {reason}"
        except BadRecordingError as error:
            reason = str(error)
        if reason is None:
            recordings[name] = fields
            listed.append({"name": name, "number": number, "frames": config.frames, "split": splits[number]})
        else:
            quarantine.append({"name": name, "reason": reason})
            say(f"quarantine: {name}: {reason}")
            refuse_too_many(quarantine, config.recordings, config.max_bad_fraction)
    if details.get("still"):
        recordings, listed = join_stills(recordings, listed)
    write_shard(output, recordings)
    describe_shard(
        output,
        section_json=canonical_json(config),
        recordings=listed,
        quarantine=quarantine,
        details=details,
        inputs={},
    )
    say(f"{output}: {len(numbers) - len(quarantine)} of {len(numbers)} recordings, {len(quarantine)} in quarantine")
