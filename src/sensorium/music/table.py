"""What `sensorium continue` says of both songs, of the result and of the stems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sensorium.music.alignment import Placed
from sensorium.music.continuation import Continuation
from sensorium.music.sound_files import RATE

STEMS = ("drums_a", "harmony_a", "drums_b", "harmony_b")
WANDER = 0.05  # seconds: beats that are so far from an even tempo are said


def record(placed: Placed) -> dict[str, Any]:
    """A song in the table."""
    song, beats = placed.song, placed.beats
    return {
        "path": str(song.path),
        "seconds": song.seconds,
        "rate": song.rate,
        "channels": song.channels,
        "tempo": beats.tempo,
        "downbeat": beats.downbeat,
        "clarity": beats.clarity,
        "wander": beats.wander,
        "begins": placed.start / RATE,
        "speed": placed.speed,
        "used_seconds": placed.samples / RATE,
    }


def described(placed: Placed) -> str:
    """What is known of a song, and what is done with it."""
    song, beats = placed.song, placed.beats
    channels = {1: "mono", 2: "stereo"}.get(song.channels, f"{song.channels} channels, mixed to two")
    lines = [
        f"{song.path}: {song.seconds:.1f} s, {song.rate} Hz, {channels}; {beats.tempo:.2f} beats a minute, a bar "
        f"begins at {beats.downbeat:.2f} s; used from {placed.start / RATE:.2f} s on"
    ]
    if placed.speed == 1:
        lines.append("  not stretched")
    else:
        lines.append(
            f"  stretched to {beats.tempo * placed.speed:.2f} beats a minute, {placed.speed:.3f} times as fast"
        )
    if beats.wander > WANDER:
        lines.append(f"  its tempo wanders: beats are up to {1000 * beats.wander:.0f} ms away, and bars will be, too")
    return "\n".join(lines)


def bars_record(songs: Sequence[Continuation], bars: int) -> dict[str, Any]:
    """The bars beyond the end in the table: how many, after which one, and which are repeated; all count from 1 on."""
    return {
        "added": bars,
        "after": songs[0].total - bars,
        "songs": [
            {"own": song.own - song.total + bars, "repeated": [1 + number for number in song.picked]} for song in songs
        ],
    }


class Measure:
    """Level and peak of a sound that comes piece by piece."""

    def __init__(self) -> None:
        self._samples, self._power, self._peak, self._above = 0, 0.0, 0.0, 0

    def add(self, part: np.ndarray) -> None:
        """The next piece, [channels, n]."""
        self._samples += part.size
        self._power += float((part.astype(np.float64) ** 2).sum())
        self._peak = max(self._peak, float(np.abs(part).max(initial=0)))
        self._above += int((np.abs(part) > 1).sum())

    def record(self) -> dict[str, float]:
        """Level in dB of full scale (-200 for silence), peak, and samples above full scale."""
        level = 10 * np.log10(self._power / max(1, self._samples) + 1e-20)
        return {"level_db": float(level), "peak": self._peak, "above_full_scale": self._above}


def shown(table: dict[str, Any]) -> str:
    """The table as lines."""
    lines = [f"{'':12} {'level, dB':>10} {'peak':>8} {'above 1':>8}"]
    for name, record in table["sounds"].items():
        level, peak, above = record["level_db"], record["peak"], record["above_full_scale"]
        lines.append(f"{name.replace('_', ' '):12} {level:10.1f} {peak:8.3f} {above:8d}")
    lines.append(f"{table['seconds']:.1f} seconds at {table['rate']} Hz; nothing was rescaled")
    if bars := table.get("bars"):
        lines.append(f"{bars['added']} bars go on after bar {bars['after']}:")
        for name, song in zip(("drums of A", "harmony of B"), bars["songs"], strict=True):
            again = ", ".join(map(str, song["repeated"]))
            parts = [f"{song['own']} of its own"] * (song["own"] > 0) + [f"bars {again} again"] * bool(again)
            lines.append(f"  {name}: {', then '.join(parts)}")
        return "\n".join(lines)
    lengths = [song["used_seconds"] for song in table["songs"]]
    if abs(lengths[0] - lengths[1]) > 1 / RATE:
        lines.append(f"the rest of the longer song, {max(lengths) - min(lengths):.1f} seconds, is left out")
    return "\n".join(lines)
