"""A film of dreams: truth on the left, dream on the right, with the true sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from sensorium.artifacts import atomic_path

SCALE, GAP = 4, 8  # pixels
DREAMING, WATCHING = (240, 140, 20), (110, 110, 110)  # colour of the bar between: orange while it dreams


def write_movie(
    path: Path, truth: np.ndarray, dreams: np.ndarray, given: int, sounds: np.ndarray | None, rates: tuple[int, int]
) -> None:
    """Write windows one after the other as MP4 (H.264, AAC).

    Args:
        path: where the film goes.
        truth, dreams: float [n, T, 3, H, W] in [0, 1].
        given: frames of context, which the dream shows as they were.
        sounds: float [n, S] in [-1, 1], what belongs to the true frames; None makes a silent film.
        rates: frames a second, samples a second.
    """
    frame_rate, sample_rate = rates
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as film:
        pictures = film.add_stream("libx264", rate=frame_rate, options={"crf": "16"})
        height, width = SCALE * truth.shape[3], 2 * SCALE * truth.shape[4] + GAP
        pictures.width, pictures.height, pictures.pix_fmt = width + width % 2, height, "yuv420p"
        voice = None
        if sounds is not None:
            voice = film.add_stream("aac", rate=sample_rate)
            voice.layout = "mono"
        for left, right in zip(truth, dreams, strict=True):
            for time in range(len(left)):
                picture = _side_by_side(left[time], right[time], DREAMING if time >= given else WATCHING)
                film.mux(pictures.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(pictures.encode())
        if voice is None or sounds is None:
            return
        sound = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(sounds.reshape(1, -1), dtype=np.float32), format="fltp", layout="mono"
        )
        sound.sample_rate, sound.time_base, sound.pts = sample_rate, Fraction(1, sample_rate), 0
        film.mux(voice.encode(sound))
        film.mux(voice.encode())


def _side_by_side(left: np.ndarray, right: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Images [3, H, W] in [0, 1] -> uint8 [4 H, 8 W + gap, 3]."""
    large = [np.kron(image.transpose(1, 2, 0), np.ones((SCALE, SCALE, 1))) * 255 for image in (left, right)]
    bar = np.broadcast_to(np.array(colour, np.float64), (large[0].shape[0], GAP, 3))
    return np.ascontiguousarray(np.round(np.concatenate([large[0], bar, large[1]], 1)), dtype=np.uint8)
