"""Collect one shard of films, sounds or episodes: each goes through the gate and becomes recordings and a row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import FileSource, canonical_json
from sensorium.data import sources
from sensorium.data.files import printable
from sensorium.data.gate import FileGate, size_of
from sensorium.data.quarantine import BadRecordingError, check, refuse_too_many
from sensorium.data.recording import recording_name
from sensorium.data.shard_writer import ShardWriter, open_shard
from sensorium.data.shards import describe_shard
from sensorium.data.sources.films import PIECES
from sensorium.data.verdicts import row
from sensorium.progress import say, track


class FileCollection:
    """What is collected from the files of one shard.

    Attributes:
        listed: entries of the recordings.
        rows: a row for each file.
        quarantine: entries of the files that were left out.
    """

    def __init__(self, config: FileSource, gate: FileGate, shard: ShardWriter) -> None:
        self._config, self._gate, self._shard = config, gate, shard
        self._source = sources.module(config.source)
        self._details = self._source.details(config)
        self._splits = sources.splits(config)
        self.listed: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self.quarantine: list[dict[str, str]] = []

    def add(self, number: int) -> None:
        """Read file `number`.

        Raises:
            BadDataError: as soon as more files are bad than may be.
        """
        place = printable(self._source.origin(self._config, number * PIECES if self._config.in_pieces() else number))
        mark, before = self._shard.mark(), len(self.listed)
        try:
            done = self._read(number, mark, before)
        except BadRecordingError as error:
            self._forget(mark, before)
            self._leave_out(number, row(place, [(error.kind, _below(place, str(error)))]))
            return
        rate = self._details["frames_per_second"]
        left_out = {why: frames / rate for why, frames in done["left_out"].items()}
        found = row(place, map(tuple, done["found"]), done["frames"] / rate, left_out)
        if found["verdict"] == "bad" or (found["verdict"] == "suspicious" and self._config.suspicious == "leave"):
            self._forget(mark, before)
            lost = left_out | {found["verdict"]: done["frames"] / rate}
            self._leave_out(number, row(place, map(tuple, done["found"]), 0.0, lost))
            return
        self.rows.append(found)

    def _read(self, number: int, mark: tuple[int, int], before: int) -> dict[str, Any]:
        job, path = self._source.job(self._config, number), self._source.file(self._config, number)
        for message, arrays in self._gate.read(job, size_of(path)):
            if message["kind"] == "again":
                self._forget(mark, before)
            elif message["kind"] == "piece":
                self._keep(number, len(self.listed) - before, message, arrays)
            else:
                return message
        raise AssertionError("the gate says how a file ends")

    def _keep(self, number: int, piece: int, message: Mapping[str, Any], fields: dict[str, np.ndarray]) -> None:
        frames = len(next(iter(fields.values()))) if "video" in fields else _sounding(fields, self._details)
        if reason := check(fields, self._details, frames, part=True):
            raise BadRecordingError(reason)
        name, split = recording_name(self._config.source, number), message["split"] or self._splits[number]
        if self._config.in_pieces():
            name, number = f"{name}-{piece:05d}", number * PIECES + piece
        self._shard.add(name, fields)
        self.listed.append({"name": name, "number": number, "frames": frames, "split": split})

    def _forget(self, mark: tuple[int, int], before: int) -> None:
        self._shard.back_to(mark)
        del self.listed[before:]

    def _leave_out(self, number: int, found: dict[str, Any]) -> None:
        name = recording_name(self._config.source, number)
        self.rows.append(found)
        reason = f"{found['file']}: {found['detail'] or found['reason']}"
        self.quarantine.append({"name": name, "reason": reason})
        say(f"quarantine: {name}: {found['verdict']}: {reason}; {found['way_out']}")
        refuse_too_many(self.quarantine, self._config.recordings, self._config.max_bad_fraction)


def collect_files(config: FileSource, numbers: range, output: Path, gate: FileGate | None = None) -> None:
    """Write the shard of these files and its list.

    Raises:
        BadDataError: as soon as this shard alone has more bad files than the whole set may have.
    """
    details = sources.module(config.source).details(config)
    if skipped := details["skipped"]:
        say(f"{config.path}: left out, hidden or of a system: {', '.join(skipped)}")
    with gate or FileGate() as reader, open_shard(output) as shard:
        collection = FileCollection(config, reader, shard)
        for number in track(numbers, "files"):
            collection.add(number)
    describe_shard(
        output,
        section_json=canonical_json(config),
        recordings=collection.listed,
        quarantine=collection.quarantine,
        details=details,
        inputs={},
        files=collection.rows,
    )
    taken = sum(found["seconds"] for found in collection.rows) / 3600
    lost = sum(sum(found["left_out"].values()) for found in collection.rows) / 3600
    bad = len(collection.quarantine)
    say(f"{output}: {len(collection.listed)} recordings of {len(numbers)} files, {bad} in quarantine")
    say(f"{output}: {taken:.3f} hours taken, {lost:.3f} hours left out")


def _sounding(fields: Mapping[str, np.ndarray], details: Mapping[str, Any]) -> int:
    return len(fields["audio"]) // int(details["samples_per_frame"])


def _below(place: str, message: str) -> str:
    """A reader's message without the name of the file, which it begins with."""
    return message.removeprefix(f"{Path(place).name}: ")
