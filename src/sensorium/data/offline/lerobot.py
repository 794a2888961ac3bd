"""Folders of LeRobot, versions 2.0, 2.1 and 3.0: numbers in Parquet, pictures in films or in Parquet.

In version 2 each episode has files of its own. In version 3 files hold many episodes, and a table says where each lies.
Both become one table of `Rows`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sensorium.data.files import open_regular
from sensorium.data.offline.episode import EpisodeSet, Facts, inside
from sensorium.data.offline.lerobot_episode import LeRobotEpisode
from sensorium.data.offline.tables import columns_of, rows_of
from sensorium.data.quarantine import BadRecordingError

VERSIONS = ("v2.0", "v2.1", "v3.0")
LARGEST_JSON = 2**28  # bytes
FIELD = re.compile(r"\{(\w+)(?::0?(\d+)d)?\}")
OWN = ("truth.",)  # columns of `sensorium export` that are taken whatever the settings name
SPLITS = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


@dataclass(frozen=True)
class Rows:
    """Where an episode lies.

    Attributes:
        data: Parquet file, below the folder.
        films: name of a camera -> its film, below the folder, and the second at which the episode begins in it.
        frames: how many it has; None: not said.
    """

    data: str
    films: Mapping[str, tuple[str, float]]
    frames: int | None


class LeRobotSet:
    """A folder.

    Args:
        folder: it.
        picture: name of a camera; empty: the first one.
    """

    def __init__(self, folder: Path, picture: str) -> None:
        self._folder = folder
        self._info = _json(folder / "meta/info.json")
        if self._info.get("codebase_version") not in VERSIONS:
            raise BadRecordingError(
                f"meta/info.json: codebase_version is {self._info.get('codebase_version')!r}, not one of "
                f"{', '.join(VERSIONS)}",
                "wrong_array",
            )
        self._features: dict[str, dict[str, Any]] = self._info["features"]
        self._films = [name for name, each in self._features.items() if each.get("dtype") == "video"]
        cameras = [name for name, each in self._features.items() if each.get("dtype") in ("video", "image")]
        self.picture = picture or next(iter(cameras), "")

    @cached_property
    def facts(self) -> Facts:
        """Rate, names, bounds and choices of the numbers, as `meta` states them."""
        path = self._folder / "meta/stats.json"
        stats = _json(path) if path.exists() else _joined(self._folder / "meta/episodes_stats.jsonl")
        scales, choices, names, shapes = {}, {}, {}, {}
        for name, each in self._features.items():
            about = each.get("info") or {}
            if found := _flat(each.get("names")):
                names[name] = found
            if "shape" in about:
                shapes[name] = about["shape"]
            if "choices" in about:
                choices[name] = int(about["choices"])
            elif not about.get("normalised") and {"min", "max"} <= set(stats.get(name, {})):
                scales[name] = [_numbers(stats[name][key]) for key in ("min", "max")]
                if str(each.get("dtype")).startswith("int") and each.get("shape") == [1]:
                    choices[name] = int(scales[name][1][0]) + 1
        return Facts(float(self._info["fps"]), scales, choices, names, shapes)

    @cached_property
    def _episodes(self) -> dict[int, Rows]:
        if self._info["codebase_version"] == "v3.0":
            return dict(self._of_tables())
        return dict(self._of_lines())

    def _of_lines(self) -> Iterator[tuple[int, Rows]]:
        """Version 2: paths follow from the number of an episode."""
        for line in _lines(self._folder / "meta/episodes.jsonl"):
            number = int(line["episode_index"])
            values: dict[str, Any] = {
                "episode_index": number,
                "episode_chunk": number // int(self._info.get("chunks_size", 1000)),
            }
            films = {
                name: (filled(str(self._info["video_path"]), values | {"video_key": name}), 0.0) for name in self._films
            }
            yield number, Rows(filled(self._info["data_path"], values), films, line.get("length"))

    def _of_tables(self) -> Iterator[tuple[int, Rows]]:
        """Version 3: a table of episodes names files and places in them."""
        wanted = ["episode_index", "length", "data/chunk_index", "data/file_index"]
        wanted += [
            f"videos/{name}/{each}" for name in self._films for each in ("chunk_index", "file_index", "from_timestamp")
        ]
        for path in sorted((self._folder / "meta/episodes").glob("*/*.parquet")):
            for row in rows_of(path, wanted):
                places = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
                films = {
                    name: (
                        filled(
                            str(self._info["video_path"]),
                            {
                                "video_key": name,
                                **{key: row[f"videos/{name}/{key}"] for key in ("chunk_index", "file_index")},
                            },
                        ),
                        float(row[f"videos/{name}/from_timestamp"]),
                    )
                    for name in self._films
                }
                data = filled(self._info["data_path"], places)
                yield int(row["episode_index"]), Rows(data, films, row["length"])

    def places(self) -> list[str]:
        """File of each episode, the film of the camera that is used where there is one, and its number."""
        return [f"{self._file(number)}:{number}" for number in sorted(self._episodes)]

    def _file(self, number: int) -> str:
        rows = self._episodes[number]
        return rows.films[self.picture][0] if self.picture in rows.films else rows.data

    def splits(self) -> list[str]:
        """The splits that the set states as ranges of episodes; empty if validation or test is not there."""
        found: dict[int, str] = {}
        for name, text in (self._info.get("splits") or {}).items():
            first, _, last = str(text).partition(":")
            if name in SPLITS and first.isdigit() and last.isdigit():
                found |= dict.fromkeys(range(int(first), min(int(last), int(first) + 10**7)), SPLITS[name])
        if set(found.values()) != set(SPLITS.values()):
            return []
        return [found.get(number, "training") for number in sorted(self._episodes)]

    @contextmanager
    def open(self, place: str) -> Iterator[LeRobotEpisode]:
        """An episode."""
        number = int(place.rpartition(":")[2])
        if number not in self._episodes:
            raise BadRecordingError(f"no episode {number} in meta", "missing")
        rows = self._episodes[number]
        with open_regular(inside(self._folder, rows.data)) as raw:
            films = {name: (inside(self._folder, path), start) for name, (path, start) in rows.films.items()}
            columns = columns_of(raw)
            yield LeRobotEpisode(raw, columns, number, rows.frames, films, self.facts.rate, self.picture)


def filled(pattern: str, values: Mapping[str, Any]) -> str:
    """A pattern of a path with its values, without what else a format string can do.

    Raises:
        BadRecordingError: if it names a value that there is not.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise BadRecordingError(f"meta/info.json: the path {pattern!r} names {found[1]!r}", "wrong_array")
        given = values[found[1]]
        return f"{int(given):0{min(int(found[2]), 20)}d}" if found[2] else str(given)

    return FIELD.sub(value, pattern)


def _json(path: Path) -> dict[str, Any]:
    with open_regular(path) as file:
        content = file.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise BadRecordingError(f"{path.name} has more than {LARGEST_JSON} bytes", "too_large")
    found = json.loads(content)
    if not isinstance(found, dict):
        raise BadRecordingError(f"{path.name} is no JSON object", "wrong_array")
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with open_regular(path) as file:
        for line in file.read(LARGEST_JSON).decode().splitlines():
            if line.strip():
                yield json.loads(line)


def _joined(path: Path) -> dict[str, dict[str, Any]]:
    """Lowest and highest values of all episodes, from those of each (version 2.1)."""
    found: dict[str, dict[str, Any]] = {}
    for line in _lines(path) if path.exists() else ():
        for name, each in line["stats"].items():
            if {"min", "max"} <= set(each):
                low, high = _numbers(each["min"]), _numbers(each["max"])
                known = found.setdefault(name, {"min": low, "max": high})
                known["min"] = [min(pair) for pair in zip(known["min"], low, strict=True)]
                known["max"] = [max(pair) for pair in zip(known["max"], high, strict=True)]
    return found


def _numbers(values: Any) -> list[float]:
    """A number, or lists of them, as one list."""
    if isinstance(values, list):
        return [number for value in values for number in _numbers(value)]
    return [float(values)]


def _flat(names: Any) -> list[str]:
    """Names of numbers: a list, or lists in a dictionary."""
    if isinstance(names, Mapping):
        names = [name for part in names.values() if isinstance(part, Sequence) for name in part]
    return [str(name) for name in names] if isinstance(names, list) else []


def open_set(layout: str, folder: Path, files: list[Path], picture: str) -> EpisodeSet:
    """The set below a folder."""
    return LeRobotSet(folder, picture)
