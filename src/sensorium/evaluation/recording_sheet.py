"""Some recordings of a set on one sheet: pictures along time, spectrograms, how often each action and reward occurs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import SubFigure

from sensorium.data.recording import SPLITS, RecordingSet
from sensorium.data.sample_formats import FULL_SCALE
from sensorium.evaluation import figures

SHOWN, FRAMES = 2, 10  # recordings of each split; pictures of each
HEARD = 10.0  # most seconds of a spectrogram
MOST_PANELS = 8  # histograms of numbers
BINS = 41
WIDTH = 11.0  # inches


def draw(path: Path, recordings: RecordingSet) -> None:
    """Write the sheet as PNG; parts for which there is no field are left out."""
    shown = [(split, name) for split in SPLITS for name in spread(recordings.names(split), SHOWN)]
    heard = [(split, name) for split in SPLITS for name in spread(recordings.names(split), 1)]
    counted = dict(histograms(recordings))
    parts: list[tuple[float, Any, Any]] = []
    if recordings.has("video"):
        parts.append((1.15 * len(shown) + 0.4, _pictures, shown))
    if recordings.has("audio"):
        parts.append((2.3, _sounds, heard))
    if counted:
        parts.append((2.4, _histograms, counted))
    heights = [height for height, _, _ in parts] or [1.0]
    figure = plt.figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    figure.suptitle(f"{recordings.details.get('source', 'recordings')}: some of its recordings", fontsize=10)
    panels = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for panel, (_, fill, what) in zip(panels, parts, strict=False):
        fill(panel, recordings, what)
    figures.save(figure, path)


def spread(names: list[str], count: int) -> list[str]:
    """Some names, evenly spread over all."""
    return [names[place] for place in sorted(set(np.linspace(0, len(names) - 1, min(count, len(names))).astype(int)))]


def histograms(recordings: RecordingSet) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Name of each number of the action, of the action if it is a choice, and of the reward -> (counts, edges).

    A choice has an edge at each half number, so that bar k counts choice k.
    """
    names = [name for split in SPLITS for name in recordings.names(split)]
    action = recordings.details.get("action")
    if action and action["kind"] == "discrete":
        edges = np.arange(action["size"] + 1) - 0.5
        yield "action", (_counts(recordings, names, edges), edges)
    elif action:
        edges = np.linspace(-1, 1, BINS + 1)
        given = recordings.details.get("action_names") or []
        for number in range(min(action["size"], MOST_PANELS)):
            name = given[number] if number < len(given) else f"action {number}"
            yield name, (_counts(recordings, names, edges, number), edges)
    if recordings.has("reward"):
        rewards = np.concatenate([recordings.field(name, "reward") for name in names])
        yield "reward", np.histogram(rewards, BINS)


def _counts(recordings: RecordingSet, names: list[str], edges: np.ndarray, number: int | None = None) -> np.ndarray:
    total = np.zeros(len(edges) - 1, np.int64)
    for name in names:
        values = recordings.field(name, "action")
        total += np.histogram(values if number is None else values[:, number], edges)[0]
    return total


def _pictures(panel: SubFigure, recordings: RecordingSet, shown: list[tuple[str, str]]) -> None:
    rate = float(recordings.details.get("frames_per_second", 1))
    grid = panel.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, (split, name) in zip(grid, shown, strict=True):
        video = recordings.field(name, "video")
        picked = np.linspace(0, len(video) - 1, min(FRAMES, len(video))).astype(int)
        strip = np.full((video.shape[1], FRAMES * (video.shape[2] + 1), 3), 255, np.uint8)
        for place, frame in enumerate(picked):
            left = place * (video.shape[2] + 1)
            strip[:, left : left + video.shape[2]] = video[frame]
        figures.show(axes, strip)
        label = f"{split}\n{name}\n{len(video) / rate:.1f} s"
        axes.set_ylabel(label, fontsize=7, rotation=0, ha="right", va="center")


def _sounds(panel: SubFigure, recordings: RecordingSet, heard: list[tuple[str, str]]) -> None:
    rate = int(recordings.details["sample_rate"])
    grid = panel.subplots(1, len(heard), squeeze=False, sharey=True)[0]
    for axes, (split, name) in zip(grid, heard, strict=True):
        sound = recordings.field(name, "audio")[: round(HEARD * rate)] / FULL_SCALE
        sound = np.pad(sound, (0, max(0, figures.DRAWN_BANDS - len(sound))))
        figures.draw_spectrogram(axes, sound, rate)
        axes.set_title(f"{split}: {name} (-90 to -20 dB)", fontsize=7)
        axes.set_xlabel("time (s)", fontsize=7)
    grid[0].set_ylabel("kHz", fontsize=7)


def _histograms(panel: SubFigure, recordings: RecordingSet, counted: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    grid = panel.subplots(1, len(counted), squeeze=False)[0]
    for axes, (name, (counts, edges)) in zip(grid, counted.items(), strict=True):
        axes.stairs(counts, edges, fill=True, color=figures.COLOURS[0])
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=6)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel("frames", fontsize=7)
