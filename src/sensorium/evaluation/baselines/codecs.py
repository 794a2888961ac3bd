"""Known codes for pictures, beside which a tokenizer is judged: principal components, and JPEG."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from sklearn.decomposition import PCA

from sensorium.data.sample_formats import to_images, to_video

_SCAN = b"\xff\xda"  # the marker before a picture's own data; tables and sizes stand before it
_SAMPLINGS = ("4:4:4", "4:2:0")


def principal_components(examples: np.ndarray, truth: np.ndarray, numbers: int) -> dict[str, np.ndarray]:
    """Frames through `numbers` principal components of the examples; nothing if there are too few examples."""
    flat = examples.reshape(len(examples), -1)
    if numbers >= min(flat.shape):
        return {}
    code = PCA(numbers, svd_solver="randomized", iterated_power=2, random_state=0).fit(flat)
    back = code.inverse_transform(code.transform(truth.reshape(len(truth), -1))).reshape(truth.shape)
    return {f"{numbers} principal components": np.clip(back, 0, 1).astype(np.float32)}


def jpeg(truth: np.ndarray, size: int) -> np.ndarray:
    """Frames through JPEG at the best quality whose image data take at most `size` bytes, headers not counted.

    Args:
        truth: float32 [n, 3, H, W] in [0, 1].
        size: bytes a frame; one that does not fit at the lowest quality is coded at that.

    Returns:
        float32 [n, 3, H, W]; with colour at full or at half resolution, whichever is closer to the frame.
    """
    frames = to_video(torch.from_numpy(truth)).numpy()
    coded = np.empty_like(frames)
    for index, frame in enumerate(frames):
        candidates = [_best_fit(frame, size, sampling) for sampling in _SAMPLINGS]
        coded[index] = min(candidates, key=lambda picture: float(np.square(picture.astype(int) - frame).mean()))
    return to_images(torch.from_numpy(coded)).numpy()


def _best_fit(frame: np.ndarray, size: int, sampling: str) -> np.ndarray:
    lowest, highest = 1, 100  # size grows with quality
    while lowest < highest:
        quality = (lowest + highest + 1) // 2
        if _data_bytes(_encode(frame, quality, sampling)) <= size:
            lowest = quality
        else:
            highest = quality - 1
    return np.asarray(Image.open(BytesIO(_encode(frame, lowest, sampling))))


def _encode(frame: np.ndarray, quality: int, sampling: str) -> bytes:
    buffer = BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality, subsampling=sampling, optimize=True)
    return buffer.getvalue()


def _data_bytes(stream: bytes) -> int:
    """Bytes of the scan: after the marker and its header, before the two bytes that end the file."""
    start = stream.index(_SCAN) + len(_SCAN)
    return len(stream) - 2 - start - int.from_bytes(stream[start : start + 2], "big")
