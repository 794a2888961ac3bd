"""Combine two songs: the drums of A with everything else of B.

    sensorium continue A.mp3 B.flac -o OUT.wav
    sensorium continue A.mp3 B.flac -o OUT.wav --stems FOLDER --json TABLE.json

A and B are files of any kind that FFmpeg decodes, of one tempo and with their bars aligned from the first sample on:
nothing is stretched or moved. The result lasts as long as the shorter one. Everything is written at 48 kHz as floats,
nothing is rescaled, and the stems of a song add up to it.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from sensorium.artifacts import MANIFEST, atomic_path, write_json
from sensorium.config import ConfigurationError
from sensorium.models.load import load
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.sound_files import RATE, SoundFile
from sensorium.music.streaming import Separation
from sensorium.progress import say, track
from sensorium.training.execution import Execution, add_arguments

DEFAULT_MODEL = Path("results/music/mask") / MANIFEST
STEMS = ("drums_a", "harmony_a", "drums_b", "harmony_b")


def main(argv: list[str]) -> None:
    """Run `sensorium continue`."""
    parser = argparse.ArgumentParser(
        prog="sensorium continue", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path, metavar="A", help="the song whose drums are taken")
    parser.add_argument("second", type=Path, metavar="B", help="the song whose harmony is taken")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="a .wav file")
    parser.add_argument("--stems", type=Path, metavar="FOLDER", help=f"also write {', '.join(STEMS)} there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table there")
    parser.add_argument(
        "--model", type=Path, default=DEFAULT_MODEL, metavar="MANIFEST", help="of the trained mask (%(default)s)"
    )
    add_arguments(parser)
    args = parser.parse_args(argv)
    if args.output.suffix.lower() != ".wav":
        raise ConfigurationError(f"--output {args.output}: written as floats in a .wav file; give it that ending")
    network = load(MaskNetwork, args.model).to(Execution.from_args(args).prepare())
    songs = [SoundFile.open(path) for path in (args.first, args.second)]
    table = combine(network, songs, args.output, args.stems)
    if args.json:
        write_json(args.json, table)
    say(shown(table))


def combine(network: MaskNetwork, songs: list[SoundFile], output: Path, stems: Path | None) -> dict[str, Any]:
    """Write the drums of the first song with the harmony of the second, and perhaps all stems.

    Returns:
        the table: of both songs, of the result and of the stems.

    Raises:
        SoundFileError: if a file has changed since it was opened.
        StorageError: if something cannot be written.
    """
    channels, samples = max(min(song.channels, 2) for song in songs), min(song.samples for song in songs)
    say("\n".join(f"{song.path}: {song.seconds:.1f} s, {song.rate} Hz, {song.channels} channel(s)" for song in songs))
    separations = [Separation(network, song.level) for song in songs]
    streams = [
        each.drums(song.blocks(channels, samples), samples) for each, song in zip(separations, songs, strict=True)
    ]
    pieces = track(zip(*streams, strict=True), "pieces", separations[0].pieces(samples))
    measures = {name: Measure() for name in ("output", *STEMS)}
    with ExitStack() as files:

        def writer(path: Path) -> soundfile.SoundFile:
            temporary = files.enter_context(atomic_path(path))
            return files.enter_context(soundfile.SoundFile(temporary, "w", RATE, channels, "FLOAT", format="WAV"))

        written = {"output": writer(output)}
        written |= {name: writer(stems / f"{name}.wav") for name in STEMS} if stems else {}
        for (first, drums_a), (second, drums_b) in pieces:
            parts = dict(zip(STEMS, (drums_a, first - drums_a, drums_b, second - drums_b), strict=True))
            parts["output"] = drums_a + parts["harmony_b"]
            for name, part in parts.items():
                measures[name].add(part)
                if name in written:
                    written[name].write(part.T)
    return {
        "songs": [
            {"path": str(song.path), "seconds": song.seconds, "rate": song.rate, "channels": song.channels}
            for song in songs
        ],
        "rate": RATE,
        "channels": channels,
        "seconds": samples / RATE,
        "sounds": {name: measure.record() for name, measure in measures.items()},
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
    lines.append(f"{table['seconds']:.1f} seconds at {table['rate']} Hz; nothing was stretched, moved or rescaled")
    lengths = [song["seconds"] for song in table["songs"]]
    if abs(lengths[0] - lengths[1]) > 1 / RATE:
        lines.append(f"the rest of the longer song, {max(lengths) - min(lengths):.1f} seconds, is left out")
    return "\n".join(lines)
