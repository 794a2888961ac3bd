"""Reading picture files with Pillow, which detects truncated files."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from sensorium.data.files import blamed_on, open_regular
from sensorium.data.quarantine import BadRecordingError

# Not EPS, for which Pillow would start Ghostscript, which runs what the file says; not JPEG 2000, whose decoder takes
# as much memory as a second header demands.
FORMATS = ("JPEG", "PNG", "PPM", "BMP", "DIB", "GIF", "TIFF", "WEBP", "AVIF")
MOST_PIXELS = 90_000_000  # that are decoded; a JPEG is decoded at a smaller scale


def read_picture(path: Path, size: int) -> np.ndarray:
    """The middle square of a picture, uint8 [size, size, 3].

    Raises:
        BadRecordingError: if the file cannot be read, or is truncated.
    """
    with blamed_on(f"{path.parent.name}/{path.name}"), open_regular(path) as file:
        return square(_pixels(file, "RGB", size), size)


def read_pixels(file: BinaryIO) -> np.ndarray:
    """A whole picture, uint8 [H, W, 3]; any error of the decoder is raised."""
    return _pixels(file, "RGB")


def read_grey(file: BinaryIO) -> np.ndarray:
    """A whole picture without its colours, uint8 [H, W]; any error of the decoder is raised."""
    return _pixels(file, "L")


def _pixels(file: BinaryIO, mode: str, size: int | None = None) -> np.ndarray:
    with Image.open(file, formats=FORMATS) as picture:
        if size is not None:
            picture.draft(mode, (size, size))  # decode a JPEG at its smallest scale of at least this size
        if picture.width * picture.height > MOST_PIXELS:
            raise BadRecordingError(f"too large: {picture.width} x {picture.height} pixels")
        return np.asarray(picture.convert(mode))


def square(pixels: np.ndarray, size: int) -> np.ndarray:
    """The middle square of uint8 [H, W, 3], resized to uint8 [size, size, 3]; pixels are averaged when it shrinks."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    if side == size:
        return middle
    return cv2.resize(middle, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_CUBIC)
