"""Writing a folder of LeRobot, version 3.0: episode after episode into files of limited sizes, and at last `meta`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from sensorium.data.offline.columns import PICTURE
from sensorium.data.offline.statistics import Sums

CHUNK = 1000  # files of a folder
DATA_MB, FILM_MB = 100, 200  # of a file, before the next one is begun
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
FILMS = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
# Name -> encoder, format of its pixels and options. A key picture at every second one, so that any is found quickly.
CODECS: dict[str, tuple[str, str, dict[str, str]]] = {
    "h264": ("libx264", "yuv420p", {"crf": "18"}),
    "lossless": ("libx264rgb", "rgb24", {"qp": "0"}),
}
KEYS = {"g": "2", "bf": "0", "forced-idr": "1"}


class FilmWriter:
    """The films of a camera, one after the other.

    Args:
        folder: of the set.
        rate: frames a second.
        codec: key of CODECS.
    """

    def __init__(self, folder: Path, rate: Fraction, codec: str) -> None:
        self._folder, self._rate, self._codec = folder, rate, codec
        self._file, self._frames = -1, 0
        self._path = folder
        self._out: av.container.OutputContainer | None = None
        self._stream: Any = None

    def add(self, pictures: np.ndarray) -> dict[str, Any]:
        """Pictures uint8 [T, H, W, 3] of an episode; where they lie, for the table of episodes."""
        if self._out is None or self._path.stat().st_size > FILM_MB * 2**20:
            self._begin(*pictures.shape[1:3])
        first = self._frames
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = self._frames, 1 / self._rate
            if not number:
                frame.pict_type = av.video.frame.PictureType.I
            self._mux(frame)
            self._frames += 1
        chunk, file = divmod(self._file, CHUNK)
        return {
            f"videos/{PICTURE}/chunk_index": chunk,
            f"videos/{PICTURE}/file_index": file,
            f"videos/{PICTURE}/from_timestamp": float(first / self._rate),
            f"videos/{PICTURE}/to_timestamp": float(self._frames / self._rate),
        }

    def _begin(self, height: int, width: int) -> None:
        self.close()
        self._file, self._frames = self._file + 1, 0
        chunk, file = divmod(self._file, CHUNK)
        self._path = self._folder / FILMS.format(video_key=PICTURE, chunk_index=chunk, file_index=file)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        encoder, pixels, options = CODECS[self._codec]
        self._out = av.open(str(self._path), "w")
        stream: Any = self._out.add_stream(encoder, rate=self._rate, options=options | KEYS)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.time_base = 1 / self._rate
        self._stream = stream

    def _mux(self, frame: av.VideoFrame | None) -> None:
        assert self._out is not None
        self._out.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file that is open."""
        if self._out is not None:
            self._mux(None)
            self._out.close()
            self._out = None


class LeRobotWriter:
    """A folder that is filled.

    Args:
        folder: it.
        features: name -> what `meta/info.json` says of it.
        rate: frames a second.
        codec: key of CODECS.
        task: what every episode is about.
    """

    def __init__(self, folder: Path, features: dict[str, dict[str, Any]], rate: float, codec: str, task: str) -> None:
        self._folder, self._features, self._task = folder, features, task
        self._rate = Fraction(rate).limit_denominator(10**6)
        self._codec, self._films = codec, FilmWriter(folder, self._rate, codec)
        self._table: parquet.ParquetWriter | None = None
        self._path, self._file, self._frames = folder, -1, 0
        self._episodes: list[dict[str, Any]] = []
        self._sums: dict[str, Sums] = {}

    def add(self, columns: Mapping[str, np.ndarray], pictures: np.ndarray | None, frames: int) -> None:
        """An episode: its columns [T] or [T, n], and its pictures uint8 [T, H, W, 3]."""
        number, steps = len(self._episodes), np.arange(frames)
        counters: dict[str, np.ndarray] = {
            "timestamp": (steps / float(self._rate)).astype(np.float32),
            "frame_index": steps,
            "episode_index": np.full(frames, number),
            "index": self._frames + steps,
            "task_index": np.zeros(frames, np.int64),
        }
        arrays: dict[str, np.ndarray] = {**columns, **counters}
        chunk, file = self._place(pa.table({name: _listed(array) for name, array in arrays.items()}))
        entry: dict[str, Any] = {"episode_index": number, "tasks": [self._task], "length": frames}
        entry |= {"data/chunk_index": chunk, "data/file_index": file}
        entry |= {"dataset_from_index": self._frames, "dataset_to_index": self._frames + frames}
        entry |= {} if pictures is None else self._films.add(pictures)
        entry |= {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
        for name, sums in self._summed(arrays, pictures).items():
            entry |= {f"stats/{name}/{key}": value for key, value in sums.shown().items()}
            self._sums[name] = self._sums[name] + sums if name in self._sums else sums
        self._episodes.append(entry)
        self._frames += frames

    def _summed(self, arrays: Mapping[str, np.ndarray], pictures: np.ndarray | None) -> dict[str, Sums]:
        found = {name: Sums.of(array) for name, array in arrays.items() if array.dtype.kind in "iuf"}
        return found | ({} if pictures is None else {PICTURE: Sums.of_pictures(pictures)})

    def _place(self, table: pa.Table) -> tuple[int, int]:
        if self._table is None or self._path.stat().st_size > DATA_MB * 2**20:
            self._close_table()
            self._file += 1
            chunk, file = divmod(self._file, CHUNK)
            self._path = self._folder / DATA.format(chunk_index=chunk, file_index=file)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._table = parquet.ParquetWriter(self._path, table.schema)
        self._table.write_table(table)  # a row group for each episode
        return divmod(self._file, CHUNK)

    def _close_table(self) -> None:
        if self._table is not None:
            self._table.close()

    def close(self, splits: Mapping[str, str], robot: str) -> None:
        """Write what `meta` says.

        Args:
            splits: name -> range of its episodes.
            robot: what was recorded.
        """
        self._films.close()
        self._close_table()
        (self._folder / EPISODES).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(self._episodes), self._folder / EPISODES)
        parquet.write_table(_tasks(self._task), self._folder / "meta/tasks.parquet")
        whole = self._rate.denominator == 1
        filmed = any(each["dtype"] == "video" for each in self._features.values())
        info = {
            "codebase_version": "v3.0",
            "robot_type": robot,
            "total_episodes": len(self._episodes),
            "total_frames": self._frames,
            "total_tasks": 1,
            "chunks_size": CHUNK,
            "data_files_size_in_mb": DATA_MB,
            "video_files_size_in_mb": FILM_MB,
            "fps": int(self._rate) if whole else float(self._rate),
            "splits": dict(splits),
            "data_path": DATA,
            "video_path": FILMS if filmed else None,
            "features": self._features,
        }
        stats = {name: sums.shown() for name, sums in self._sums.items()}
        for name, content in (("stats", stats), ("info", info)):
            (self._folder / f"meta/{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def film_feature(size: int, rate: float, codec: str) -> dict[str, Any]:
    """What `meta/info.json` says of the pictures."""
    info = {"height": size, "width": size, "codec": "h264", "pix_fmt": CODECS[codec][1], "is_depth_map": False}
    info |= {"fps": rate, "channels": 3}
    return {
        "dtype": "video",
        "shape": [size, size, 3],
        "names": ["height", "width", "channels"],
        "info": {**{f"video.{key}": value for key, value in info.items()}, "has_audio": False},
    }


def _listed(array: np.ndarray) -> pa.Array:
    """An array [T] as numbers, or [T, n] as lists; lists of one are numbers, as LeRobot has them."""
    flat = np.ascontiguousarray(array).reshape(-1)
    numbers = pa.array(flat)
    if array.ndim == 1 or array.shape[1] == 1:
        return numbers
    offsets = np.arange(0, len(flat) + 1, array.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), numbers)


def _tasks(task: str) -> pa.Table:
    """The table of tasks, whose names pandas takes for its index."""
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": other, "metadata": None}
        for name, kind, other in (("task_index", "int64", "int64"), ("task", "unicode", "object"))
    ]
    about = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"}
    table = pa.table({"task_index": pa.array([0]), "task": pa.array([task])})
    return table.replace_schema_metadata({"pandas": json.dumps(about)})
