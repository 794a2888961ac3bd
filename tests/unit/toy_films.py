"""Small films and sounds, good and odd, made in a few milliseconds each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 16_000
Picture = Callable[[int], np.ndarray]


def tone(seconds: float, hz: float = 440.0, rate: int = RATE, level: float = 0.3) -> np.ndarray:
    """A sine, float64 [n] in [-1, 1]."""
    return level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def bar(number: int, height: int = 32, width: int = 48, ground: int = 40) -> np.ndarray:
    """A picture whose upper half is red and whose lower half is blue, with a white bar that wanders."""
    picture = np.full((height, width, 3), ground, np.uint8)
    picture[: height // 2, :, 0] = picture[height // 2 :, :, 2] = 200
    picture[:, 3 * number % width : 3 * number % width + 6] = 250
    return picture


def grey(number: int) -> np.ndarray:
    """A picture of one grey, 16 + 6 k for number k: what is decoded shows which picture it was."""
    return np.full((32, 32, 3), 16 + 6 * number, np.uint8)


def film(
    path: Path,
    seconds: float = 2.0,
    *,
    fps: int = 16,
    picture: Picture = bar,
    sound: np.ndarray | None = None,
    rate: int = RATE,
    times: Sequence[float] | None = None,
    silent: tuple[float, float] = (0.0, 0.0),
    aspect: Fraction | None = None,
    codec: str = "mpeg4",
    sound_codec: str = "aac",
) -> Path:
    """A film with a tone.

    Args:
        path: its suffix says the container.
        seconds: of picture, and of sound unless it is given.
        fps: pictures a second, also the resolution of their times.
        picture: number -> the picture.
        sound: float [n] in [-1, 1]; of length 0: no sound.
        rate: of the sound.
        times: seconds at which each picture is shown; by default evenly.
        silent: from and to; packets of sound that begin there are left out.
        aspect: width of a pixel divided by its height.
        codec, sound_codec: for FFmpeg.
    """
    sound = tone(seconds, rate=rate) if sound is None else sound
    times = [number / fps for number in range(round(seconds * fps))] if times is None else times
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as out:
        video = out.add_stream(codec, rate=fps)
        video.height, video.width, video.pix_fmt = *picture(0).shape[:2], "yuv420p"
        if codec == "mpeg4":
            video.codec_context.options = {"qscale": "2"}
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        heard = out.add_stream(sound_codec, rate=rate) if len(sound) else None
        if heard is not None:
            heard.layout = "mono"
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = round(time * fps), Fraction(1, fps)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if heard is None:
            return path
        wave = (32767 * sound).astype(np.int16)
        for start in range(0, len(wave), 1024):
            if not silent[0] <= start / rate < silent[1]:
                frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="s16", layout="mono")
                frame.sample_rate, frame.pts = rate, start
                out.mux(heard.encode(frame))
        out.mux(heard.encode())
    return path
