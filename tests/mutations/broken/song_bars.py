"""Mutants of tempo, downbeats, stretching and bars that are laid on bars."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "every tempo is 120",
        "music/beats.py",
        "    return float(TEMPI[best]), float(clarity[best])",
        "    return 120.0, float(clarity[best])",
        ("test_beats.py::test_tempi_and_downbeats_are_found",),
    ),
    Mutant(
        "a tempo that is not refined",
        "music/beats.py",
        "    tempo = _refined(onsets, tempo)\n",
        "",
        ("test_beats.py::test_long_sounds_give_exact_tempi",),
    ),
    Mutant(
        "no phase within the beat",
        "music/beats.py",
        "    within = _phase(onsets, beat)\n",
        "    within = 0.0\n",
        ("test_beats.py::test_tempi_and_downbeats_are_found",),
    ),
    Mutant(
        "bars that begin with any beat",
        "music/beats.py",
        "    first = _first_of_four(features, rises, within, beat)\n",
        "    first = 0\n",
        ("test_beats.py::test_tempi_and_downbeats_are_found",),
    ),
    Mutant(
        "a tempo that wanders is not noticed",
        "music/beats.py",
        "        turned = part * np.exp(-2j * np.pi * np.arange(len(part)) * (start / FRAMES / beat))\n",
        "        turned = whole.conj()\n",
        ("test_beats.py::test_a_tempo_that_wanders_is_noticed",),
    ),
    Mutant(
        "onsets that depend on the level",
        "music/beats.py",
        "max(float(bands.mean()), 1e-20) + FLOOR",
        "1.0 + FLOOR",
        ("test_beats.py::test_what_is_heard_does_not_depend_on_the_pieces_or_the_level",),
    ),
    Mutant(
        "features that grow with the sound",
        "music/beat_features.py",
        "        self._left -= len(self._waiting[-1])\n",
        "",
        ("test_beats.py::test_only_the_beginning_of_a_long_sound_is_remembered",),
    ),
    Mutant(
        "frames that are lost between pieces",
        "music/beat_features.py",
        "        self._held = self._held[count * self._hop :]\n",
        "        self._held = self._held[len(whole) :]\n",
        ("test_beats.py::test_what_is_heard_does_not_depend_on_the_pieces_or_the_level",),
    ),
    Mutant(
        "a sound without a beat is worked on",
        "music/alignment.py",
        "    if found.clarity < CLEAR:\n",
        "    if found.clarity < -1:\n",
        ("test_alignment.py::test_short_and_beatless_songs_name_the_way_out",),
    ),
    Mutant(
        "phases that do not go on",
        "music/stretching.py",
        "    return own[peaks[nearest]]",
        "    return torch.ones_like(now)",
        ("test_stretching.py::test_tones_keep_their_pitch_and_level",),
    ),
    Mutant(
        "strokes whose phases go on",
        "music/stretching.py",
        "    if last is None or louder.float().mean() > SHARE:\n",
        "    if last is None:\n",
        ("test_stretching.py::test_strokes_come_when_they_should_and_stay_short",),
    ),
    Mutant(
        "frames that are read one after the other",
        "music/stretching.py",
        "place = round(frame * HOP * speed) - SIZE // 2",
        "place = frame * HOP - SIZE // 2",
        ("test_stretching.py::test_strokes_come_when_they_should_and_stay_short",),
    ),
    Mutant(
        "a song that is held to its end",
        "music/stretching.py",
        "        while self._first + self._held.shape[1] < place + count:\n",
        "        while True:\n",
        ("test_stretching.py::test_no_more_is_held_than_a_window",),
    ),
    Mutant(
        "half a tempo is stretched to the whole",
        "music/alignment.py",
        "COUNTS = (1.0, 2.0, 0.5)",
        "COUNTS = (1.0,)",
        ("test_alignment.py::test_half_and_twice_a_tempo_fit_as_they_are",),
    ),
    Mutant(
        "bars that begin elsewhere in the other song",
        "music/alignment.py",
        "round((counted.downbeat + bars * counted.bar) * RATE)",
        "round(bars * counted.bar * RATE)",
        ("test_alignment.py::test_bars_of_real_songs_lie_on_each_other",),
    ),
    Mutant(
        "a song that is not stretched",
        "music/alignment.py",
        "        for block in stretched(moved, whole, self.speed):\n",
        "        for block in moved:\n",
        ("test_alignment.py::test_bars_of_real_songs_lie_on_each_other",),
    ),
    Mutant(
        "no zeros before a bar that is cut off",
        "music/alignment.py",
        "            yield np.zeros((len(block), -start), np.float32)\n",
        "",
        ("test_alignment.py::test_zeros_come_before_and_pieces_have_the_wanted_length",),
    ),
)
