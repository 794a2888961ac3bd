"""Index the shards of a set: check them, compare their recordings, count the quarantine, write the manifest.

Copies of other recordings go to quarantine; where the splits are published they stay, and a warning counts them.
With --like the set was made from another one (latents from recordings) and inherits its splits and details.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.artifacts import ArtifactError, checked, digest, read_manifest, write_manifest
from sensorium.config import AnyData, LatentsConfig, canonical_json, parse_section
from sensorium.data import sources
from sensorium.data.comparison import Copy, digest_contents, find_copies, leave_out, unchanging
from sensorium.data.quarantine import SHOWN, Fields, refuse_too_many
from sensorium.data.recording import KIND, read_shard, recording_name
from sensorium.data.schema import Details
from sensorium.data.shards import count_files, read_lists, refuse_empty_splits
from sensorium.progress import say, track

REVISION = 2


def main(argv: list[str]) -> None:
    """Run `sensorium index`."""
    parser = argparse.ArgumentParser(prog="sensorium index", description=__doc__)
    parser.add_argument("--config", required=True, metavar="JSON", help="the section that made the shards")
    parser.add_argument("--shards", required=True, type=Path, nargs="+", metavar="JSON", help="the lists of the shards")
    parser.add_argument("--like", type=Path, metavar="MANIFEST", help="the set that this one was made from")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="FILE", help="manifest.json, in the folder of the shards"
    )
    args = parser.parse_args(argv)
    if any(path.parent.resolve() != args.output.parent.resolve() for path in args.shards):
        parser.error("--shards and --output must be in one folder: a manifest names its files relative to itself")
    section = parse_section(AnyData if args.like is None else LatentsConfig, args.config)
    index(section, args.shards, args.output, args.like)


def index(section: Any, shards: list[Path], output: Path, like: Path | None = None) -> None:
    """Write the manifest of a set.

    Raises:
        ArtifactError: if a shard is missing or is not what its list says.
        BadDataError: if too many recordings are bad, a split is left without any, or nothing changes in their pictures
            or actions.
    """
    section_json = canonical_json(section)
    lists = read_lists(shards, section_json)
    entries, quarantine, arrays = [], [], {}
    for path, content in track(list(zip(shards, lists, strict=True)), "shards"):
        held = read_shard(path.with_suffix(".safetensors")) if content["recordings"] else {}
        if set(held) != {entry["name"] for entry in content["recordings"]}:
            raise ArtifactError(
                f"{path}: does not list what its shard holds; delete both and run the same command again"
            )
        own = ("name", "number", "frames") if like else ("name", "number", "frames", "split")
        entries += [{**{key: entry[key] for key in own}, "shard": path.stem} for entry in content["recordings"]]
        quarantine += content["quarantine"]
        arrays.update(held)
    entries.sort(key=lambda entry: entry["number"])
    details, inputs = dict(lists[0]["details"]), dict(lists[0]["inputs"])
    rows = [row for content in lists for row in content.get("files", [])]
    if like is None:
        recordings, quarantine, warnings = compare(section, entries, arrays, details, quarantine)
        details |= {"warnings": warnings} if warnings else {}
        details |= {"files": count_files(rows, entries, recordings, details["frames_per_second"])} if rows else {}
    else:
        origin = checked(like, read_manifest(like, KIND)["details"], Details)
        by_name = {entry["name"]: entry["split"] for entry in origin["recordings"]}
        if set(by_name) != {entry["name"] for entry in entries}:
            raise ArtifactError(
                f"{output.parent}: its shards hold {len(entries)} recordings, {like} {len(by_name)}, and not the same; "
                f"delete {output.parent} and run the same command again"
            )
        recordings = [{**entry, "split": by_name[entry["name"]]} for entry in entries]
        details, inputs = {**origin, **details}, {**inputs, "data": digest(like)}
        quarantine = origin["quarantine"]
    refuse_empty_splits(recordings)
    write_manifest(
        output.parent,
        kind=KIND,
        section_json=section_json,
        inputs=inputs,
        files={path.stem: path.with_suffix(".safetensors") for path in shards},
        details={**details, "recordings": recordings, "quarantine": quarantine},
    )
    counts = {
        split: sum(entry["split"] == split for entry in recordings) for split in ("training", "validation", "test")
    }
    split_counts = ", ".join(f"{count} {split}" for split, count in counts.items())
    say(f"{output}: {len(recordings)} recordings ({split_counts}), {len(quarantine)} in quarantine")
    for warning in details.get("warnings", []):
        say(f"warning: {warning}")


def compare(
    section: Any,
    entries: list[dict[str, Any]],
    arrays: Mapping[str, Fields],
    details: dict[str, Any],
    quarantine: list[dict[str, str]],
) -> tuple[list[dict[str, Any]], list[dict[str, str]], list[str]]:
    """The entries without copies, the quarantine with them, and warnings for whoever reads the results.

    Raises:
        BadDataError: if too many recordings are bad or copies, a split is left without any, or nothing changes in
            their pictures or actions.
    """
    bad = {entry["name"] for entry in quarantine}
    numbers = {number for number in range(section.recordings) if recording_name(section.source, number) in bad}
    copies = find_copies(digest_contents(entries, arrays, details, numbers))
    named = [_named(section, copy) for copy in copies]
    refuse_too_many(
        [*quarantine, *named], max(section.recordings, len(entries) + len(quarantine)), section.max_bad_fraction
    )
    warnings = []
    if copies and sources.splits_are_published(section):
        across = sum(copy.content.split != copy.original.split for copy in copies)
        shown = "; ".join(entry["reason"] for entry in named[:SHOWN])
        warnings = [
            f"{len(copies)} of {section.recordings} items are copies, {across} of them in another split than the "
            f"original: {shown}. They stay, because the splits are published; results on them are a little too good"
        ]
    else:
        for entry in named:
            say(f"quarantine: {entry['name']}: {entry['reason']}")
        entries, quarantine = leave_out(entries, copies), [*quarantine, *named]
    refuse_empty_splits(entries)
    return entries, quarantine, warnings + unchanging([arrays[entry["name"]] for entry in entries], details)


def _named(section: Any, copy: Copy) -> dict[str, str]:
    """A copy as an entry of the quarantine, with the file that it came from if there is one."""
    name, original = (
        each.recording if each.frame is None else recording_name(section.source, each.number)
        for each in (copy.content, copy.original)
    )
    place, first = (sources.origin(section, each.number) for each in (copy.content, copy.original))
    if first:
        original = f"{first} ({original})"
    reason = f"same content as {original}, which is in {copy.original.split}"
    if copy.frames is not None:
        equal, count = copy.frames
        reason = f"{equal} of its {count} frames are in earlier splits too, most of them in {original}"
    return {"name": name, "reason": f"{place}: {reason}" if place else reason}
