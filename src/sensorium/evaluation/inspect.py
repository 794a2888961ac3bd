"""What a set of recordings holds: lengths, rates, spaces and splits; what was left out and why.

The figures come from the manifest, and for sets of files from the lists of its shards, which have a row for each file.
With --figure the recordings themselves are shown: pictures of some, what they sound like, and how often each action is
taken.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sensorium.artifacts import checked, read_checked, read_manifest
from sensorium.data.quarantine import SHOWN
from sensorium.data.recording import KIND, SPLITS, RecordingSet
from sensorium.data.schema import Details, ShardList
from sensorium.data.verdicts import REASONS
from sensorium.progress import say

REVISION = 1
SHORT = 60.0  # seconds below which a length is shown in seconds


def main(argv: list[str]) -> None:
    """Run `sensorium inspect`."""
    parser = argparse.ArgumentParser(prog="sensorium inspect", description=__doc__)
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="manifest.json of a set of recordings")
    parser.add_argument("--files", action="store_true", help="also print a row for each file that was read")
    parser.add_argument("--figure", type=Path, metavar="PNG", help="also draw some of them: pictures, sounds, actions")
    args = parser.parse_args(argv)
    print("\n".join(summary(args.manifest)))
    if args.files:
        print("\n".join(file_rows(args.manifest)))
    if args.figure:
        from sensorium.evaluation.recording_sheet import draw  # the summary needs neither figures nor shards

        draw(args.figure, RecordingSet.open(args.manifest))
        say(f"{args.figure}: pictures, sounds and actions")


def summary(manifest: Path) -> Iterator[str]:
    """The lines of the summary.

    Raises:
        ArtifactError: if this is no manifest of recordings.
    """
    details = checked(manifest, read_manifest(manifest, KIND)["details"], Details)
    rate = float(details.get("frames_per_second", 1))
    yield f"{manifest}: {details.get('source', 'recordings')}"
    yield from _lengths(details["recordings"], rate)
    yield from _spaces(details, rate)
    yield from _files(details.get("files"))
    yield f"quarantine: {len(details.get('quarantine', []))}"
    for entry in details.get("quarantine", [])[:SHOWN]:
        yield f"  {entry['name']}: {entry['reason']}"
    for warning in details.get("warnings", []):
        yield f"warning: {warning}"


def _lengths(recordings: list[dict[str, Any]], rate: float) -> Iterator[str]:
    frames = [entry["frames"] for entry in recordings]
    ends = f"{min(frames)} to {max(frames)} frames" if min(frames) < max(frames) else f"{frames[0]} frames each"
    yield f"recordings: {len(frames)} of {ends}, {length(sum(frames) / rate)}"
    for split in SPLITS:
        own = [entry["frames"] for entry in recordings if entry["split"] == split]
        yield f"  {split}: {len(own)} recordings, {length(sum(own) / rate)}"


def _spaces(details: Mapping[str, Any], rate: float) -> Iterator[str]:
    size, action = details.get("size"), details.get("action")
    yield f"pictures: {f'{size} x {size}, {rate:g} a second' if size else 'none'}"
    yield f"sound: {str(details['sample_rate']) + ' samples a second' if details.get('sample_rate') else 'none'}"
    named = f" ({', '.join(details['action_names'])})" if details.get("action_names") else ""
    what = {"continuous": "numbers", "discrete": "choices"}
    yield f"action: {str(action['size']) + ' ' + what[action['kind']] + named if action else 'none'}"
    yield f"body: {details['body']} numbers" if details.get("body") else "body: none"


def _files(files: Mapping[str, Any] | None) -> Iterator[str]:
    if files is None:
        return
    yield "files: " + ", ".join(f"{count} {verdict}" for verdict, count in files["verdicts"].items())
    for row in files["rows"]:
        yield f"  {shown(row)}"
    yield f"taken: {length(3600 * files['hours'])}"
    yield f"left out: {length(3600 * sum(files['hours_left_out'].values()))}"
    for why, hours in files["hours_left_out"].items():
        yield f"  {why}: {length(3600 * hours)}"


def shown(row: Mapping[str, Any]) -> str:
    """A row of a file in one line."""
    meaning = REASONS[row["reason"]].meaning if row["reason"] in REASONS else row["reason"]
    detail = f" ({row['detail']})" if row["detail"] else ""
    return f"{row['file']}: {row['verdict']}: {meaning}{detail}; {row['way_out']}"


def file_rows(manifest: Path) -> Iterator[str]:
    """A line for each file, from the lists beside the shards.

    Raises:
        ArtifactError: if a list is missing.
    """
    for file in sorted(read_manifest(manifest, KIND)["files"]):
        for row in read_checked(manifest.parent / f"{file}.json", ShardList).get("files", []):
            yield f"{shown(row)}; {length(row['seconds'])} taken"


def length(seconds: float) -> str:
    """A length of time in seconds, or in hours with three digits after the point."""
    return f"{seconds:.1f} s" if seconds < SHORT else f"{seconds / 3600:.3f} h"
