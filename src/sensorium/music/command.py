"""Combine two songs: the drums of A with everything else of B.

    sensorium continue A.mp3 B.flac -o OUT.wav
    sensorium continue A.mp3 B.flac -o OUT.wav --tempo b --stems FOLDER --json TABLE.json

A and B are files of any kind that FFmpeg decodes. Their tempi and their bars, of four beats each, are estimated; B is
played at the tempo of A, at its own pitch, and the bars are laid on each other. The result lasts as long as the shorter
one. Everything is written at 48 kHz as floats, nothing is rescaled, and the stems of a song add up to it.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import soundfile

from sensorium.artifacts import MANIFEST, atomic_path, write_json
from sensorium.config import ConfigurationError
from sensorium.models.load import load
from sensorium.music.alignment import TEMPI, Placed, aligned, beats_of, said_beats
from sensorium.music.beats import Beats
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.sound_files import LONGEST, RATE, SHORTEST, SoundFile, SoundFileError
from sensorium.music.streaming import Separation
from sensorium.music.table import STEMS, Measure, described, record, shown
from sensorium.progress import say, track
from sensorium.training.execution import Execution, add_arguments

RANGE = f"between {TEMPI[0]:.0f} and {TEMPI[1]:.0f}"
DEFAULT_MODEL = Path("results/music/mask") / MANIFEST


def main(argv: list[str]) -> None:
    """Run `sensorium continue`."""
    parser = argparse.ArgumentParser(
        prog="sensorium continue", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path, metavar="A", help="the song whose drums are taken")
    parser.add_argument("second", type=Path, metavar="B", help="the song whose harmony is taken")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="a .wav file")
    parser.add_argument(
        "--tempo", type=_tempo, default="a", metavar="a|b|BPM", help="of the result: that of A, of B, or this one (a)"
    )
    for name in ("a", "b"):
        parser.add_argument(
            f"--beats-{name}",
            type=_beats,
            metavar="BPM@SECONDS",
            help=f"tempo of {name.upper()}, and when one of its bars begins, instead of an estimate",
        )
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
    beats = [
        said or beats_of(song, option)
        for song, said, option in zip(songs, (args.beats_a, args.beats_b), ("--beats-a", "--beats-b"), strict=True)
    ]
    table = combine(network, aligned(songs, beats, args.tempo), args.output, args.stems)
    if args.json:
        write_json(args.json, table)
    say(shown(table))


def _tempo(text: str) -> str | float:
    """An argument: "a", "b" or beats a minute."""
    try:
        return text if text in ("a", "b") else said_beats(f"{text}@0").tempo
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: say a, b or beats a minute, {RANGE}") from None


def _beats(text: str) -> Beats:
    """An argument: BPM@SECONDS."""
    try:
        return said_beats(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: say for example 120@0.35, beats a minute {RANGE}") from None


def combine(network: MaskNetwork, placed: list[Placed], output: Path, stems: Path | None) -> dict[str, Any]:
    """Write the drums of the first song with the harmony of the second, and perhaps all stems.

    Returns:
        the table: of both songs, of the result and of the stems.

    Raises:
        SoundFileError: if less than a second is left of a song, the result is too long, or a file has changed.
        StorageError: if something cannot be written.
    """
    say("\n".join(described(each) for each in placed))
    channels, samples = max(min(each.song.channels, 2) for each in placed), min(each.samples for each in placed)
    if samples < SHORTEST * RATE:
        shorter = min(placed, key=lambda each: each.samples)
        raise SoundFileError(
            f"{shorter.song.path}: {shorter.samples / RATE:.2f} seconds are left after its first bar begins; at least "
            f"{SHORTEST:.0f} is needed, use a longer one"
        )
    if samples > 60 * LONGEST * RATE:
        raise SoundFileError(
            f"{output}: would last {samples / RATE / 60:.0f} minutes; {LONGEST} fit into a .wav file, cut a song"
        )
    separations = [Separation(network, each.song.level) for each in placed]
    streams = [
        each.drums(part.blocks(channels, samples), samples) for each, part in zip(separations, placed, strict=True)
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
        "songs": [record(each) for each in placed],
        "rate": RATE,
        "channels": channels,
        "seconds": samples / RATE,
        "sounds": {name: measure.record() for name, measure in measures.items()},
    }
