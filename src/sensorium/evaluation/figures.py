"""Pictures of results, drawn without a display."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from sensorium.artifacts import atomic_path

COLOURS = ("#0b6e99", "#c8553d", "#588157", "#8a5a9e", "#d69f2c", "#444444", "#4c9f9f", "#a0a0a0")
DRAWN_BANDS = 256  # samples of a spectrogram's window


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130, bbox_inches="tight")
    plt.close(figure)


def bars(path: Path, metrics: Mapping[str, Mapping[str, Any]], title: str, unit: str) -> None:
    """Each metric as a bar with its interval, its baselines as marks, the strongest one named, and its ceiling."""
    figure, axes = plt.subplots(figsize=(1.8 + 1.6 * len(metrics), 3.6))
    for place, metric in enumerate(metrics.values()):
        low, high = metric["value"] - metric["low"], metric["high"] - metric["value"]
        interval = [[max(0.0, low)], [max(0.0, high)]]
        axes.bar(place, metric["value"], 0.5, color=COLOURS[0], yerr=interval, capsize=4, label="value, 95 % interval")
        others = [baseline["value"] for baseline in metric["baselines"][1:]]
        axes.plot([place + 0.33] * len(others), others, "_", color=COLOURS[7], markersize=9, label="other baselines")
        axes.hlines(metric["floor"], place - 0.4, place + 0.4, COLOURS[1], "--", label="best baseline")
        box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 0.8}
        name = textwrap.fill(metric["floor_name"], 18)
        axes.text(place, metric["floor"], name, fontsize=6, ha="center", va="bottom", bbox=box)
        axes.hlines(metric["ceiling"], place - 0.4, place + 0.4, COLOURS[2], label="ceiling")
    axes.set_xticks(range(len(metrics)), [name.replace("_", " ") for name in metrics])
    axes.set_xlim(-0.7, len(metrics) - 0.3)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel(unit)
    axes.set_title(title, fontsize=10)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.legend(unique.values(), unique, fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def changes(path: Path, table: Mapping[str, Mapping[str, Any]], title: str) -> None:
    """The difference between after and before of each row, a dot with its interval beside a line at nothing."""
    figure, axes = plt.subplots(figsize=(6, 0.8 + 0.32 * len(table)))
    for place, row in enumerate(table.values()):
        change = row["difference"]
        low, high = change["value"] - change["low"], change["high"] - change["value"]
        colour = COLOURS[2] if change["low"] > 0 else COLOURS[1] if change["high"] < 0 else COLOURS[5]
        interval = [[max(0.0, low)], [max(0.0, high)]]
        axes.errorbar(change["value"], place, xerr=interval, fmt="o", color=colour, capsize=4, markersize=5)
    names = [f"{name.replace('_', ' ')}  {row['before']:.2f} to {row['after']:.2f}" for name, row in table.items()]
    axes.set_yticks(range(len(table)), names, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("after minus before, 95 % interval", fontsize=8)
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def image_grid(path: Path, rows: Mapping[str, np.ndarray], title: str) -> None:
    """Rows of images [n, 3, H, W] in [0, 1], each named."""
    columns = max(len(images) for images in rows.values())
    figure, grid = plt.subplots(len(rows), columns, figsize=(1.1 * columns, 1.15 * len(rows) + 0.3), squeeze=False)
    for axes_row, (name, pictures) in zip(grid, rows.items(), strict=True):
        for axes, picture in zip(axes_row, pictures, strict=False):
            show(axes, picture.transpose(1, 2, 0))
        axes_row[0].set_ylabel(
            name.replace(" components", "\ncomponents"), fontsize=7, rotation=0, ha="right", va="center"
        )
    figure.suptitle(title, fontsize=10)
    figure.subplots_adjust(wspace=0.05, hspace=0.05, top=0.92)
    save(figure, path)


def retrieval(
    path: Path,
    videos: list[np.ndarray],
    sounds: list[np.ndarray],
    rate: int,
    scores: np.ndarray,
    candidates: np.ndarray,
    queries: int = 4,
    shown: int = 3,
) -> None:
    """Some windows seen, and the sounds that were found for each, best first; the true one has a green frame.

    Args:
        path: where the picture goes.
        videos: uint8 [T, H, W, 3] of each window.
        sounds: float [S] in [-1, 1] of each window.
        rate: samples a second.
        scores: [n, n], row: seen, column: heard.
        candidates: [n, C], the own one first.
        queries: rows drawn, spread over all.
        shown: sounds drawn a row.
    """
    picked = np.linspace(0, len(videos) - 1, min(queries, len(videos))).astype(int)
    stills = 4
    figure, grid = plt.subplots(
        len(picked),
        stills + shown,
        figsize=(1.1 * stills + 2.1 * shown, 1.35 * len(picked) + 0.5),
        squeeze=False,
        gridspec_kw={"width_ratios": [1] * stills + [1.9] * shown},
        layout="constrained",
    )
    for row, query in zip(grid, picked, strict=True):
        for axes, frame in zip(row, np.linspace(0, len(videos[query]) - 1, stills).astype(int), strict=False):
            show(axes, videos[query][frame])
        offered = candidates[query]
        best = offered[np.argsort(-scores[query, offered], kind="stable")][:shown]
        for axes, number in zip(row[stills:], best, strict=False):
            draw_spectrogram(axes, sounds[number], rate)
            for spine in axes.spines.values():
                spine.set_color("#2ca02c" if number == query else "#999999")
                spine.set_linewidth(3 if number == query else 1)
    for place, axes in enumerate(grid[0][stills:]):
        axes.set_title(f"found {place + 1}", fontsize=8)
    grid[-1][stills].set_xlabel("time (s)", fontsize=7)
    grid[-1][stills].set_ylabel("kHz", fontsize=7)
    figure.suptitle(
        "Image to sound: what is seen, and the sounds found (green: the true one; -90 to -20 dB)", fontsize=9
    )
    save(figure, path)


def spectrograms(path: Path, rows: Mapping[str, np.ndarray], rate: int, title: str) -> None:
    """Rows of sounds [n, S] in [-1, 1] at `rate` samples a second, each row named."""
    columns = max(len(sounds) for sounds in rows.values())
    figure, grid = plt.subplots(
        len(rows),
        columns,
        figsize=(2.5 * columns, 1.5 * len(rows) + 0.4),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for axes_row, (name, sounds) in zip(grid, rows.items(), strict=True):
        for axes, sound in zip(axes_row, sounds, strict=True):
            draw_spectrogram(axes, sound, rate)
        axes_row[0].set_ylabel(f"{name.replace(' components', chr(10) + 'components')}\nkHz", fontsize=7)
    for axes in grid[-1]:
        axes.set_xlabel("time (s)", fontsize=7)
    figure.suptitle(title, fontsize=10)
    save(figure, path)


def draw_spectrogram(axes: Any, sound: np.ndarray, rate: int) -> None:
    """Draw the power of a sound [S] in [-1, 1], from -90 to -20 dB."""
    power, times, pitches = spectrogram(sound, rate)
    axes.imshow(
        power,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=-90,
        vmax=-20,
        extent=(times[0], times[1], pitches[0] / 1000, pitches[1] / 1000),
    )
    axes.tick_params(labelsize=6)


def spectrogram(sound: np.ndarray, rate: int) -> tuple[np.ndarray, tuple[float, float], tuple[float, float]]:
    """Power in dB [bands, columns] of a sound [S], with the range of its times (s) and frequencies (Hz)."""
    hop = DRAWN_BANDS // 2
    frames = np.lib.stride_tricks.sliding_window_view(sound, DRAWN_BANDS)[::hop] * np.hanning(DRAWN_BANDS)
    spectrum = np.abs(np.fft.rfft(frames, axis=1)) / (DRAWN_BANDS / 4)
    return 20 * np.log10(spectrum.T + 1e-6), (0.0, len(sound) / rate), (0.0, rate / 2)


def strip(
    decibels: np.ndarray,
    seconds: float,
    ticks: Mapping[str, float],
    limits: tuple[float, float],
    across: tuple[float, float],
) -> bytes:
    """A wide spectrogram [bands, columns] as PNG.

    Args:
        decibels: power of each band.
        seconds: of the sound.
        ticks: kHz, as text -> band.
        limits: quietest and loudest power that is drawn.
        across: left edge and width of the axes, as shares of the picture's width.
    """
    figure = plt.figure(figsize=(10, 1.7))
    axes = figure.add_axes((across[0], 0.2, across[1], 0.76))
    extent = (0, seconds, 0, len(decibels))
    axes.imshow(decibels, origin="lower", aspect="auto", cmap="magma", vmin=limits[0], vmax=limits[1], extent=extent)
    axes.set_yticks(list(ticks.values()), list(ticks))
    axes.set_ylabel("kHz", fontsize=7)
    axes.tick_params(labelsize=7)
    found = BytesIO()
    figure.savefig(found, format="png", dpi=100)
    plt.close(figure)
    return found.getvalue()


def curves(path: Path, runs: Sequence[tuple[str, str, Mapping[str, tuple[list[int], list[float]]]]]) -> None:
    """A measure over steps, one panel a stage: name of the stage and of the measure, curve -> (steps, values)."""
    columns = min(3, len(runs))
    rows = -(-len(runs) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(3.9 * columns, 2.7 * rows), squeeze=False, layout="constrained")
    for axes, (stage, measure, lines) in zip(grid.flat, runs, strict=False):
        for number, (name, (steps, values)) in enumerate(lines.items()):
            marker = "o" if len(steps) < 3 else None
            axes.plot(steps, values, color=COLOURS[number % len(COLOURS)], label=name, linewidth=1.3, marker=marker)
        axes.set_title(stage, fontsize=10)
        axes.set_xlabel("step")
        axes.set_ylabel(measure)
        axes.legend(fontsize=7, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in list(grid.flat)[len(runs) :]:
        axes.set_axis_off()
    save(figure, path)


def earnings(path: Path, rewards: Mapping[str, np.ndarray]) -> None:
    """What each policy has earned by each frame, mean and its standard error over episodes; rewards [E, T] each."""
    figure, axes = plt.subplots(figsize=(6, 3.6))
    for (name, earned), colour in zip(rewards.items(), COLOURS, strict=False):
        sums = earned.cumsum(1)
        mean, error = sums.mean(0), sums.std(0) / np.sqrt(len(sums))
        axes.plot(mean, color=colour, label=name)
        axes.fill_between(np.arange(len(mean)), mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
    axes.set_xlabel("frame")
    axes.set_ylabel("sum of rewards")
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def show(axes: Any, picture: np.ndarray) -> None:
    """Draw a picture [H, W, 3] or [H, W] without a frame around it."""
    axes.imshow(picture, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
