"""Films of dreams: next to the true frames with their sound, or a dream alone with its own sound."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image

from sensorium.artifacts import atomic_path
from sensorium.data.sample_formats import to_video

SCALE, GAP = 4, 8  # pixels
GIF_SCALE, GIF_COLOURS = 8, 64
KINDS = (".mp4", ".gif")  # of films of a single dream
DREAMING, WATCHING = (240, 140, 20), (110, 110, 110)  # RGB of the bar: orange during the dream, grey before it


def write_movie(
    path: Path, truth: np.ndarray, dreams: np.ndarray, given: int, sounds: np.ndarray | None, rates: tuple[int, int]
) -> None:
    """Write windows one after the other as MP4 (H.264, AAC), the truth on the left and the dream on the right.

    Args:
        path: of the film.
        truth, dreams: float [n, T, 3, H, W] in [0, 1].
        given: true frames at the beginning of each dream.
        sounds: float [n, S] in [-1, 1], of the true frames; None makes a silent film.
        rates: frames a second, samples a second.
    """
    pairs = to_video(torch.from_numpy(np.stack([truth, dreams], 2))).numpy()
    shown = (_row(list(pair), time >= given) for window in pairs for time, pair in enumerate(window))
    _write(path, shown, None if sounds is None else sounds.reshape(-1), rates)


def write_dream(path: Path, pictures: np.ndarray, given: int, sound: np.ndarray | None, rates: tuple[int, int]) -> None:
    """Write one dream as MP4 (H.264, AAC), or as a silent animated GIF, by the suffix of the path (`KINDS`).

    Args:
        path: of the film.
        pictures: uint8 [T, H, W, 3].
        given: true frames at the beginning.
        sound: float [S] in [-1, 1]; None makes a silent film.
        rates: frames a second, samples a second.
    """
    if path.suffix.lower() == ".gif":
        _write_gif(path, [_row([picture], time >= given, GIF_SCALE) for time, picture in enumerate(pictures)], rates[0])
    else:
        _write(path, (_row([picture], time >= given) for time, picture in enumerate(pictures)), sound, rates)


def _write_gif(path: Path, pictures: list[np.ndarray], frame_rate: int) -> None:
    """Pictures uint8 [H, W, 3], with one palette for all of them, so that colours do not flicker."""
    sample = np.concatenate(pictures[:: max(1, len(pictures) // 16)])
    palette = Image.fromarray(sample).quantize(GIF_COLOURS, dither=Image.Dither.NONE)
    frames = [Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    with atomic_path(path) as temporary:
        frames[0].save(
            temporary, "GIF", save_all=True, append_images=frames[1:], duration=round(1000 / frame_rate), loop=0
        )


def _write(path: Path, pictures: Iterator[np.ndarray], sound: np.ndarray | None, rates: tuple[int, int]) -> None:
    """Pictures uint8 [H, W, 3] of even sides, sound float [S]."""
    frame_rate, sample_rate = rates
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as film:
        screen = film.add_stream("libx264", rate=frame_rate, options={"crf": "16"})
        first = next(pictures)
        (screen.height, screen.width), screen.pix_fmt, voice = first.shape[:2], "yuv420p", None
        if sound is not None:  # streams are added before anything is written
            voice = film.add_stream("aac", rate=_film_rate(sample_rate))
            voice.layout = "mono"
        for picture in chain([first], pictures):
            film.mux(screen.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(screen.encode())
        if voice is None or sound is None:
            return
        heard = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(sound[None], dtype=np.float32), format="fltp", layout="mono"
        )
        heard.sample_rate, heard.time_base, heard.pts = sample_rate, Fraction(1, sample_rate), 0
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=voice.rate)
        for part in chain(resampler.resample(heard), resampler.resample(None)):
            film.mux(voice.encode(part))
        film.mux(voice.encode())


def _film_rate(sample_rate: int) -> int:
    """The lowest rate of AAC that keeps all of a sound, or else its highest; a console's own rate is not among them."""
    rates = av.Codec("aac", "w").audio_rates
    assert rates is not None
    return min((rate for rate in rates if rate >= sample_rate), default=max(rates))


def _row(images: list[np.ndarray], dreaming: bool, scale: int = SCALE) -> np.ndarray:
    """Images uint8 [H, W, 3] side by side, enlarged, with a bar after the first: uint8 [scale * H, width, 3]."""
    first, *others = (image.repeat(scale, 0).repeat(scale, 1) for image in images)
    bar = np.broadcast_to(np.array(DREAMING if dreaming else WATCHING, np.uint8), (len(first), GAP, 3))
    return np.ascontiguousarray(np.concatenate([first, bar, *others], 1))
