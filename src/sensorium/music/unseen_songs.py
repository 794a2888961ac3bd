"""Songs that no training hears: composed here and played on a soundfont, or written by people and played on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import ConfigurationError
from sensorium.data.recording import recording_name
from sensorium.music.config import BEATS, SONG_BARS, SongsConfig
from sensorium.music.midi import DRUM_CHANNEL, MidiError, MidiNote, MidiSong
from sensorium.music.midi_files import listed, read_songs
from sensorium.music.rendering import LATEST
from sensorium.music.song import Song, compose
from sensorium.progress import say, track
from sensorium.randomness import stable_seed

CHANNELS = {"bass": 0, "chords": 1, "lead": 2}
KEYS = {
    "kick": 36, "snare": 38, "rim": 37, "clap": 39, "hat": 42, "open": 46, "ride": 51, "crash": 49, "low tom": 45,
    "middle tom": 47, "high tom": 50, "shaker": 70,
}  # fmt: skip
PROGRAMS = {  # of General MIDI, from 0 on
    "bass": tuple(range(32, 40)),
    "chords": (0, 1, 2, 4, 5, 16, 17, 18, 24, 25, 26, 27, 48, 49, 50, 51, 61, 88, 89, 90),
    "lead": (11, 12, 40, 56, 64, 65, 68, 71, 73, 75, 78, 80, 81, 82),
}
FEWEST_DRUMS, FEWEST_NOTES = 4, 2  # of every bar that is judged


@dataclass(frozen=True)
class Unseen:
    """A song to be played on a soundfont.

    Attributes:
        notes: of General MIDI.
        first: of the bars that are rendered.
        title: of the composition.
    """

    notes: tuple[MidiNote, ...]
    first: int
    title: str


def unseen_songs(config: SongsConfig) -> Iterator[tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """Songs for the test alone: what the manifest says of each, and its fields.

    Raises:
        ConfigurationError: if tinysoundfont is not installed, or a soundfont or a folder cannot be used.
    """
    if config.unseen.soundfont is None:
        return
    from sensorium.music.soundfont import SoundFont, render_notes  # needs an optional package

    player = SoundFont(Path(config.unseen.soundfont))
    sources = {"soundfont": list(_composed(config, player.kits)), "people": list(_written(config))}
    for source, songs in sources.items():
        for number, song in enumerate(track(songs, f"songs: {source}")):
            tempo = config.tempi[number % len(config.tempi)]
            seed = stable_seed(config.seed, "unseen", source, number)
            fields = render_notes(player, song.notes, tempo, song.first, config.bars, seed)
            programs = sorted({(note.channel, note.program) for note in song.notes})
            yield (
                {
                    "name": recording_name(source, number),
                    "source": source,
                    "split": "test",
                    "tempo": tempo,
                    "first_bar": song.first,
                    "title": song.title,
                    "instruments": [player.path.name, *(f"channel {each[0]}: {each[1]}" for each in programs)],
                },
                fields,
            )


def _composed(config: SongsConfig, kits: Sequence[int]) -> Iterator[Unseen]:
    """Songs of the own composer with other numbers than those of the set."""
    for number in range(config.songs, config.songs + config.unseen.songs):
        rng = np.random.default_rng(stable_seed(config.seed, "soundfont", number))
        first = int(rng.integers(SONG_BARS - config.bars + 1))
        yield Unseen(scored(compose(config.seed, number), rng, kits), first, f"song {number} of seed {config.seed}")


def scored(song: Song, rng: np.random.Generator, kits: Sequence[int]) -> tuple[MidiNote, ...]:
    """A song as notes of General MIDI, on instruments at random, a little early or late."""

    def note(start: float, length: float, channel: int, program: int, pitch: int, loudness: float) -> MidiNote:
        begins = song.swung(start)
        velocity = int(np.clip(round(127 * loudness), 1, 127))
        late = rng.uniform(-LATEST, LATEST) * 2  # beats of half a second
        return MidiNote(max(0.0, begins + late), song.swung(start + length) - begins, channel, program, pitch, velocity)

    kit = int(rng.choice(list(kits)))
    found = [note(hit.start, 0.25, DRUM_CHANNEL, kit, KEYS[hit.piece], hit.loudness) for hit in song.hits]
    for role, notes in song.notes.items():
        program = int(rng.choice(PROGRAMS[role]))
        found += [note(each.start, each.length, CHANNELS[role], program, each.pitch, each.loudness) for each in notes]
    return tuple(found)


def _written(config: SongsConfig) -> Iterator[Unseen]:
    """Songs of MIDI files, each once, from a bar at random; those that cannot be used are counted by reason.

    Raises:
        ConfigurationError: if a folder has too few that can.
    """
    left_out: dict[str, int] = {}
    found = 0
    for path in [path for folder in config.unseen.midi for path in listed(Path(folder))]:
        for title, song in read_songs(path):
            rng = np.random.default_rng(stable_seed(config.seed, "people", title))
            reason = "not readable" if isinstance(song, MidiError) else unusable(song)
            bars = [] if reason or isinstance(song, MidiError) else full_bars(song.notes, config.bars)
            if not bars:
                reason = reason or f"no {config.bars} bars with drums and harmony"
                left_out[reason] = left_out.get(reason, 0) + 1
                continue
            found += 1
            yield Unseen(song.notes, int(rng.choice(bars)), title)  # type: ignore[union-attr]
    if config.unseen.midi:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items())) or "none"
        say(f"songs by people: {found}; left out: {reasons}")
        if found < 2 * len(config.tempi):
            raise ConfigurationError(
                f"music.songs.unseen.midi: {', '.join(config.unseen.midi)}: {found} songs can be used, and two of each "
                f"of {len(config.tempi)} tempi are needed (left out: {reasons}); name more files"
            )


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
