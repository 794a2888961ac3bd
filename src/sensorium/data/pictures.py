"""Reading picture files with Pillow, which detects truncated files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from sensorium.data.quarantine import BadRecordingError


def read_picture(path: Path, size: int) -> np.ndarray:
    """The middle square of a picture, uint8 [size, size, 3].

    Raises:
        BadRecordingError: if the file cannot be read, or is truncated.
    """
    try:
        with Image.open(path) as picture:
            picture.draft("RGB", (size, size))  # decode a JPEG at its smallest scale of at least this size
            pixels = np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadRecordingError(f"{path.parent.name}/{path.name}: unreadable: {error}") from None
    return square(pixels, size)


def square(pixels: np.ndarray, size: int) -> np.ndarray:
    """The middle square of uint8 [H, W, 3], resized to uint8 [size, size, 3]; pixels are averaged when it shrinks."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    if side == size:
        return middle
    return cv2.resize(middle, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_CUBIC)
