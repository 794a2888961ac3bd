"""Pictures of what the state dynamics foretell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from scipy.stats import norm

from sensorium.evaluation.figures import COLOURS, save


def motion(path: Path, errors: Mapping[str, np.ndarray], covered: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Error of positions over the horizon, and how many truths lie within intervals of each width.

    Args:
        path: where the picture goes.
        errors: name -> [horizon].
        covered: name -> (squared errors, variances), shaped alike.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for number, (name, line) in enumerate(errors.items()):
        left.plot(range(1, len(line) + 1), line, "--" if number else "-", color=COLOURS[number], label=name)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylim(0, 1.5 * float(max(line[-1] for name, line in errors.items() if name != "gravity")))
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


def causal(path: Path, lines: Mapping[str, np.ndarray], blamed: np.ndarray) -> None:
    """Cosine of foretold and true changes over the horizon, and the answers where the hand was and was not to blame.

    Args:
        path: where the picture goes.
        lines: name -> [horizon].
        blamed: [n, 2], answer and truth.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for number, (name, line) in enumerate(lines.items()):
        left.plot(range(1, len(line) + 1), line, "--" if number % 3 else "-", color=COLOURS[number % 8], label=name)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_xlabel("frames ahead")
    left.set_ylabel("cosine with the true change")
    bins = np.linspace(0, float(blamed[:, 0].max()) + 1e-9, 12)
    for label, name in ((1, "would not have moved"), (0, "would have moved all the same")):
        answers = blamed[blamed[:, 1] == label, 0]
        right.hist(answers, bins, alpha=0.6, color=COLOURS[label], label=name)
    right.set_xlabel("foretold difference without the hand (of the room's width)")
    right.set_ylabel("windows")
    for axes in (left, right):
        axes.legend(fontsize=7, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)
