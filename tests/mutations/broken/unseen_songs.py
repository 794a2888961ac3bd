"""Mutants of MIDI files, of soundfonts and of the songs that only the test has."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "a status that goes on after a text",
        "music/midi.py",
        "                status = 0  # these end a running status\n",
        "",
        ("test_midi.py::test_whatever_breaks_the_format_is_refused",),
        cheap=True,
    ),
    Mutant(
        "the last of two equal notes ends first",
        "music/midi.py",
        "start, program, velocity = held[key].popleft()",
        "start, program, velocity = held[key].pop()",
        ("test_midi.py::test_notes_are_read_in_beats",),
        cheap=True,
    ),
    Mutant(
        "tracks that are read one after the other",
        "music/midi.py",
        "    events.sort(key=lambda event: event.tick)\n",
        "",
        ("test_midi.py::test_notes_are_read_in_beats",),
        cheap=True,
    ),
    Mutant(
        "numbers of any length",
        "music/midi.py",
        "        for _ in range(4):\n            byte = self._byte()",
        "        for _ in range(5):\n            byte = self._byte()",
        ("test_midi.py::test_whatever_breaks_the_format_is_refused",),
        cheap=True,
    ),
    Mutant(
        "songs of any number of notes",
        "music/midi.py",
        "    if len(found) > MOST_NOTES:\n",
        "    if len(found) > 10 * MOST_NOTES:\n",
        ("test_midi.py::test_there_are_limits",),
        cheap=True,
    ),
    Mutant(
        "lumps outside of a game's file",
        "music/midi_files.py",
        "        if offset + size > len(content):\n",
        "        if offset > len(content):\n",
        ("test_midi.py::test_broken_games_are_refused",),
        cheap=True,
    ),
    Mutant(
        "tails of one stem in the next",
        "music/soundfont.py",
        "        self._silence()\n",
        "",
        ("test_unseen_songs.py::test_a_stem_does_not_hear_the_one_before",),
    ),
    Mutant(
        "drums on instruments",
        "music/soundfont.py",
        "(self.kits, DRUM_BANK) if drums else (self._presets, 0)",
        "(self._presets, 0)",
        ("test_unseen_songs.py::test_drums_and_missing_instruments_have_their_presets",),
    ),
    Mutant(
        "songs that begin a beat late",
        "music/soundfont.py",
        "began = max(0, round((note.start - start) * beat))",
        "began = max(0, round((note.start - start + 1) * beat))",
        ("test_unseen_songs.py::test_notes_sound_when_they_should",),
    ),
    Mutant(
        "bars in which only drums play",
        "music/unseen_songs.py",
        "FEWEST_DRUMS, FEWEST_NOTES = 4, 2",
        "FEWEST_DRUMS, FEWEST_NOTES = 4, 0",
        ("test_unseen_songs.py::test_only_bars_in_which_both_play_are_taken",),
        cheap=True,
    ),
    Mutant(
        "waltzes are laid on bars of four beats",
        "music/unseen_songs.py",
        "if 4 * top != BEATS * bottom",
        "if top < 0",
        ("test_unseen_songs.py::test_a_set_keeps_its_sources_apart",),
    ),
    Mutant(
        "pairs of songs of two sources",
        "music/song_set.py",
        'if song["split"] == split and song["source"] == source]',
        'if song["split"] == split]',
        ("test_unseen_songs.py::test_a_set_keeps_its_sources_apart",),
    ),
    Mutant(
        "every source is judged by our own songs",
        "music/evaluation/judging.py",
        "    task = Task.of(songs, config.pairs, config.seconds, source)\n",
        "    task = Task.of(songs, config.pairs, config.seconds)\n",
        ("test_unseen_songs.py::test_every_source_is_judged",),
    ),
)
