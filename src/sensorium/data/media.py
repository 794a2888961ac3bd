"""Reading media files with PyAV: the beginning of each becomes a recording.

All packets of a file are read, although only its beginning is used, because a damaged end is a fault to report.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path

import av
import cv2
import numpy as np

from sensorium.data.files import blamed_on, open_regular
from sensorium.data.quarantine import BadRecordingError

END_TOLERANCE = 0.25  # seconds; containers round or pad the length in their header
# Containers that hold their streams themselves. FFmpeg knows others, which make it open what they name.
CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,dv,eac3,flac,flv,h264,hevc,ivf,m4v,matroska,mov,mp3,mpeg,mpegts,"
    "mpegvideo,mxf,nut,ogg,rm,w64,wav,webm,wv"
)
MOST_PIXELS = 2**26  # of a frame: twice as many as 8K has
HIGHEST_RATE = 1_000_000  # samples a second; the filter that resamples grows with the rate
LIMITS = {"format_whitelist": CONTAINERS, "max_pixels": str(MOST_PIXELS)}
STRICT = {"err_detect": "crccheck+explode", "max_pixels": str(MOST_PIXELS)}  # by default decoders conceal damage


def read_media(
    path: Path, *, streams: Collection[str], frames: int, frame_rate: int, sample_rate: int, size: int
) -> dict[str, np.ndarray]:
    """The first `frames` frames of a file.

    Args:
        path: the file.
        streams: which to read: "video", "audio" or both.
        frames: frames T to read.
        frame_rate: frames a second; each frame is the file's latest one at that time.
        sample_rate: samples a second, to which the sound is resampled, in mono.
        size: side of a frame in pixels; frames are cropped to their middle square.

    Returns:
        video uint8 [T, size, size, 3] and audio int16 [T * sample_rate / frame_rate], or one of the two.

    Raises:
        BadRecordingError: if the file cannot be read, is cut off, is damaged, is too short, or lacks a stream.
    """
    with (
        blamed_on(path.name),
        open_regular(path) as file,
        av.open(file, "r", options=LIMITS) as container,
    ):
        return _Reader(container, streams, frames, frame_rate, sample_rate, size).read()


def duration(path: Path) -> float:
    """Seconds of a file for certain: what its container says, less what containers round or pad.

    Raises:
        BadRecordingError: if the file cannot be read, or does not say.
    """
    with blamed_on(path.name), open_regular(path) as file, av.open(file, "r", options=LIMITS) as container:
        if container.duration is None:
            raise BadRecordingError("its container does not say how long it is")
        return max(0.0, float(container.duration / av.time_base) - END_TOLERANCE)


class _Reader:
    """One pass over an open file."""

    def __init__(
        self,
        container: av.container.InputContainer,
        streams: Collection[str],
        frames: int,
        frame_rate: int,
        sample_rate: int,
        size: int,
    ) -> None:
        self._container = container
        self._frames, self._frame_rate, self._sample_rate, self._size = frames, frame_rate, sample_rate, size
        self._origin = (container.start_time or 0) / av.time_base
        self._streams = {}
        for kind in streams:
            found = next((stream for stream in container.streams if stream.type == kind), None)
            if found is None:
                raise BadRecordingError(f"no {kind} stream")
            if found.codec_context is None:
                raise BadRecordingError(f"no decoder for its {kind}")
            found.codec_context.options = STRICT
            self._streams[kind] = found
        self._pictures: list[np.ndarray] = []
        self._shown: np.ndarray | None = None
        self._sound = np.zeros(frames * sample_rate // frame_rate, np.int16)
        self._samples = 0  # of self._sound that are filled
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=sample_rate)

    def read(self) -> dict[str, np.ndarray]:
        end = 0.0
        video = self._streams.get("video")
        rate = video.average_rate if isinstance(video, av.VideoStream) else None
        frame_length = 1 / float(rate or self._frame_rate)
        for packet in self._container.demux(*self._streams.values()):
            if packet.is_corrupt:
                raise BadRecordingError("truncated or damaged: a packet is not whole")
            for frame in packet.decode():
                # taken from decoded frames, because the last packet of some containers has a wrong time
                if isinstance(frame, av.VideoFrame):
                    self._add_picture(frame)
                    end = max(end, self._time(frame) + frame_length)
                elif isinstance(frame, av.AudioFrame):
                    self._add_sound(frame)
                    end = max(end, self._time(frame) + frame.samples / frame.sample_rate)
        if self._container.duration is not None:
            length = self._container.duration / av.time_base
            if end < length - END_TOLERANCE:
                raise BadRecordingError(f"truncated: {end:.2f} of {length:.2f} seconds")
        if "audio" in self._streams:
            self._add_sound(None)
        if self._shown is not None:
            while len(self._pictures) < min(self._frames, int(end * self._frame_rate)):
                self._pictures.append(self._shown)
        samples = self._sample_rate // self._frame_rate
        result: dict[str, np.ndarray] = {}
        if "video" in self._streams:
            result["video"] = np.array(self._pictures, np.uint8).reshape(-1, self._size, self._size, 3)
        if "audio" in self._streams:
            result["audio"] = self._sound
        shortest = min(len(self._pictures) if kind == "video" else self._samples // samples for kind in self._streams)
        if shortest < self._frames:
            raise BadRecordingError(f"too short: {shortest} of {self._frames} frames")
        return result

    def _time(self, frame: av.VideoFrame | av.AudioFrame) -> float:
        """Seconds from the beginning of the file to the beginning of a frame."""
        return float(frame.time or 0.0) - self._origin

    def _add_picture(self, frame: av.VideoFrame) -> None:
        """Repeat the frame before this one up to the time of this one."""
        due = min(self._frames, math.ceil(self._time(frame) * self._frame_rate))
        while self._shown is not None and len(self._pictures) < due:
            self._pictures.append(self._shown)
        if len(self._pictures) < self._frames:
            picture: np.ndarray = frame.to_ndarray(format="rgb24")
            height, width = picture.shape[:2]
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            square = np.ascontiguousarray(picture[top : top + side, left : left + side])
            self._shown = cv2.resize(square, (self._size, self._size), interpolation=cv2.INTER_AREA)

    def _add_sound(self, frame: av.AudioFrame | None) -> None:
        """Resample a frame and append it; None: append what the resampler still holds."""
        if frame is not None and frame.sample_rate > HIGHEST_RATE:
            raise BadRecordingError(f"{frame.sample_rate} samples a second; at most {HIGHEST_RATE} are read")
        if frame is not None and self._samples == 0:  # sound that starts after the picture: begin with silence
            self._samples = min(len(self._sound), max(0, round(self._time(frame) * self._sample_rate)))
        if self._samples < len(self._sound):
            for piece in self._resampler.resample(frame):
                samples = piece.to_ndarray().reshape(-1)[: len(self._sound) - self._samples]
                self._sound[self._samples : self._samples + len(samples)] = samples
                self._samples += len(samples)
