"""Mutants of songs, of the mask, of what judges it, and of `sensorium continue`."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "a song that is a loop",
        "music/song.py",
        "        hits += grooves[name].bar(float(BEATS * bar), rng, place, opens=place == 0 and bar > 0)\n"
        "        play(notes, materials[name], now, float(BEATS * bar), place, rng)\n",
        "        again = np.random.default_rng(bar % 4)\n"
        "        hits += grooves['A'].bar(float(BEATS * bar), again, 0, opens=False)\n"
        "        play(notes, materials['A'], now, float(BEATS * bar), place % 4, again)\n",
        ("test_songs.py::test_the_last_four_bars_are_no_perfect_continuation",),
        cheap=True,
    ),
    Mutant(
        "test songs on the instruments of training",
        "music/collect_songs.py",
        "own = BANK[split] * config.instruments + rng",
        "own = rng",
        ("test_songs.py::test_splits_share_no_song_and_no_instrument",),
    ),
    Mutant(
        "strokes that are written elsewhere than they sound",
        "music/rendering.py",
        "onsets.append((place, PIECES.index(hit.piece)))",
        "onsets.append((place + 1000, PIECES.index(hit.piece)))",
        ("test_songs.py::test_every_onset_is_heard_where_the_truth_says",),
    ),
    Mutant(
        "partners at another beat of the bar",
        "music/song_set.py",
        "np.arange(start % BEATS, last + 1, BEATS)",
        "np.arange((start + 1) % BEATS, last + 1, BEATS)",
        ("test_songs.py::test_windows_are_aligned_and_functions_of_their_seeds",),
    ),
    Mutant(
        "partners that do not depend on the step",
        "music/song_set.py",
        'stable_seed("pair", index) if seeds is None else seeds[row]',
        'stable_seed("pair", index)',
        ("test_songs.py::test_windows_are_aligned_and_functions_of_their_seeds",),
    ),
    Mutant(
        "a norm over all frames",
        "music/mask_network.py",
        "x = x + self.over_time(shifted(self.before(x), self.step))",
        "x = x + self.over_time(shifted(self.before(x) - x.mean(2, keepdim=True), self.step))",
        ("test_mask.py::test_a_mask_sees_its_context_and_nothing_beyond",),
    ),
    Mutant(
        "only one of the songs is learned from",
        "music/mask_learner.py",
        "drums, harmony = spectra[0::2], spectra[1::2]",
        "drums, harmony = spectra[0::4], spectra[1::4]",
        ("test_mask.py::test_both_songs_count_and_harmonies_are_exchanged",),
    ),
    Mutant(
        "an error that phases do not matter to",
        "music/mask_learner.py",
        "error = mask * torch.view_as_real(mixture).movedim(-1, 0) - torch.view_as_real(drums).movedim(-1, 0)",
        "error = (mask * mixture.abs() - drums.abs())[None]",
        ("test_mask.py::test_the_error_by_hand",),
    ),
    Mutant(
        "a mask that stands still passes its gate",
        "music/mask_learner.py",
        "float(mask.std(-1).mean())",
        "float(mask.mean())",
        ("test_mask.py::test_collapsed_masks_are_refused",),
    ),
    Mutant(
        "rhythm without what the wrong drums have",
        "music/evaluation/transfer_scores.py",
        "    right, wrong = (correlation(heard, onset_strength(stems[:, stem])) for stem in (0, 2))\n"
        "    return right - wrong",
        "    return correlation(heard, onset_strength(stems[:, 0]))",
        ("test_music_transfer.py::test_copies_have_one_half_and_the_other_is_negative",),
    ),
    Mutant(
        "the better half counts",
        "music/evaluation/transfer_scores.py",
        "return min(share_of_truth(samples[:, :2], weights), share_of_truth(samples[:, 2:], weights))",
        "return max(share_of_truth(samples[:, :2], weights), share_of_truth(samples[:, 2:], weights))",
        ("test_music_transfer.py::test_controls_fail",),
    ),
    Mutant(
        "the network is given a stem",
        "music/evaluation/answers.py",
        "return self.stems[:, 0::2] + self.stems[:, 1::2]",
        "return self.stems[:, 0::2] + 0.9 * self.stems[:, 1::2]",
        ("test_music_transfer.py::test_the_network_hears_mixtures_only",),
    ),
    Mutant(
        "songs B that were trained on are judged",
        "music/evaluation/judging.py",
        "    refuse_leaks(training, task)\n",
        "",
        ("test_music_transfer.py::test_songs_that_were_trained_on_are_refused",),
    ),
    Mutant(
        "a network that is its own baseline",
        "music/evaluation/judging.py",
        "floors = [name for name in quality if name not in (MODEL, *no_floors)]",
        "floors = [MODEL]",
        ("test_music_transfer.py::test_an_untrained_network_fails",),
    ),
    Mutant(
        "pieces without their context",
        "music/streaming.py",
        "left, right = max(0, start - context), min(total, stop + context)",
        "left, right = start, stop",
        ("test_continue.py::test_pieces_equal_the_whole",),
    ),
    Mutant(
        "tails of pieces that are dropped",
        "music/streaming.py",
        "            added[:, : tail.shape[1]] += tail\n",
        "",
        ("test_continue.py::test_pieces_equal_the_whole",),
    ),
    Mutant(
        "a sound that is kept until its end",
        "music/streaming.py",
        "            while held.shape[1] < until - first and first + held.shape[1] < samples + before:\n",
        "            while first + held.shape[1] < samples + before:\n",
        ("test_continue.py::test_memory_does_not_grow_with_the_sound",),
    ),
    Mutant(
        "the result is rescaled",
        "music/combining.py",
        'parts["output"] = drums_a + parts["harmony_b"]',
        'parts["output"] = 0.9 * (drums_a + parts["harmony_b"])',
        ("test_continue.py::test_stems_add_up_and_a_table_is_printed",),
    ),
    Mutant(
        "silence is worked on",
        "music/sound_files.py",
        "        if peak < SILENCE:\n",
        "        if peak < 0:\n",
        ("test_continue.py::test_odd_files_end_with_a_message",),
    ),
    Mutant(
        "a gap in a file goes unnoticed",
        "music/sound_files.py",
        "LARGEST_GAP = 0.02",
        "LARGEST_GAP = 20",
        ("test_continue.py::test_odd_files_end_with_a_message",),
    ),
)
