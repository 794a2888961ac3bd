"""A picture of a grid that a person can read: rows and columns counted, a colour for each of the ten codes."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from sensorium.evaluation.figures import save
from sensorium.puzzle.config import CODES, SIDE, SOUND_RATE
from sensorium.puzzle.grid import checked
from sensorium.puzzle.spectrogram import BANDS, COLUMNS, HOP

TICKS = 5


def draw(path: Path, grid: np.ndarray, title: str, group: int = 0, decoded: np.ndarray | None = None) -> None:
    """Write the picture of a grid as PNG, with its digits in the cells.

    Args:
        path: where it goes.
        grid: uint8 [30, 30].
        title: above it.
        group: cells of a row that belong together, such as the three of a word; 0: each is alone.
        decoded: what the grid decodes to, drawn beside it: a spectrogram [bands, columns], from low to high bands, or
            a picture [H, W, 3].

    Raises:
        GridError: if it is no grid.
    """
    width = 8.4 if decoded is None else 14.4
    figure, panels = plt.subplots(1, 1 if decoded is None else 2, figsize=(width, 7.4), squeeze=False)
    axes = panels[0, 0]
    heard = decoded is not None and decoded.ndim == 2
    colours = ListedColormap(plt.get_cmap("viridis")(np.linspace(0, 1, CODES)))
    how = {"interpolation": "nearest", "origin": "lower" if heard else "upper"}
    image = axes.imshow(checked(grid), cmap=colours, vmin=-0.5, vmax=CODES - 0.5, **how)
    for (row, column), code in np.ndenumerate(grid):
        axes.text(column, row, str(code), ha="center", va="center", fontsize=6, color="white" if code < 6 else "black")
    ticks = np.arange(0, SIDE, TICKS)
    axes.set_xticks(ticks, ticks)
    axes.set_yticks(ticks, ticks)
    axes.set_xlabel("column")
    axes.set_ylabel("row")
    figure.suptitle(title, fontsize=10)
    if group:
        for edge in range(group, SIDE, group):
            axes.axvline(edge - 0.5, color="white", linewidth=0.8)
    figure.colorbar(image, ax=axes, ticks=range(CODES), label="code", shrink=0.8)
    if decoded is not None:
        panels[0, 1].imshow(decoded, cmap="magma", aspect="auto" if heard else "equal", **how)
        panels[0, 1].set_title("decoded", fontsize=10)
        if heard:
            _moments_and_pitches(panels[0, 1])
    save(figure, path)


def _moments_and_pitches(axes: Axes) -> None:
    """Label a spectrogram in seconds and kilohertz."""
    columns, bands = np.arange(0, COLUMNS, 8), np.arange(0, BANDS, 16)
    hertz = 700 * (10 ** ((bands + 1) / (BANDS + 1) * np.log10(1 + SOUND_RATE / 2 / 700)) - 1)
    axes.set_xticks(columns, [f"{column * HOP / SOUND_RATE:.2f}" for column in columns])
    axes.set_yticks(bands, [f"{frequency / 1000:.2f}" for frequency in hertz])
    axes.set_xlabel("seconds")
    axes.set_ylabel("kHz")
