"""Combine two songs: the drums of A with everything else of B.

    sensorium continue A.mp3 B.flac -o OUT.wav
    sensorium continue A.mp3 B.flac -o OUT.wav --tempo b --stems FOLDER --json TABLE.json
    sensorium continue A.mp3 B.flac -o OUT.wav --bars 8 --midi DRUMS.mid --page FOLDER

A and B are files of any kind that FFmpeg decodes. Their tempi and their bars, of four beats each, are estimated; B is
played at the tempo of A, at its own pitch, and the bars are laid on each other. The result lasts as long as the shorter
one, or goes on for some bars after its last whole one. Everything is written at 48 kHz as floats, nothing is rescaled,
and the stems of a song add up to it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.artifacts import MANIFEST, write_json
from sensorium.config import ConfigurationError
from sensorium.models.load import load
from sensorium.music.alignment import TEMPI, aligned, beats_of, said_beats
from sensorium.music.beats import Beats
from sensorium.music.combining import WantedFiles, combine
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.sound_files import SoundFile
from sensorium.music.table import STEMS, shown
from sensorium.progress import say
from sensorium.training.execution import Execution, add_arguments

RANGE = f"between {TEMPI[0]:.0f} and {TEMPI[1]:.0f}"
MIDI = (".mid", ".midi")
MOST_BARS = 1000
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
    parser.add_argument(
        "--bars", type=_count, default=0, metavar="N", help="go on for so many bars after the last whole one"
    )
    parser.add_argument("--midi", type=Path, metavar="FILE", help="also write the drums there as a MIDI file")
    parser.add_argument("--page", type=Path, metavar="FOLDER", help="also write a page there, with all sounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table there")
    parser.add_argument(
        "--model", type=Path, default=DEFAULT_MODEL, metavar="MANIFEST", help="of the trained mask (%(default)s)"
    )
    add_arguments(parser)
    args = parser.parse_args(argv)
    if args.output.suffix.lower() != ".wav":
        raise ConfigurationError(f"--output {args.output}: written as floats in a .wav file; give it that ending")
    if args.midi and args.midi.suffix.lower() not in MIDI:
        raise ConfigurationError(f"--midi {args.midi}: a MIDI file; give it the ending {' or '.join(MIDI)}")
    network = load(MaskNetwork, args.model).to(Execution.from_args(args).prepare())
    songs = [SoundFile.open(path) for path in (args.first, args.second)]
    beats = [
        said or beats_of(song, option)
        for song, said, option in zip(songs, (args.beats_a, args.beats_b), ("--beats-a", "--beats-b"), strict=True)
    ]
    wanted = WantedFiles(args.output, args.stems, args.midi, args.bars, args.page)
    table = combine(network, aligned(songs, beats, args.tempo), wanted)
    if args.json:
        write_json(args.json, table)
    say(shown(table))


def _tempo(text: str) -> str | float:
    """An argument: "a", "b" or beats a minute."""
    try:
        return text if text in ("a", "b") else said_beats(f"{text}@0").tempo
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: say a, b or beats a minute, {RANGE}") from None


def _count(text: str) -> int:
    """An argument: bars."""
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= MOST_BARS:
        raise argparse.ArgumentTypeError(f"{text!r}: say how many bars go on, 1 to {MOST_BARS}; without it none do")
    return int(text)


def _beats(text: str) -> Beats:
    """An argument: BPM@SECONDS."""
    try:
        return said_beats(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: say for example 120@0.35, beats a minute {RANGE}") from None
