"""Figures of forecasts by the state dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from scipy.stats import norm

from sensorium.evaluation.figures import COLOURS, save


def motion(path: Path, errors: Mapping[str, np.ndarray], covered: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Error of positions over the horizon, and the share of truths within intervals of each width.

    Args:
        path: where the picture goes.
        errors: name -> [horizon].
        covered: name -> (squared errors, variances), of the same shape.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for number, (name, line) in enumerate(errors.items()):
        left.plot(range(1, len(line) + 1), line, "--" if number else "-", color=COLOURS[number], label=name)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylim(0, 1.5 * float(max(line[-1] for line in errors.values())))
    left.set_xlabel("frames ahead")
    left.set_ylabel("error of positions (of the room's width)")
    shares = np.linspace(0.05, 0.95, 19)
    for number, (name, (square, variance)) in enumerate(covered.items()):
        inside = [float((square <= norm.ppf(0.5 + share / 2) ** 2 * variance).mean()) for share in shares]
        right.plot(shares, inside, "o-", markersize=3, color=COLOURS[number], label=name)
    right.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--")
    right.set_xlabel("interval")
    right.set_ylabel("share of truths inside")
    for axes in (left, right):
        axes.legend(fontsize=7, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def causal(
    path: Path, effects: Mapping[str, np.ndarray], errors: Mapping[str, np.ndarray], answers: np.ndarray, moved: float
) -> None:
    """Forecast effects and counterfactual errors over the horizon; how far bodies would have moved without the hand.

    Args:
        path: where the picture goes.
        effects: name -> cosine of forecast and true changes, [horizon].
        errors: name -> error of places under other actions, [horizon].
        answers: [n, 2], minus the distance forecast for a resting hand, and whether the body would have stayed.
        moved: a body that moves further has not stayed.
    """
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    things = len({name.split(",")[0] for name in effects})
    for number, (name, line) in enumerate(effects.items()):
        thing, judged = divmod(number, len(effects) // things)
        colour, style = COLOURS[thing], ("-", "--", ":")[judged % 3]
        left.plot(range(1, len(line) + 1), line, style, color=colour, label=name)
    for number, (name, line) in enumerate(errors.items()):
        middle.plot(range(1, len(line) + 1), line, "--" if number else "-", color=COLOURS[number], label=name)
    for axes in (left, middle):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("frames ahead")
    left.set_ylim(0, 1.05)
    left.set_ylabel("cosine with the true change")
    middle.set_ylabel("error under other actions\n(of the room's width)")
    bins = np.linspace(0, max([moved, *-answers[:, 0]]) + 1e-9, 12)
    for label, name in ((1, "would have stayed"), (0, "would have moved as far all the same")):
        right.hist(-answers[answers[:, 1] == label, 0], bins, alpha=0.6, color=COLOURS[label], label=name)
    right.axvline(moved, color="black", linewidth=0.8, linestyle="--")
    right.set_xlabel("forecast distance with a resting hand\n(of the room's width)")
    right.set_ylabel("windows")
    left.legend(fontsize=7, frameon=False, ncols=2, loc="center", bbox_to_anchor=(0.5, 0.67))
    for axes in (middle, right):
        axes.legend(fontsize=7, frameon=False)
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)
