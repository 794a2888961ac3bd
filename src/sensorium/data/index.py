"""Index the shards of a set: check them, join their lists, count the quarantine, write the manifest.

With --like the set was made from another one (latents from recordings) and inherits its splits and details.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sensorium.artifacts import ArtifactError, checked, digest, read_manifest, write_manifest
from sensorium.config import AnyData, LatentsConfig, canonical_json, parse_section
from sensorium.data.quarantine import refuse_too_many
from sensorium.data.recording import KIND, read_shard
from sensorium.data.schema import Details
from sensorium.data.shards import read_lists, refuse_empty_splits

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
        BadDataError: if too many recordings are bad, or a split is left without any.
    """
    section_json = canonical_json(section)
    lists = read_lists(shards, section_json)
    entries, quarantine = [], []
    for path, content in zip(shards, lists, strict=True):
        held = set(read_shard(path.with_suffix(".safetensors"))) if content["recordings"] else set()
        if held != {entry["name"] for entry in content["recordings"]}:
            raise ArtifactError(
                f"{path}: does not list what its shard holds; delete both and run the same command again"
            )
        own = ("name", "number", "frames") if like else ("name", "number", "frames", "split")
        entries += [{**{key: entry[key] for key in own}, "shard": path.stem} for entry in content["recordings"]]
        quarantine += content["quarantine"]
    entries.sort(key=lambda entry: entry["number"])
    details, inputs = dict(lists[0]["details"]), dict(lists[0]["inputs"])
    if like is None:
        refuse_too_many(quarantine, section.recordings, section.max_bad_fraction)
        recordings = entries
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
    print(f"{output}: {len(recordings)} recordings ({split_counts}), {len(quarantine)} in quarantine", flush=True)
