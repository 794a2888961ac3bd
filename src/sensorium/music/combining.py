"""The drums of one song with the harmony of another, piece by piece, and the files that are written of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from sensorium.artifacts import atomic_path
from sensorium.music.alignment import Placed
from sensorium.music.continuation import PIECE, padded, played_on, together
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.midi import MOST_BEATS
from sensorium.music.midi_writing import stored_tempo, write_midi
from sensorium.music.sound_files import LONGEST, RATE, SHORTEST, SoundFileError
from sensorium.music.streaming import Separation
from sensorium.music.strokes import StrokeListener, as_notes
from sensorium.music.table import STEMS, Measure, bars_record, described, record
from sensorium.progress import say, track

Hears = Callable[[np.ndarray], None]  # is given a sound piece by piece, [channels, n]


@dataclass(frozen=True)
class Wanted:
    """What is written.

    Attributes:
        output: a .wav file.
        stems: a folder for the stems of both songs.
        midi: a MIDI file of the drums.
        bars: how many go on beyond the end.
    """

    output: Path
    stems: Path | None = None
    midi: Path | None = None
    bars: int = 0


def combine(network: MaskNetwork, placed: list[Placed], wanted: Wanted) -> dict[str, Any]:
    """Write the drums of the first song with the harmony of the second, and whatever else is wanted.

    Returns:
        the table: of both songs, of the result and of the stems.

    Raises:
        SoundFileError: if less than a second is left of a song, the result is too long, or a file has changed.
        StorageError: if something cannot be written.
    """
    say("\n".join(described(each) for each in placed))
    channels = max(min(each.song.channels, 2) for each in placed)
    songs, samples = played_on(placed, wanted.bars) if wanted.bars else (None, min(each.samples for each in placed))
    _check_length(placed, samples, wanted)
    streams = [
        _separated(network, part, channels, song.samples if song else samples)
        for part, song in zip(placed, songs or (None, None), strict=True)
    ]
    if songs:
        streams = [song.play(stream) for song, stream in zip(songs, streams, strict=True)]
    pieces = track(together(streams), "pieces", -(-samples // PIECE))
    measures, drums = {name: Measure() for name in ("output", *STEMS)}, StrokeListener()
    hears: dict[str, list[Hears]] = {name: [measure.add] for name, measure in measures.items()}
    with ExitStack() as files:
        midi = files.enter_context(atomic_path(wanted.midi)) if wanted.midi else None
        if midi:
            hears["drums_a"].append(drums.add)
        written = {"output": wanted.output}
        written |= {name: wanted.stems / f"{name}.wav" for name in STEMS} if wanted.stems else {}
        for name, path in written.items():
            hears[name].append(_wave(files, path, channels))
        for (first, drums_a), (second, drums_b) in pieces:  # mixture and drums of both songs
            parts = dict(zip(STEMS, (drums_a, first - drums_a, drums_b, second - drums_b), strict=True))
            parts["output"] = drums_a + parts["harmony_b"]
            for name, part in parts.items():
                for hear in hears[name]:
                    hear(part)
        if midi:
            tempo = stored_tempo(placed[0].tempo)
            midi.write_bytes(write_midi(as_notes(drums.strokes(), tempo), tempo, f"drums of {placed[0].song.path}"))
    table = {
        "songs": [record(each) for each in placed],
        "rate": RATE,
        "channels": channels,
        "seconds": samples / RATE,
        "sounds": {name: measure.record() for name, measure in measures.items()},
    }
    return table | ({"bars": bars_record(songs, wanted.bars)} if songs else {})


def _separated(network: MaskNetwork, placed: Placed, channels: int, samples: int) -> Iterator[np.ndarray]:
    """A song and its drums in pieces, [2, channels, n]."""
    blocks = padded(placed.blocks(channels, min(samples, placed.samples)), channels, samples)
    return map(np.stack, Separation(network, placed.song.level).drums(blocks, samples))


def _wave(files: ExitStack, path: Path, channels: int) -> Hears:
    """Writes a sound as a file of floats, which is there once all files are whole."""
    temporary = files.enter_context(atomic_path(path))
    file = files.enter_context(soundfile.SoundFile(temporary, "w", RATE, channels, "FLOAT", format="WAV"))
    return lambda part: file.write(part.T)


def _check_length(placed: list[Placed], samples: int, wanted: Wanted) -> None:
    if samples < SHORTEST * RATE:
        shorter = min(placed, key=lambda each: each.samples)
        raise SoundFileError(
            f"{shorter.song.path}: {shorter.samples / RATE:.2f} seconds are left after its first bar begins; at least "
            f"{SHORTEST:.0f} is needed, use a longer one"
        )
    if samples > 60 * LONGEST * RATE:
        raise SoundFileError(
            f"{wanted.output}: would last {samples / RATE / 60:.0f} minutes; {LONGEST} fit into a .wav file, cut a song"
        )
    beats = samples / RATE / 60 * placed[0].tempo
    if wanted.midi and beats > MOST_BEATS - 1:
        raise SoundFileError(
            f"{wanted.midi}: would have {beats:.0f} beats; {MOST_BEATS} are written at most, cut a song or leave --midi"
        )
