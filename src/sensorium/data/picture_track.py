"""The pictures of a film, put on the clock of its recording: square, upright, at its rate."""

from __future__ import annotations

import math
from fractions import Fraction

import av
import cv2
import numpy as np

from sensorium.data.picture_levels import PictureLevels
from sensorium.data.quarantine import BadRecordingError

LONGEST_GAP = 60  # seconds between two pictures; longer ones are no gap but a wrong time stamp
GAP = 1  # seconds from which on a picture that stays is a gap, unless the film has fewer pictures anyway
NARROWEST, LONGEST_SIDE = 8, 20


def squared(pixels: np.ndarray, size: int, fit: str, aspect: float = 1.0) -> np.ndarray:
    """A picture uint8 [H, W, 3] as uint8 [size, size, 3].

    Args:
        pixels: the picture.
        size: side of the result.
        fit: "crop" to the middle square, "pad" with black bars, or "stretch".
        aspect: width of a pixel divided by its height.
    """
    height, width = pixels.shape[:2]
    shown = width * aspect
    if fit == "crop":
        tall, wide = min(height, round(shown)), min(width, round(height / aspect))
        top, left = (height - tall) // 2, (width - wide) // 2
        pixels = pixels[top : top + max(1, tall), left : left + max(1, wide)]
    if fit != "pad":
        return _resized(pixels, size, size)
    longest = max(height, shown)
    tall, wide = (max(1, round(size * side / longest)) for side in (height, shown))
    result = np.zeros((size, size, 3), np.uint8)
    top, left = (size - tall) // 2, (size - wide) // 2
    result[top : top + tall, left : left + wide] = _resized(pixels, tall, wide)
    return result


def is_narrow(pixels: np.ndarray) -> bool:
    """Whether a picture [H, W, 3] has a tiny side, or one that is much longer than the other."""
    sides = pixels.shape[:2]
    return min(sides) < NARROWEST or max(sides) > LONGEST_SIDE * min(sides)


def _resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    resized: np.ndarray = cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=cv2.INTER_AREA)
    return resized


class PictureTrack:
    """Frames at the recording's rate; each is the film's latest picture at that time.

    A picture is due up to half a tick of the film's clock before its time stamp, because containers round these: at
    16 frames a second Matroska stores 62.5 ms as 62 or 63.

    Args:
        rate: frames a second.
        size: side of a frame.
        fit: how a picture becomes square, as for `squared`.
        most: frames that are wanted; what comes later is counted and not kept. None: all.

    Attributes:
        made: frames that were put in place.
        times: seconds from the start to each of the film's own pictures.
        gaps: seconds in which a picture stayed for lack of another.
        levels: of all pictures.
        found: reasons that hold for all of its pictures.
    """

    def __init__(self, rate: int, size: int, fit: str, most: int | None = None) -> None:
        self.made, self.gaps = 0, Fraction(0)
        self.times: list[float] = []
        self.levels = PictureLevels()
        self.found: set[str] = set()
        self._rate, self._size, self._fit, self._most = rate, size, fit, most
        self._start: Fraction | None = None
        self._last = Fraction(0)
        self._half_tick = Fraction(0)
        self._aspect = 1.0
        self._newest: av.VideoFrame | None = None
        self._picture: np.ndarray | None = None
        self._kept: list[np.ndarray] = []

    def add(self, frame: av.VideoFrame, length: Fraction, aspect: Fraction) -> tuple[Fraction, Fraction]:
        """Put a decoded picture in its place.

        Args:
            frame: the picture.
            length: seconds that the film shows a picture.
            aspect: width of a pixel divided by its height.

        Returns:
            the time stamps at which the recording begins, and at which this picture ends.

        Raises:
            BadRecordingError: if its time stamp jumps.
        """
        base = frame.time_base or Fraction(1, 1000)
        time = frame.pts * base if frame.pts is not None else self._last + (length if self.times else 0)
        if self._start is None:
            self._start = self._last = time
        if time < self._last:  # shown in the past: the film goes back in time
            if self._last - time > LONGEST_GAP:
                raise BadRecordingError(
                    f"time stamps jump from {float(self._last):.2f} to {float(time):.2f} s", "time_stamps"
                )
            return self._start, self._last + length
        pause = time - self._last
        if pause > LONGEST_GAP:
            raise BadRecordingError(f"no picture for {float(pause):.0f} s, by its time stamps", "time_stamps")
        if pause > max(Fraction(GAP), 3 * length):
            self.gaps += pause - length
        self._half_tick, self._last, self._aspect = base / 2, time, float(aspect or 1)
        self._show(math.ceil((time - self._start - self._half_tick) * self._rate))
        self.times.append(float(time - self._start))
        self._newest, self._picture = frame, None
        return self._start, time + length

    def finish(self, end: Fraction) -> None:
        """Show the last picture until the film ends."""
        if self._start is not None:
            self._show(int((end - self._start + self._half_tick) * self._rate))

    def take(self, frames: int) -> np.ndarray:
        """The next frames uint8 [frames, size, size, 3], which leave the track."""
        taken, self._kept = self._kept[:frames], self._kept[frames:]
        return np.array(taken, np.uint8).reshape(-1, self._size, self._size, 3)

    def _show(self, due: int) -> None:
        while self.made < due and self._newest is not None:
            if self._most is None or self.made < self._most:
                self._kept.append(self._converted())
            self.made += 1

    def _converted(self) -> np.ndarray:
        """The newest picture; one that is never shown is never converted."""
        if self._picture is None:
            assert self._newest is not None
            pixels = self._newest.to_ndarray(format="rgb24")
            if is_narrow(pixels):
                self.found.add("narrow")
            aspect = self._aspect
            if abs(aspect - 1) > 0.01:
                self.found.add("pixels")
            if turns := round(self._newest.rotation / 90) % 4:
                self.found.add("turned")
                pixels, aspect = np.rot90(pixels, turns), 1 / aspect if turns % 2 else aspect
            self._picture = squared(pixels, self._size, self._fit, aspect)
            self.levels.add(self._picture)
        return self._picture
