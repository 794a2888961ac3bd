"""Mutants of what `sensorium continue` writes beside its result: MIDI, bars beyond the end, a page."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "strokes that begin where they are loudest",
        "music/strokes.py",
        "        while place and level[place - 1] > middle:\n            place -= 1\n",
        "",
        ("test_drums.py::test_strokes_are_found_with_their_kind_time_and_level",),
    ),
    Mutant(
        "every rise is a stroke",
        "music/strokes.py",
        "        if loud > usual - kind.range and",
        "        if",
        ("test_drums.py::test_strokes_are_found_with_their_kind_time_and_level",),
    ),
    Mutant(
        "notes as if every tempo were 120",
        "music/strokes.py",
        "start=stroke.seconds * tempo / 60,",
        "start=stroke.seconds * 2,",
        ("test_drums.py::test_seconds_stay_over_two_hours",),
    ),
    Mutant(
        "times between events in one byte",
        "music/midi_writing.py",
        "    while value := value >> 7:\n        parts.append(value & 127 | 128)\n",
        "",
        ("test_drums.py::test_what_is_written_is_read_back",),
    ),
    Mutant(
        "any note near is the stroke, however often",
        "music/evaluation/stroke_scores.py",
        "matched, place, other = matched + 1, place + 1, other + 1",
        "matched, place, other = matched + 1, place + 1, other",
        ("test_drums.py::test_scores_by_hand",),
    ),
    Mutant(
        "bars that resemble the whole song and not what is expected",
        "music/next_bars.py",
        "similar @ np.exp(logits - logits.max())",
        "similar @ np.ones(bars)",
        ("test_next_bars.py::test_what_returns_is_expected_to_return",),
    ),
    Mutant(
        "bars that begin with a click",
        "music/next_bars.py",
        "tail + (led - tail) * rising",
        "tail",
        ("test_next_bars.py::test_a_joint_keeps_the_stroke_and_does_not_click",),
    ),
    Mutant(
        "a first bar that is cut comes again",
        "music/continuation.py",
        "first = max(self.cut, self.own - HELD)",
        "first = max(0, self.own - HELD)",
        ("test_next_bars.py::test_a_bar_that_is_cut_never_comes_again",),
    ),
    Mutant(
        "a song that is remembered whole",
        "music/continuation.py",
        "first = max(self.cut, self.own - HELD)",
        "first = self.cut",
        ("test_next_bars.py::test_only_the_last_bars_are_remembered",),
    ),
    Mutant(
        "silence is gone on from",
        "music/continuation.py",
        "(each.sounding + LACKING * RATE)",
        "(each.samples + LACKING * RATE)",
        ("test_continue_more.py::test_silence_at_the_end_is_not_gone_on_from",),
    ),
    Mutant(
        "songs that are exchanged on their page",
        "music/combining.py",
        'parts | {"a": first, "b": second}',
        'parts | {"b": first, "a": second}',
        ("test_continue_more.py::test_a_page_has_every_sound_and_names_no_other_place",),
    ),
    Mutant(
        "names of songs as HTML",
        "music/page.py",
        "        first, second = (escape(songs[name]) for name in",
        "        first, second = (songs[name] for name in",
        ("test_continue_more.py::test_a_page_has_every_sound_and_names_no_other_place",),
    ),
    Mutant(
        "pictures that begin anew with each piece",
        "music/page.py",
        "        self._next += len(powers)\n",
        "",
        ("test_continue_more.py::test_a_picture_shows_when_and_where_a_sound_is",),
    ),
    Mutant(
        "the report plays the network's answer as the right one",
        "music/evaluation/judging.py",
        'PLAYED, PAUSE = ("A", "B", TRUTH, MODEL), 0.4',
        'PLAYED, PAUSE = ("A", "B", MODEL, TRUTH), 0.4',
        ("test_music_transfer.py::test_an_untrained_network_fails",),
    ),
)
