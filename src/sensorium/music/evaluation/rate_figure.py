"""The figure of the codec's rates: what is kept over the bits that were written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt

from sensorium.evaluation.figures import save

PANELS = {"si_sdr": "SI-SDR, dB", "mel_db": "mel bands, dB", "spectral_distance": "three resolutions"}
HIDDEN = ("untrained", "another")  # controls, far from everything


def draw_rates(path: Path, rows: Mapping[str, Mapping[str, Any]], model: str) -> None:
    """A panel for each score: codecs of several rates as lines, others as dots, the model as a star."""
    figure, panels = plt.subplots(1, len(PANELS), figsize=(4.2 * len(PANELS), 3.6))
    names = list(dict.fromkeys(name.rpartition(" ")[0] or name for name in rows if name.rpartition(" ")[2].isdigit()))
    for axes, (score, label) in zip(panels, PANELS.items(), strict=True):
        for peer in names:
            if peer.startswith(HIDDEN):
                continue
            found = sorted((row["kbps"], row[score]) for name, row in rows.items() if name.rpartition(" ")[0] == peer)
            axes.plot(*zip(*found, strict=True), "o-", markersize=3, label=peer)
        for name, row in rows.items():
            if name.rpartition(" ")[2].isdigit() or name.startswith(HIDDEN):
                continue
            mark, size = ("*", 11) if name == model else ("s", 5)
            axes.plot(row["kbps"], row[score], mark, markersize=size, label=name)
        axes.set_xscale("log", base=2)
        axes.set_xlabel("kbit/s, written")
        axes.set_ylabel(label)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(fontsize=7, frameon=False)
    save(figure, path)
