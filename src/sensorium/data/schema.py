"""What the JSON beside recordings must hold, and whether it agrees with the shards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from sensorium.artifacts import ArtifactError, Stored, read_checked
from sensorium.data.quarantine import clock_mismatch, wrong_type

Split = Literal["training", "validation", "test"]
Count = Annotated[int, Field(ge=0)]
Fields = Mapping[str, np.ndarray]


class Entry(Stored):
    """A recording in a list. `split` is absent in the lists of sets that were made from another one.

    `left_out` are pictures of a recording of several that are copies; `frames` does not count them.
    """

    name: str
    number: Count | None = None
    frames: int = Field(ge=1)
    split: Split | None = None
    shard: str | None = None
    left_out: list[Count] = Field(default_factory=list)


class Listed(Entry):
    """A recording in the list of a shard, which tells `index` its place in the set."""

    number: Count


class Reason(Stored):
    """A recording in quarantine."""

    name: str
    reason: str


class Action(Stored):
    """Numbers of a continuous action, or choices of a discrete one."""

    kind: Literal["continuous", "discrete"]
    size: int = Field(ge=1)


class Labels(Stored):
    """What the labels of a sense mean."""

    name: str
    classes: list[str]


class FileRow(Stored):
    """A file that came through the gate (`data.verdicts`)."""

    file: str
    verdict: Literal["ok", "repaired", "suspicious", "bad"]
    reason: str
    detail: str
    way_out: str
    seconds: float = Field(ge=0)
    left_out: dict[str, float]


class FileCounts(Stored):
    """What became of the files of a set: how many have each verdict, hours, and the rows of those that are not ok."""

    verdicts: dict[str, Count]
    hours: float = Field(ge=0)
    hours_left_out: dict[str, float]
    rows: list[FileRow]


class SetDetails(Stored):
    """Of a set of recordings or latents; which of the optional ones are there depends on the source."""

    frames_per_second: float = Field(1, gt=0)
    sample_rate: Count = 0
    samples_per_frame: Count = 0
    size: Count = 0
    action: Action | None = None
    body: Count = 0
    tokens: Count = 0
    channels: Count = 0
    labels: dict[str, Labels] | None = None
    state_names: list[str] = Field(default_factory=list)


class Details(SetDetails):
    """Of the manifest of a set."""

    recordings: list[Entry]
    quarantine: list[Reason] = Field(default_factory=list)
    files: FileCounts | None = None


class ShardList(Stored):
    """What lies beside a shard."""

    config: dict[str, Any]
    recordings: list[Listed]
    quarantine: list[Reason]
    details: SetDetails
    inputs: dict[str, str]
    sha256: str
    files: list[FileRow] = Field(default_factory=list)


def match(manifest: Path, details: Mapping[str, Any], shards: Mapping[str, Mapping[str, Fields]]) -> dict[str, Fields]:
    """The fields of every listed recording, after a check that the shards hold these, as they are described.

    Shards may also hold copies, which are in quarantine.

    Args:
        manifest: for messages.
        details: of the set, checked against `Details`.
        shards: name of a shard -> recording -> field -> array.

    Raises:
        ArtifactError: naming the recording and what disagrees.
    """
    way_out = f"delete {manifest} and its shards and make them again with: snakemake --profile local -j1"
    found: dict[str, Fields] = {}
    for entry in details["recordings"]:
        name, shard = entry["name"], entry["shard"]
        if name in found or name not in shards.get(shard, {}):
            what = "is listed twice" if name in found else f"is not in {shard!r}"
            raise ArtifactError(f"{manifest}: recording {name!r} {what}; {way_out}")
        fields = found[name] = shards[shard][name]
        fault = wrong_type(fields, details, entry["frames"], complete=False)
        fault = (
            fault or clock_mismatch(fields, details, entry["frames"]) or _wrong_shape(fields, details, entry["frames"])
        )
        if fault:
            raise ArtifactError(f"{manifest}: recording {name!r} is not as listed: {fault}; {way_out}")
    held = sum(map(len, shards.values()))
    if held - len(found) > len(details.get("quarantine", [])):
        raise ArtifactError(f"{manifest}: lists {len(found)} of the {held} recordings in its shards; {way_out}")
    return found


def _wrong_shape(fields: Fields, details: Mapping[str, Any], frames: int) -> str | None:
    """A field that is made from others, latents or the truth, of another shape than the details say."""
    shapes: dict[str, tuple[int, ...]] = {"truth.vision_label": (frames,), "truth.audio_label": (frames,)}
    if details.get("tokens"):
        shapes["latent"] = (frames, details["tokens"], details["channels"])
    if details.get("state_names"):
        shapes["truth.state"] = (frames, len(details["state_names"]))
    for field, shape in shapes.items():
        if field in fields and fields[field].shape != shape:
            return f"wrong {field}: {list(fields[field].shape)}, expected {list(shape)}"
    return None


def check_splits(manifest: Path, details: Mapping[str, Any], shards: Mapping[str, Path]) -> None:
    """Refuse a manifest that puts recordings into other splits than the lists of their shards, where these are there.

    Raises:
        ArtifactError: naming the recording and both splits.
    """
    lists = [path.with_suffix(".json") for path in shards.values()]
    drawn = {
        entry["name"]: entry["split"]
        for path in lists
        if path.exists()
        for entry in read_checked(path, ShardList)["recordings"]
        if "split" in entry
    }
    for entry in details["recordings"]:
        name, split = entry["name"], entry["split"]
        if split is None or drawn.get(name, split) != split:
            raise ArtifactError(
                f"{manifest}: recording {name!r} is in split {split!r}, but was drawn for {drawn.get(name)!r}; "
                "delete the manifest and make it again with: snakemake --profile local -j1"
            )
