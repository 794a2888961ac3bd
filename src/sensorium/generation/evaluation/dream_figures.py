"""Pictures of dreams: over the horizon, beside truth, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from sensorium.evaluation.figures import COLOURS, save, show

HEADROOM = 4.0  # dB above the best curve: a ceiling of lossless tokens, at 90 dB, would leave the others no room


def rollout(path: Path, errors: Mapping[str, np.ndarray], truth: np.ndarray, dreams: np.ndarray, given: int) -> None:
    """PSNR over the horizon, with floors and ceiling, and strips of truth and dream.

    Args:
        path: where the picture goes.
        errors: name -> squared errors [n, horizon].
        truth, dreams: float [k, T, 3, H, W] in [0, 1].
        given: frames of context; one of them is shown.
    """
    strips = np.stack([truth, dreams], 1).reshape(-1, *truth.shape[1:])[:, given - 1 :]
    figure = plt.figure(figsize=(11, 1.0 * len(strips)), layout="constrained")
    halves = np.asarray(figure.subfigures(1, 2, width_ratios=[1, 1.4]))
    axes, right = halves[0].subplots(), halves[1]
    dashes = {"dream": "-", "tokenizer": "-"}
    for number, (name, error) in enumerate(errors.items()):
        colour = "#c8c8c8" if name == "untrained" else COLOURS[number % len(COLOURS)]
        axes.plot(
            range(1, error.shape[1] + 1),
            -10 * np.log10(error.mean(0)),
            dashes.get(name, "--" if number < len(COLOURS) else ":"),
            color=colour,
            label=f"tokenizer (ceiling, {-10 * np.log10(error.mean()):.0f} dB)" if name == "tokenizer" else name,
            linewidth=2.2 if name == "dream" else 1.4,
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("frames ahead")
    axes.set_ylabel("PSNR (dB)")
    axes.spines[["top", "right"]].set_visible(False)
    below = [-10 * np.log10(error.mean(0)).min() for name, error in errors.items() if name != "tokenizer"]
    axes.set_ylim(top=min(axes.get_ylim()[1], max(below) + HEADROOM))
    axes.legend(fontsize=7, frameon=False)
    grid = right.subplots(*strips.shape[:2], squeeze=False, gridspec_kw={"wspace": 0.04, "hspace": 0.04})
    for row, (axes_row, strip) in enumerate(zip(grid, strips, strict=True)):
        for place, (cell, frame) in enumerate(zip(axes_row, strip, strict=True)):
            show(cell, frame.transpose(1, 2, 0))
            if row == 0:
                cell.set_title("last seen" if place == 0 else f"+{place}", fontsize=7)
        axes_row[0].set_ylabel("dream" if row % 2 else "truth", fontsize=7)
    save(figure, path)


def _dash(number: int) -> str:
    """Of a line: solid what is judged, dashed the others, dotted those that come after the last colour."""
    return "-" if number == 0 else "--" if number < len(COLOURS) else ":"


def uncertainty(
    path: Path,
    ranks: Mapping[str, np.ndarray],
    bins: Mapping[str, tuple[np.ndarray, np.ndarray]],
    crps: Mapping[str, np.ndarray],
) -> None:
    """Rank histograms, error over spread, and CRPS over the horizon.

    Args:
        path: where the picture goes.
        ranks: name -> shares of the ranks, [M + 1].
        bins: name -> (mean spread, error) of bins of equal size.
        crps: name -> [horizon].
    """
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    width = 0.8 / len(ranks)
    for number, (name, shares) in enumerate(ranks.items()):
        left.bar(
            np.arange(len(shares)) + number * width, shares, width, color=COLOURS[number % len(COLOURS)], label=name
        )
    left.axhline(1 / len(next(iter(ranks.values()))), color="black", linewidth=0.8, linestyle="--")
    left.set_xlabel("rank of the truth among the dreams")
    left.set_ylabel("share")
    for number, (name, (spread, error)) in enumerate(bins.items()):
        middle.plot(spread, error, "o-", markersize=3, color=COLOURS[number % len(COLOURS)], label=name)
    limit = max(float(np.max(values)) for pair in bins.values() for values in pair)
    middle.plot([0, limit], [0, limit], color="black", linewidth=0.8, linestyle="--")
    middle.set_xlabel("spread of the dreams")
    middle.set_ylabel("error of their mean")
    for number, (name, line) in enumerate(crps.items()):
        right.plot(range(1, len(line) + 1), line, _dash(number), color=COLOURS[number % len(COLOURS)], label=name)
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_xlabel("frames ahead")
    right.set_ylabel("CRPS")
    for axes in (left, middle, right):
        axes.legend(fontsize=7, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def counterfactual(
    path: Path, lines: Mapping[str, np.ndarray], strips: Mapping[str, np.ndarray], shown: list[int]
) -> None:
    """Correlation over the horizon, and what the change of actions did, in truth and in the dream.

    Args:
        path: where the picture goes.
        lines: name -> [horizon].
        strips: name -> pictures [frames, 3, H, W] in [0, 1].
        shown: how many frames ahead each of them is.
    """
    figure = plt.figure(figsize=(11, 0.85 * len(strips) + 0.4), layout="constrained")
    halves = np.asarray(figure.subfigures(1, 2, width_ratios=[1, 1.4]))
    axes = halves[0].subplots()
    for number, (name, line) in enumerate(lines.items()):
        axes.plot(range(1, len(line) + 1), line, _dash(number), color=COLOURS[number % len(COLOURS)], label=name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("frames ahead")
    axes.set_ylabel("correlation with the true change")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False)
    grid = halves[1].subplots(len(strips), len(shown), squeeze=False, gridspec_kw={"wspace": 0.04, "hspace": 0.04})
    for cells, (name, strip) in zip(grid, strips.items(), strict=True):
        for cell, frame in zip(cells, strip, strict=True):
            show(cell, frame.transpose(1, 2, 0))
        cells[0].set_ylabel(name, fontsize=6, rotation=0, ha="right", va="center")
    for cell, ahead in zip(grid[0], shown, strict=True):
        cell.set_title(f"+{ahead}", fontsize=7)
    save(figure, path)


def drift(path: Path, lines: Mapping[str, np.ndarray], real: float, strips: np.ndarray, shown: list[int]) -> None:
    """Fréchet distance of each piece of long dreams to real pieces, and what some of the dreams look like.

    Args:
        path: where the picture goes.
        lines: name -> distance of each piece.
        real: distance of other real pieces.
        strips: [dreams, frames, 3, H, W] in [0, 1].
        shown: how many frames ahead each of them is.
    """
    figure = plt.figure(figsize=(11, 0.85 * len(strips) + 1.0), layout="constrained")
    halves = np.asarray(figure.subfigures(1, 2, width_ratios=[1, 1.4]))
    axes = halves[0].subplots()
    for number, (name, line) in enumerate(lines.items()):
        axes.plot(range(1, len(line) + 1), line, _dash(number), color=COLOURS[number % len(COLOURS)], label=name)
    axes.axhline(real, color=COLOURS[2], label="other real pieces")
    axes.set_yscale("log")
    axes.set_xlabel("piece")
    axes.set_ylabel("Fréchet distance")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False)
    grid = halves[1].subplots(*strips.shape[:2], squeeze=False, gridspec_kw={"wspace": 0.04, "hspace": 0.04})
    for cells, strip in zip(grid, strips, strict=True):
        for cell, frame in zip(cells, strip, strict=True):
            show(cell, frame.transpose(1, 2, 0))
    for cell, ahead in zip(grid[0], shown, strict=True):
        cell.set_title(f"+{ahead}", fontsize=7)
    save(figure, path)
