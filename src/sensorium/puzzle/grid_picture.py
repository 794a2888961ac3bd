"""A picture of a grid that a person can read: rows and columns counted, a colour for each of the ten codes."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from sensorium.evaluation.figures import save
from sensorium.puzzle.config import CODES, SIDE
from sensorium.puzzle.grid import checked

TICKS = 5


def draw(path: Path, grid: np.ndarray, title: str, group: int = 0) -> None:
    """Write the picture of a grid as PNG, with its digits in the cells.

    Args:
        path: where it goes.
        grid: uint8 [30, 30].
        title: above it.
        group: cells of a row that belong together, such as the three of a word; 0: each is alone.

    Raises:
        GridError: if it is no grid.
    """
    figure, axes = plt.subplots(figsize=(8.4, 7.4))
    colours = ListedColormap(plt.get_cmap("viridis")(np.linspace(0, 1, CODES)))
    image = axes.imshow(checked(grid), cmap=colours, vmin=-0.5, vmax=CODES - 0.5, interpolation="nearest")
    for (row, column), code in np.ndenumerate(grid):
        axes.text(column, row, str(code), ha="center", va="center", fontsize=6, color="white" if code < 6 else "black")
    ticks = np.arange(0, SIDE, TICKS)
    axes.set_xticks(ticks, ticks)
    axes.set_yticks(ticks, ticks)
    axes.set_xlabel("column")
    axes.set_ylabel("row")
    axes.set_title(title, fontsize=10)
    if group:
        for edge in range(group, SIDE, group):
            axes.axvline(edge - 0.5, color="white", linewidth=0.8)
    figure.colorbar(image, ax=axes, ticks=range(CODES), label="code", shrink=0.8)
    save(figure, path)
