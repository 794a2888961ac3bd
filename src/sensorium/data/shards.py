"""The list of each shard's recordings, from which the manifest of a set is made, and the draw of splits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.artifacts import ArtifactError, digest, read_checked, write_json
from sensorium.config.splits import split_counts
from sensorium.data.quarantine import BadDataError
from sensorium.data.recording import SPLITS
from sensorium.data.schema import ShardList, Split
from sensorium.data.verdicts import VERDICTS
from sensorium.randomness import stable_seed


def describe_shard(
    shard: Path,
    *,
    section_json: str,
    recordings: Sequence[Mapping[str, Any]],
    quarantine: Sequence[Mapping[str, str]],
    details: Mapping[str, Any],
    inputs: Mapping[str, str],
    files: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Write the list of a shard, next to it, as .json.

    Args:
        shard: the shard, already written.
        section_json: canonical JSON of the settings it was made with.
        recordings: entries {"name", "number", "frames"}, and "split" unless it comes from another set.
        quarantine: entries {"name", "reason"} of the recordings that were left out.
        details: of the whole set, so equal for all its shards.
        inputs: name of each input manifest -> its digest; equal for all shards of a set.
        files: a row for each file that was read (`data.verdicts`); None: no files were read one by one.
    """
    write_json(
        shard.with_suffix(".json"),
        {
            "config": json.loads(section_json),
            "recordings": [dict(entry) for entry in recordings],
            "quarantine": [dict(entry) for entry in quarantine],
            "details": dict(details),
            "inputs": dict(inputs),
            "sha256": digest(shard),
            **({} if files is None else {"files": [dict(entry) for entry in files]}),
        },
    )


def read_lists(paths: Sequence[Path], section_json: str) -> list[dict[str, Any]]:
    """Read the lists of all shards of a set and check each against its shard.

    Raises:
        ArtifactError: if a list or shard is missing, a shard does not match its list, or the shards were made with
            different settings or inputs.
    """
    lists: list[dict[str, Any]] = []
    for path in paths:
        content, shard = read_checked(path, ShardList), path.with_suffix(".safetensors")
        way_out = f"delete {path} and {shard} and run the same command again"
        if not shard.exists():
            raise ArtifactError(f"{shard}: described by {path} but not there; {way_out}")
        found = digest(shard)
        if found != content["sha256"]:
            raise ArtifactError(
                f"{shard}: its content is not what {path} says (sha256 {found[:12]}, expected "
                f"{content['sha256'][:12]}); {way_out}"
            )
        if content["config"] != json.loads(section_json):
            raise ArtifactError(f"{path}: made with other settings than those given now; {way_out}")
        for key in ("details", "inputs"):
            if lists and _lasting(content[key]) != _lasting(lists[0][key]):
                raise ArtifactError(f"{path}: its {key} differ from those of {paths[0]}; delete both and run again")
        lists.append(content)
    return lists


def _lasting(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details without hidden files, which may come and go while shards are made."""
    return {key: value for key, value in details.items() if key != "skipped"}


def draw_splits(seed: int, total: int, validation_fraction: float, test_fraction: float) -> list[Split]:
    """Split of each recording, by its number: a function of the seed and not of the shards.

    The counts are exact (rounded, at least one). The quarantine is not considered, so a bad recording does not move
    others to another split.
    """
    counts = split_counts(total, validation_fraction, test_fraction)
    order = np.random.default_rng(stable_seed(seed, "split")).permutation(total)
    splits: list[Split] = ["training"] * total
    for place, number in enumerate(order[: counts["test"] + counts["validation"]]):
        splits[number] = "test" if place < counts["test"] else "validation"
    return splits


def count_files(
    rows: Sequence[Mapping[str, Any]],
    entries: Sequence[Mapping[str, Any]],
    kept: Sequence[Mapping[str, Any]],
    frames_per_second: float,
) -> dict[str, Any]:
    """What became of the files of a set, for its manifest.

    Args:
        rows: of all its files.
        entries: of the recordings that were made of them.
        kept: those that are no copies of others.
        frames_per_second: of the recordings.
    """
    copies = (sum(entry["frames"] for entry in entries) - sum(entry["frames"] for entry in kept)) / frames_per_second
    lost: dict[str, float] = {"copies of others": copies} if copies else {}
    for row in rows:
        for why, seconds in row["left_out"].items():
            lost[why] = lost.get(why, 0.0) + seconds
    return {
        "verdicts": {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in VERDICTS},
        "hours": round((sum(row["seconds"] for row in rows) - copies) / 3600, 6),
        "hours_left_out": {why: round(seconds / 3600, 6) for why, seconds in sorted(lost.items())},
        "rows": [dict(row) for row in rows if row["verdict"] != "ok"],
    }


def refuse_empty_splits(recordings: Sequence[Mapping[str, Any]]) -> None:
    """Raise an error if a split has no recording.

    Raises:
        BadDataError: naming the split.
    """
    for split in SPLITS:
        if not any(entry["split"] == split for entry in recordings):
            raise BadDataError(
                f"no good recording is left for {split}: collect more (data.recordings), or leave out less of films "
                "(data.gap, data.shortest)"
            )
