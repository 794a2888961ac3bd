"""Songs that people wrote, from MIDI files: those that can be laid on others, and the passages that can be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sensorium.config import ConfigurationError
from sensorium.music.config import BEATS
from sensorium.music.midi import DRUM_CHANNEL, MidiError, MidiNote, MidiSong
from sensorium.music.midi_files import listed, read_songs
from sensorium.progress import say

FEWEST_DRUMS, FEWEST_NOTES = 4, 2  # of every bar that is used


@dataclass(frozen=True)
class WrittenSong:
    """A song of a MIDI file.

    Attributes:
        title: name of the file, and of the song in it.
        notes: of General MIDI.
        bars: first ones of all passages that can be used.
    """

    title: str
    notes: tuple[MidiNote, ...]
    bars: tuple[int, ...]


def written_songs(key: str, folders: Sequence[str], bars: int, tempi: int = 0) -> list[WrittenSong]:
    """All songs below some folders that can be used; those that cannot are counted by reason, and that is said.

    Args:
        key: of the settings, for messages.
        folders: with .mid or .wad files.
        bars: of a passage.
        tempi: of which two songs each are needed.

    Raises:
        ConfigurationError: if fewer can be used.
    """
    left_out: dict[str, int] = {}
    found: list[WrittenSong] = []
    for path in [path for folder in folders for path in listed(Path(folder))]:
        for title, song in read_songs(path):
            reason = "not readable" if isinstance(song, MidiError) else unusable(song)
            passages = [] if reason or isinstance(song, MidiError) else full_bars(song.notes, bars)
            if not passages:
                reason = reason or f"no {bars} bars with drums and harmony"
                left_out[reason] = left_out.get(reason, 0) + 1
                continue
            found.append(WrittenSong(title, song.notes, tuple(passages)))  # type: ignore[union-attr]
    if folders:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items())) or "none"
        say(f"{key}: {len(found)} songs by people; left out: {reasons}")
        if len(found) < max(1, 2 * tempi):
            wanted = f"two of each of {tempi} tempi are" if tempi else "one is"
            raise ConfigurationError(
                f"{key}: {', '.join(folders)}: {len(found)} songs can be used, and {wanted} needed (left out: "
                f"{reasons}); name more files"
            )
    return found


def unusable(song: MidiSong) -> str | None:
    """Why a song cannot be laid on another: its bars are not of four beats."""
    others = sorted(f"{top}/{bottom}" for top, bottom in song.meters if 4 * top != BEATS * bottom)
    return "not in 4/4" if others else None


def full_bars(notes: Sequence[MidiNote], bars: int) -> list[int]:
    """First bars of all passages of so many bars in which drums and harmony play throughout."""
    last = int(max((note.start for note in notes), default=0) // BEATS)
    counts = np.zeros((last + 1, 2), int)
    for note in notes:
        counts[int(note.start // BEATS), int(note.channel != DRUM_CHANNEL)] += 1
    full = np.all(counts >= (FEWEST_DRUMS, FEWEST_NOTES), axis=1)
    return [bar for bar in range(len(full) - bars + 1) if full[bar : bar + bars].all()]
