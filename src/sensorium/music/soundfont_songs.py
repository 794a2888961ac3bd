"""Songs on soundfonts, composed here or written by people: for training, and others on another one for the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import ConfigurationError
from sensorium.data.recording import recording_name
from sensorium.data.schema import Split
from sensorium.music.config import SONG_BARS, SongsConfig
from sensorium.music.general_midi import scored, varied
from sensorium.music.midi import MidiNote
from sensorium.music.song import compose
from sensorium.music.written_songs import WrittenSong, written_songs
from sensorium.progress import track
from sensorium.randomness import stable_seed

SOUNDFONT, PEOPLE = "soundfont", "people"  # sources of songs that are composed here, and of those that are not
Entry = tuple[dict[str, Any], dict[str, np.ndarray]]  # what the manifest says of a song, and its fields


@dataclass(frozen=True)
class Played:
    """A song to be played on a soundfont.

    Attributes:
        name: in the set.
        source: SOUNDFONT or PEOPLE.
        notes: of General MIDI.
        first: of the bars that are rendered.
        title: of the composition.
        font: number of the soundfont.
    """

    name: str
    source: str
    notes: tuple[MidiNote, ...]
    first: int
    title: str
    font: int = 0


def soundfont_songs(config: SongsConfig) -> Iterator[Entry]:
    """Songs that training hears on its soundfonts, and songs that only the test hears, on another one.

    Raises:
        ConfigurationError: if tinysoundfont is not installed, a soundfont or a folder cannot be used, or a song by
            people is in both.
    """
    heard = written_songs("music.songs.heard.midi", config.heard.midi, config.bars)
    unseen = written_songs("music.songs.unseen.midi", config.unseen.midi, config.bars, len(config.tempi))
    refuse_shared(heard, unseen)
    yield from _heard(config, heard)
    yield from _unseen(config, unseen)


def refuse_shared(heard: list[WrittenSong], unseen: list[WrittenSong]) -> None:
    """Refuse songs of training that the test has, too, under whatever name.

    Raises:
        ConfigurationError: naming one.
    """
    titles = {song.notes: song.title for song in heard}
    for song in unseen:
        if song.notes in titles:
            raise ConfigurationError(
                f"music.songs.unseen.midi: {song.title!r} has the notes of {titles[song.notes]!r} of "
                "music.songs.heard.midi: the test would judge what was trained on; take one of them out"
            )


def _heard(config: SongsConfig, people: list[WrittenSong]) -> Iterator[Entry]:
    """Songs for training: the composed ones have numbers beyond those of the test."""
    if not config.heard.soundfonts:
        return
    from sensorium.music.soundfont import SoundFont  # needs an optional package

    fonts = [SoundFont(Path(path)) for path in config.heard.soundfonts]
    songs = []
    beyond = config.songs + config.unseen.songs
    for place in range(config.heard.songs):
        number, font = beyond + place, place % len(fonts)
        songs.append(_composed(config, number, fonts[font].kits, f"heard-{place:06d}", font))
    for place in range(config.heard.passages * len(people)):
        song, font = people[place % len(people)], place % len(fonts)
        rng = np.random.default_rng(stable_seed(config.seed, "heard", PEOPLE, place))
        first, notes = int(rng.choice(song.bars)), varied(song.notes, rng, fonts[font].kits)
        songs.append(Played(f"heard-people-{place:06d}", PEOPLE, notes, first, song.title, font))
    yield from _rendered(config, "training", fonts, songs)


def _unseen(config: SongsConfig, people: list[WrittenSong]) -> Iterator[Entry]:
    """Songs for the test alone."""
    if config.unseen.soundfont is None:
        return
    from sensorium.music.soundfont import SoundFont

    font = SoundFont(Path(config.unseen.soundfont))
    numbers = range(config.songs, config.songs + config.unseen.songs)
    songs = [
        _composed(config, number, font.kits, recording_name(SOUNDFONT, place)) for place, number in enumerate(numbers)
    ]
    for place, song in enumerate(people):
        rng = np.random.default_rng(stable_seed(config.seed, PEOPLE, song.title))
        first = int(rng.choice(song.bars))
        songs.append(Played(recording_name(PEOPLE, place), PEOPLE, song.notes, first, song.title))
    yield from _rendered(config, "test", [font], songs)


def _composed(config: SongsConfig, number: int, kits: list[int], name: str, font: int = 0) -> Played:
    """A song of the own composer, whose number no song of the set has."""
    rng = np.random.default_rng(stable_seed(config.seed, "soundfont", number))
    first = int(rng.integers(SONG_BARS - config.bars + 1))
    notes = scored(compose(config.seed, number), rng, kits)
    return Played(name, SOUNDFONT, notes, first, f"song {number} of seed {config.seed}", font)


def _rendered(config: SongsConfig, split: Split, fonts: list[Any], songs: list[Played]) -> Iterator[Entry]:
    """Songs as sound, their tempi dealt in turn."""
    from sensorium.music.soundfont import render_notes

    for number, song in enumerate(track(songs, f"songs on soundfonts, {split}")):
        tempo = config.tempi[number % len(config.tempi)]
        seed = stable_seed(config.seed, "soundfont", song.name)
        fields = render_notes(fonts[song.font], song.notes, tempo, song.first, config.bars, seed)
        programs = sorted({(note.channel, note.program) for note in song.notes})
        yield (
            {
                "name": song.name,
                "source": song.source,
                "split": split,
                "tempo": tempo,
                "first_bar": song.first,
                "title": song.title,
                "instruments": [fonts[song.font].path.name, *(f"channel {each[0]}: {each[1]}" for each in programs)],
            },
            fields,
        )
