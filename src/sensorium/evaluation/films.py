"""Films of dreams: next to the true frames, alone, or next to everything that a dream is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from sensorium.artifacts import atomic_path
from sensorium.data.sample_formats import to_video

SCALE, GAP = 4, 8  # pixels
GIF_SCALE, GIF_COLOURS = 8, 64
LABEL, LETTERS = 20, 12  # pixels: height of the strip with the labels, and of its letters
GAUGE = 32  # pixels: height of the strip that shows what is felt
KINDS = (".mp4", ".gif")  # of films of dreams
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


def write_dream(
    path: Path,
    pictures: np.ndarray,
    given: int,
    sound: np.ndarray | None,
    rates: tuple[int, int],
    felt: np.ndarray | None = None,
) -> None:
    """Write one dream as MP4 (H.264, AAC), or as a silent animated GIF, by the suffix of the path (`KINDS`).

    Args:
        path: of the film.
        pictures: uint8 [T, H, W, 3].
        given: true frames at the beginning.
        sound: float [S] in [-1, 1]; None makes a silent film.
        rates: frames a second, samples a second.
        felt: the body sense, float [T, P], shown from -1 to 1 below the picture; None: there is none.
    """
    scale = _scale(path)
    rows = (_row([picture], time >= given, scale) for time, picture in enumerate(pictures))
    if felt is not None:
        rows = (np.concatenate([row, _gauge(numbers, row.shape[1])]) for row, numbers in zip(rows, felt, strict=True))
    _write_as(path, rows, sound, rates)


def write_comparison(
    path: Path, panels: Mapping[str, np.ndarray], given: int, sound: np.ndarray | None, rates: tuple[int, int]
) -> None:
    """Write labelled films side by side as one film, in the formats of `write_dream`.

    Args:
        path: of the film.
        panels: label -> uint8 [T, H, W, 3], all of one shape.
        given: true frames at the beginning of each.
        sound: float [S] in [-1, 1]; None makes a silent film.
        rates: frames a second, samples a second.
    """
    scale = _scale(path)
    strip = _labels(list(panels), scale * next(iter(panels.values())).shape[2])
    moments = enumerate(zip(*panels.values(), strict=True))
    rows = (np.concatenate([strip, _row(list(pictures), time >= given, scale)]) for time, pictures in moments)
    _write_as(path, rows, sound, rates)


def _scale(path: Path) -> int:
    return GIF_SCALE if path.suffix.lower() == ".gif" else SCALE


def _write_as(path: Path, pictures: Iterator[np.ndarray], sound: np.ndarray | None, rates: tuple[int, int]) -> None:
    """Pictures uint8 [H, W, 3] as the kind of film that the path's suffix names."""
    if path.suffix.lower() == ".gif":
        _write_gif(path, list(pictures), rates[0])
    else:
        _write(path, pictures, sound, rates)


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
    """Images uint8 [H, W, 3] side by side, enlarged, with a bar between them, or after a single one.

    Returns:
        uint8 [scale * H, width, 3].
    """
    height = scale * len(images[0])
    bar = np.broadcast_to(np.array(DREAMING if dreaming else WATCHING, np.uint8), (height, GAP, 3))
    parts = [part for image in images for part in (image.repeat(scale, 0).repeat(scale, 1), bar)]
    return np.ascontiguousarray(np.concatenate(parts if len(images) == 1 else parts[:-1], 1))


def _gauge(numbers: np.ndarray, width: int) -> np.ndarray:
    """A strip with a bar for each number, up or down from its middle: uint8 [GAUGE, width, 3]."""
    strip, middle = np.zeros((GAUGE, width, 3), np.uint8), GAUGE // 2
    for place, value in enumerate(np.clip(numbers, -1, 1)):
        left, right = (width * edge // len(numbers) for edge in (place, place + 1))
        end = middle - round(float(value) * middle)
        strip[min(middle, end) : max(middle, end) + 1, left : right - 1] = DREAMING
    return strip


def _labels(names: list[str], width: int) -> np.ndarray:
    """A strip with a name above each of the panels of `_row`, which are `width` pixels wide: uint8 [LABEL, W, 3]."""
    strip = Image.new("RGB", (len(names) * (width + GAP) - GAP, LABEL))
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(LETTERS)
    for number, name in enumerate(names):
        draw.text((number * (width + GAP) + width / 2, LABEL / 2), name, (255, 255, 255), font, anchor="mm")
    return np.asarray(strip)
