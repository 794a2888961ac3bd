"""Picture and film of long dreams under known actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from sensorium.evaluation.figures import COLOURS, save
from sensorium.evaluation.films import write_movie
from sensorium.generation.evaluation.dreams import Studio
from sensorium.generation.evaluation.hand import find_hand
from sensorium.generation.evaluation.long_dreams import images

SHOWN = 3  # windows in the picture
FILMED = 4  # in the film, at most
GAP = 2  # pixels between pictures of 32 x 32


def control(
    path: Path,
    ahead: np.ndarray,
    lines: Mapping[str, Mapping[str, Sequence[float]]],
    strips: Mapping[str, np.ndarray],
    places: Mapping[str, np.ndarray],
) -> None:
    """What is measured by the frames ahead, and strips of truth and dream.

    Args:
        path: where the picture goes.
        ahead: frames, [H].
        lines: what is measured -> what is shown -> value at each of these frames.
        strips: name of a row -> pictures [n, H, 3, S, S] in [0, 1].
        places: name of a row -> where the hand would be, room widths [n, H, 2]; it is marked by a cross, and the hand
            that is found by a circle.
    """
    rows = SHOWN * len(strips)
    figure = plt.figure(figsize=(12, max(0.75 * rows, 2.2 * len(lines))), layout="constrained")
    halves = np.asarray(figure.subfigures(1, 2, width_ratios=[1, 1]))
    colours = dict(zip(next(iter(lines.values())), COLOURS * 2, strict=False))
    for axes, (measured, curves) in zip(
        halves[0].subplots(len(lines), squeeze=False)[:, 0], lines.items(), strict=True
    ):
        for name, line in curves.items():
            main = name == "dream"
            style = {"linewidth": 2.2 if main else 1.1, "color": colours[name]}
            axes.plot(ahead, line, "o-" if main else "--", markersize=3, label=name, **style)
        axes.set_xscale("log", base=2)
        axes.set_xticks(ahead, [str(frames) for frames in ahead])
        axes.set_ylabel(measured, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.set_xlabel("frames ahead")
    _strips(halves[1].subplots(), ahead, strips, places)
    save(figure, path)


def _strips(axes: Axes, ahead: np.ndarray, strips: Mapping[str, np.ndarray], places: Mapping[str, np.ndarray]) -> None:
    """The strips of the first windows as one mosaic, which is drawn much sooner than a picture each."""
    rows = [(name, window) for window in range(SHOWN) for name in strips]
    size = next(iter(strips.values())).shape[-1]
    step = size + GAP * size // 32
    mosaic = np.ones((len(rows) * step, len(ahead) * step, 3), np.float32)
    for row, (name, window) in enumerate(rows):
        for column, picture in enumerate(strips[name][window]):
            y, x = row * step, column * step
            mosaic[y : y + size, x : x + size] = picture.transpose(1, 2, 0)
        if name in places:
            corner = np.stack([np.arange(len(ahead)) * step, np.full(len(ahead), row * step)], 1)
            axes.plot(*(corner + places[name][window] * size - 0.5).T, "+", color="black", markersize=5)
            found = corner + find_hand(strips[name][window])
            axes.plot(*found.T, "o", color="black", fillstyle="none", markersize=5)
    axes.imshow(mosaic.clip(0, 1), interpolation="nearest")
    axes.set_xticks(np.arange(len(ahead)) * step + size / 2, [f"+{frames}" for frames in ahead], fontsize=7)
    axes.set_yticks(np.arange(len(rows)) * step + size / 2, [name for name, _ in rows], fontsize=6)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)


def write_film(path: Path, studio: Studio, truth: np.ndarray, tokens: np.ndarray) -> None:
    """Truth on the left, dream on the right, of the first windows, one after the other, without sound.

    Args:
        path: of the film, MP4.
        studio: shows the dream.
        truth: uint8 [n, T, S, S, 3].
        tokens: of the dreams, context first, [m, T, N, C]; at most n.
    """
    details = studio.recordings.details
    rates = int(details["frames_per_second"]), int(details["sample_rate"])
    shown = studio.pictures(tokens[:FILMED])
    write_movie(path, images(truth[: len(shown)]), shown, studio.config.context, None, rates)
