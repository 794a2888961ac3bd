"""Picture and film of long dreams under known actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sensorium.evaluation.figures import COLOURS, save, show
from sensorium.evaluation.films import write_movie
from sensorium.generation.evaluation.dreams import Studio
from sensorium.generation.evaluation.hand import find_hand
from sensorium.generation.evaluation.long_dreams import images

SHOWN = 3  # windows in the picture
FILMED = 6  # in the film, at most


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
    figure = plt.figure(figsize=(12, max(0.7 * rows, 2.2 * len(lines))), layout="constrained")
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
    grid = halves[1].subplots(rows, len(ahead), squeeze=False, gridspec_kw={"wspace": 0.04, "hspace": 0.04})
    for number, cells in enumerate(grid):
        name, window = list(strips)[number % len(strips)], number // len(strips)
        for place, cell in enumerate(cells):
            picture = strips[name][window, place]
            show(cell, picture.transpose(1, 2, 0))
            if name in places:
                cell.plot(*(places[name][window, place] * picture.shape[-1] - 0.5), "+", color="black", markersize=6)
                cell.plot(*find_hand(picture[None])[0], "o", color="black", fillstyle="none", markersize=6)
        cells[0].set_ylabel(name, fontsize=6, rotation=0, ha="right", va="center")
    for cell, frames in zip(grid[0], ahead, strict=True):
        cell.set_title(f"+{frames}", fontsize=7)
    save(figure, path)


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
