"""The drums of one song with the harmony of another, piece by piece, and the files that are written of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
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
from sensorium.music.page import SoundPage
from sensorium.music.sound_files import LONGEST, RATE, SHORTEST, SoundFileError
from sensorium.music.streaming import Separation
from sensorium.music.strokes import StrokeListener, as_notes
from sensorium.music.table import STEMS, Measure, bars_record, described, record, shown
from sensorium.progress import say, track

Hears = Callable[[np.ndarray], None]  # is given a sound piece by piece, [channels, n]


@dataclass(frozen=True)
class WantedFiles:
    """What is written.

    Attributes:
        output: a .wav file.
        stems: a folder for the stems of both songs.
        midi: a MIDI file of the drums.
        bars: how many go on beyond the end.
        page: a folder for a page with all sounds.
    """

    output: Path
    stems: Path | None = None
    midi: Path | None = None
    bars: int = 0
    page: Path | None = None


def combine(network: MaskNetwork, placed: list[Placed], wanted: WantedFiles) -> dict[str, Any]:
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
    with ExitStack() as files:
        written = _Written(files, wanted, channels, samples)
        for (first, drums_a), (second, drums_b) in pieces:  # mixture and drums of both songs
            parts = dict(zip(STEMS, (drums_a, first - drums_a, drums_b, second - drums_b), strict=True))
            parts["output"] = drums_a + parts["harmony_b"]
            written.add(parts | {"a": first, "b": second})
        table = {
            "songs": [record(each) for each in placed],
            "rate": RATE,
            "channels": channels,
            "seconds": samples / RATE,
            "sounds": {name: measure.record() for name, measure in written.measures.items()},
            **({"bars": bars_record(songs, wanted.bars)} if songs else {}),
        }
        written.finish(placed, table)
    return table


class _Written:
    """All files that are written, each whole or not at all.

    Attributes:
        measures: level and peak of the result and of the stems.
    """

    def __init__(self, files: ExitStack, wanted: WantedFiles, channels: int, samples: int) -> None:
        self.measures = {name: Measure() for name in ("output", *STEMS)}
        self._hears: dict[str, list[Hears]] = {"a": [], "b": []}
        self._hears |= {name: [measure.add] for name, measure in self.measures.items()}
        self._midi = files.enter_context(atomic_path(wanted.midi)) if wanted.midi else None
        self._drums = StrokeListener()
        if self._midi:
            self._hears["drums_a"].append(self._drums.add)
        waves = {name: wanted.stems / f"{name}.wav" for name in STEMS} if wanted.stems else {}
        for name, path in {"output": wanted.output, **waves}.items():
            temporary = files.enter_context(atomic_path(path))
            wave = soundfile.SoundFile(temporary, "w", RATE, channels, "FLOAT", format="WAV")
            self._hears[name].append(partial(_write_wave, files.enter_context(wave)))
        self._page = SoundPage(wanted.page, files, channels, samples) if wanted.page else None
        if self._page:
            for name, hears in self._hears.items():
                hears += self._page.hears(name)

    def add(self, parts: Mapping[str, np.ndarray]) -> None:
        """The next piece of every sound, [channels, n]."""
        for name, part in parts.items():
            for hear in self._hears[name]:
                hear(part)

    def finish(self, placed: list[Placed], table: dict[str, Any]) -> None:
        """What can only be written once everything was heard."""
        if self._midi:
            tempo = stored_tempo(placed[0].tempo)
            notes = as_notes(self._drums.strokes(), tempo)
            self._midi.write_bytes(write_midi(notes, tempo, f"drums of {placed[0].song.path.name}"))
        if self._page:
            names = {name: part.song.path.name for name, part in zip("ab", placed, strict=True)}
            self._page.write(names, "\n".join([*map(described, placed), "", shown(table)]))


def _write_wave(file: soundfile.SoundFile, part: np.ndarray) -> None:
    file.write(part.T)


def _separated(network: MaskNetwork, placed: Placed, channels: int, samples: int) -> Iterator[np.ndarray]:
    """A song and its drums in pieces, [2, channels, n]."""
    blocks = padded(placed.blocks(channels, min(samples, placed.samples)), channels, samples)
    return map(np.stack, Separation(network, placed.song.level).drums(blocks, samples))


def _check_length(placed: list[Placed], samples: int, wanted: WantedFiles) -> None:
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
