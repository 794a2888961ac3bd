"""Figures of forecasts by the state dynamics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from scipy.stats import norm

from sensorium.evaluation.figures import COLOURS, save
from sensorium.forecasting.evaluation.body_fields import KINDS


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


def fields(
    path: Path, metrics: Mapping[str, Mapping[str, Any]], ahead: Mapping[str, Sequence[Mapping[str, float]]]
) -> None:
    """R^2 of fields beside what is simpler, and over the frames ahead.

    Args:
        path: where the picture goes.
        metrics: records of `statistics.measure`.
        ahead: name -> R^2 of occupancy and momentum, for each frame ahead.
    """
    figure, (left, *others) = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    for place, record in enumerate(metrics.values()):
        interval = [[record["value"] - record["low"]], [record["high"] - record["value"]]]
        left.bar(place, record["value"], 0.5, color=COLOURS[0], yerr=interval, capsize=4, label="world state")
        for baseline in record["baselines"]:
            left.hlines(baseline["value"], place - 0.4, place + 0.4, COLOURS[1], "--", linewidth=1, label="baselines")
    handles, labels = left.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    left.legend(once.values(), once.keys(), fontsize=7, frameon=False)
    left.set_xticks(range(len(metrics)), list(metrics))
    left.set_ylabel("R squared of fields (1: perfect)")
    for axes, kind in zip(others, KINDS, strict=True):
        for number, (name, line) in enumerate(ahead.items()):
            frames = range(1, len(line) + 1)
            axes.plot(
                frames, [frame[kind] for frame in line], "--" if number else "-", color=COLOURS[number], label=name
            )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(bottom=-0.1, top=1.0)
        axes.set_xlabel("frames ahead")
        axes.set_ylabel(f"R squared of {kind}")
    others[0].legend(fontsize=7, frameon=False)
    for axes in (left, *others):
        axes.axhline(0, color="black", linewidth=0.8)
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
        colour, style = COLOURS[thing], ("-", "--", "-.", ":")[judged % 4]
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
