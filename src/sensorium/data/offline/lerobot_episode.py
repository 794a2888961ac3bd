"""An episode of LeRobot: rows of a Parquet file, and a part of a film for each camera."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from sensorium.data.files import blamed_on, open_regular
from sensorium.data.media import LIMITS, STRICT
from sensorium.data.offline.episode import missing
from sensorium.data.offline.tables import column_of, images, kind_of, numbers
from sensorium.data.pictures import read_pixels
from sensorium.data.quarantine import BadRecordingError

NUMBER = "frame_index"


class LeRobotEpisode:
    """An open episode.

    Args:
        file: its Parquet file.
        columns: name -> type of the file's columns.
        number: of the episode.
        frames: that it has, if its set says so.
        films: camera -> its film, and the second at which the episode begins in it.
        rate: frames a second.
        picture: the camera that is used.
    """

    def __init__(
        self,
        file: BinaryIO,
        columns: Mapping[str, Any],
        number: int,
        frames: int | None,
        films: Mapping[str, tuple[Path, float]],
        rate: float,
        picture: str,
    ) -> None:
        self._file, self._columns, self._number = file, columns, number
        self._films, self._rate, self._picture = films, Fraction(rate).limit_denominator(10**6), picture
        self.frames = self._count(frames)

    def _count(self, stated: int | None) -> int:
        rows = numbers(column_of(self._file, NUMBER, self._number), NUMBER) if NUMBER in self._columns else None
        if rows is None:
            raise missing(NUMBER, list(self._columns))
        if not np.array_equal(rows, np.arange(len(rows))) or not len(rows):
            raise BadRecordingError(f"{NUMBER} does not count its {len(rows)} frames from 0", "lengths")
        if stated is not None and stated != len(rows):
            raise BadRecordingError(f"{len(rows)} rows, its set states {stated}", "lengths")
        return len(rows)

    def names(self) -> list[str]:
        """Names of its columns and cameras."""
        return sorted({*self._columns, *self._films})

    def form(self, name: str) -> tuple[str, tuple[int, ...]]:
        """Kind of the dtype of a column, and its shape; of a camera, "" and [T]."""
        name = name or self._picture
        if name in self._films or (name and name == self._picture and name in self._columns):
            return "", (self.frames,)
        if name not in self._columns:
            raise missing(name, self.names())
        dtype, listed = kind_of(self._columns[name])
        if not listed:
            return dtype.kind, (self.frames,)
        return dtype.kind, self.array(name).shape

    def array(self, name: str) -> np.ndarray:
        """A whole column.

        Raises:
            BadRecordingError: if it is missing or holds no numbers.
        """
        if name not in self._columns:
            raise missing(name, self.names())
        kind_of(self._columns[name])
        return numbers(column_of(self._file, name, self._number), name)

    def pictures(self, name: str) -> Iterator[np.ndarray]:
        """The pictures of a camera, uint8 [H, W, 3]."""
        name = name or self._picture
        if name in self._films:
            path, start = self._films[name]
            yield from part_of_film(path, Fraction(start).limit_denominator(10**6), self._rate, self.frames)
            return
        if name not in self._columns:
            raise missing(name, self.names())
        for file in images(column_of(self._file, name, self._number), name):
            yield read_pixels(file)


def part_of_film(path: Path, start: Fraction, rate: Fraction, frames: int) -> Iterator[np.ndarray]:
    """Pictures of a part of a film, uint8 [H, W, 3]: one for each frame, at most half a frame beside its time.

    Raises:
        BadRecordingError: if the film cannot be read, or has no picture for a frame.
    """
    with blamed_on(path.name), open_regular(path) as file, av.open(file, "r", options=LIMITS) as container:
        stream = next((each for each in container.streams if each.type == "video"), None)
        if stream is None or stream.codec_context is None:
            raise BadRecordingError("no pictures in it", "no_stream")
        stream.codec_context.options = STRICT
        base = stream.time_base or Fraction(1, 1000)
        zero = (stream.start_time or 0) * base
        if start:
            container.seek(int((zero + start) / base), stream=stream)  # to the last key picture before it
        due = 0
        for frame in container.decode(stream):
            assert isinstance(frame, av.VideoFrame)
            if frame.pts is None:
                raise BadRecordingError("a picture without a time stamp", "time_stamps")
            place = round((frame.pts * base - zero - start) * rate)
            if place > due:
                break
            if place == due:
                yield frame.to_ndarray(format="rgb24")
                due += 1
            if due == frames:
                return
        raise BadRecordingError(
            f"no picture for frame {due} of {frames}, at {float(start + due / rate):.2f} s", "lengths"
        )
