"""Known codes for pictures, beside which a tokenizer is judged: principal components, JPEG and WebP."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from sklearn.decomposition import PCA

from sensorium.data.sample_formats import to_images, to_video

_SCAN = b"\xff\xda"  # the marker before a picture's own data; tables and sizes stand before it
_SAMPLINGS = ("4:4:4", "4:2:0")
_WEBP_HEADER = 30  # bytes: 20 of the container, and 10 of a frame's tag, start code, width and height

Encode = Callable[[np.ndarray, int], tuple[bytes, int]]  # (frame uint8 [H, W, 3], quality) -> (file, bytes of its data)


def principal_components(examples: np.ndarray, truth: np.ndarray, numbers: int) -> dict[str, np.ndarray]:
    """Frames through `numbers` principal components of the examples; nothing if there are too few examples."""
    flat = examples.reshape(len(examples), -1)
    if numbers >= min(flat.shape):
        return {}
    code = PCA(numbers, svd_solver="randomized", iterated_power=2, random_state=0).fit(flat)
    back = code.inverse_transform(code.transform(truth.reshape(len(truth), -1))).reshape(truth.shape)
    return {f"{numbers} principal components": np.clip(back, 0, 1).astype(np.float32)}


def quantised_components(examples: np.ndarray, truth: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """Frames through as many principal components of the examples as fit into `size` bytes, 8 bits each.

    A component is rounded to one of 256 steps within four of its standard deviations over the examples. Nothing if
    there are too few examples.
    """
    flat = examples.reshape(len(examples), -1)
    if size >= min(flat.shape):
        return {}
    code = PCA(size, svd_solver="randomized", iterated_power=2, random_state=0).fit(flat)
    step = 8 * np.sqrt(code.explained_variance_) / 256
    rounded = np.rint(code.transform(truth.reshape(len(truth), -1)) / step).clip(-128, 127) * step
    back = code.inverse_transform(rounded).reshape(truth.shape)
    return {f"{size} principal components, 8 bits each": np.clip(back, 0, 1).astype(np.float32)}


def jpeg(truth: np.ndarray, size: int) -> np.ndarray:
    """Frames through JPEG at the best quality whose image data take at most `size` bytes, headers not counted.

    Args:
        truth: float32 [n, 3, H, W] in [0, 1].
        size: bytes a frame; one that does not fit at the lowest quality is coded at that.

    Returns:
        float32 [n, 3, H, W]; with colour at full or at half resolution, whichever is closer to the frame.
    """
    return _through(truth, lambda frame: [_best_fit(frame, size, partial(_jpeg, sampling=s)) for s in _SAMPLINGS])


def webp(truth: np.ndarray, size: int) -> np.ndarray:
    """Frames through lossy WebP, likewise; its colour has half the resolution."""
    return _through(truth, lambda frame: [_best_fit(frame, size, _webp)])


def _through(truth: np.ndarray, candidates: Callable[[np.ndarray], list[np.ndarray]]) -> np.ndarray:
    """The candidate for each frame that is closest to it."""
    frames = to_video(torch.from_numpy(truth)).numpy()
    coded = np.empty_like(frames)
    for index, frame in enumerate(frames):
        coded[index] = min(candidates(frame), key=lambda other: float(np.square(other.astype(int) - frame).mean()))
    return to_images(torch.from_numpy(coded)).numpy()


def _best_fit(frame: np.ndarray, size: int, encode: Encode) -> np.ndarray:
    lowest, highest = 1, 100  # size grows with quality
    best, _ = encode(frame, lowest)
    while lowest < highest:
        quality = (lowest + highest + 1) // 2
        stream, taken = encode(frame, quality)
        if taken <= size:
            lowest, best = quality, stream
        else:
            highest = quality - 1
    return np.asarray(Image.open(BytesIO(best)).convert("RGB"))


def _jpeg(frame: np.ndarray, quality: int, sampling: str) -> tuple[bytes, int]:
    """A file, and bytes of its scan: after the marker and its header, before the two bytes that end the file."""
    buffer = BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality, subsampling=sampling, optimize=True)
    stream = buffer.getvalue()
    start = stream.index(_SCAN) + len(_SCAN)
    return stream, len(stream) - 2 - start - int.from_bytes(stream[start : start + 2], "big")


def _webp(frame: np.ndarray, quality: int) -> tuple[bytes, int]:
    """A file, and its bytes without container, sizes and start code."""
    buffer = BytesIO()
    Image.fromarray(frame).save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue(), len(buffer.getvalue()) - _WEBP_HEADER
