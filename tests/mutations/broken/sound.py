"""Mutants of how sound is judged: codes at equal bits, onsets, and the sound of dreams."""

from __future__ import annotations

from broken.mutant import Mutant

ONSETS, CODES = "test_onsets.py::", "test_baselines_sounds.py::"
DREAMED, JUDGED = "test_dreamed_sound.py::", "generation/evaluation/dreamed_sound.py"

MUTANTS = (
    Mutant(
        "a code of sound whose places cost nothing",
        "evaluation/baselines/sounds.py",
        "return min(max(left, 0) // (self.place_bits + VALUE_BITS), self.samples)",
        "return min(max(left, 0) // VALUE_BITS, self.samples)",
        (CODES + "test_no_more_bits_are_written_than_there_are",),
        cheap=True,
    ),
    Mutant(
        "levels of bands that cost nothing",
        "evaluation/baselines/sounds.py",
        "left = self.bits - BAND_BITS * self.bands",
        "left = self.bits",
        (CODES + "test_no_more_bits_are_written_than_there_are",),
        cheap=True,
    ),
    Mutant(
        "a code of sound that keeps the first cosines, not the largest",
        "evaluation/baselines/sounds.py",
        "np.argpartition(-np.abs(coefficients), self.kept - 1, axis=1)[:, : self.kept]",
        "np.tile(np.arange(self.kept), (len(coefficients), 1))",
        (CODES + "test_without_bands_the_largest_cosines_of_scipy_are_left",),
        cheap=True,
    ),
    Mutant(
        "noise with the level of what was kept, too",
        "evaluation/baselines/sounds.py",
        "np.put_along_axis(rest, places, 0.0, 1)",
        "pass",
        (CODES + "test_bands_have_the_level_of_what_was_left_out",),
        cheap=True,
    ),
    Mutant(
        "an onset in every frame that is not silent",
        "evaluation/onsets.py",
        "RISE = 1.3",
        "RISE = 0.3",
        (ONSETS + "test_an_onset_is_an_impact_of_the_playroom", ONSETS + "test_a_hiss_begins_once"),
        cheap=True,
    ),
    Mutant(
        "sounds that end count as onsets",
        "evaluation/onsets.py",
        "np.maximum(rises, 0).mean(1)",
        "np.abs(rises).mean(1)",
        (ONSETS + "test_a_hiss_begins_once",),
        cheap=True,
    ),
    Mutant(
        "ties that count as right in the area of windows",
        "evaluation/roc.py",
        "(below[less] + below[at_most]) / 2",
        "below[at_most]",
        (ONSETS + "test_the_area_of_windows_is_that_of_scikit_learn",),
        cheap=True,
    ),
    Mutant(
        "a film whose readout sees only what was",
        "evaluation/baselines/onset_readouts.py",
        "np.arange(-REACH, REACH + 1)",
        "np.arange(-REACH - 1, 0)",
        (ONSETS + "test_ridges_read_what_is_there_to_be_read",),
        cheap=True,
    ),
    Mutant(
        "readouts of sound fitted on test windows",
        JUDGED,
        'rng, "training")',
        'rng, "test")',
        (DREAMED + "test_networks_that_learned_nothing_fail",),
    ),
    Mutant(
        "sounds of other dreams that are not shuffled",
        JUDGED,
        "sounds[:, of_other_recordings(test.groups, rng)]",
        "sounds",
        (DREAMED + "test_sound_and_film_agree_within_a_dream",),
        cheap=True,
    ),
    Mutant(
        "dreams that agree because loud rooms are loud",
        JUDGED,
        "(part - part.mean(2, keepdims=True) for part in np.broadcast_arrays(seen, heard))",
        "np.broadcast_arrays(seen, heard)",
        (DREAMED + "test_sound_and_film_agree_within_a_dream",),
        cheap=True,
    ),
    Mutant(
        "dreams that agree because all of them begin alike",
        JUDGED,
        "(part - part.mean((0, 1)) for part in (x, y))",
        "(x, y)",
        (DREAMED + "test_what_every_dream_does_in_a_frame_is_no_agreement",),
        cheap=True,
    ),
    Mutant(
        "the ridge from the context left out of the floors of onsets",
        JUDGED,
        '        "ridge from the context": predicted[:, ONSETS],\n',
        "",
        (DREAMED + "test_networks_that_learned_nothing_fail",),
    ),
    Mutant(
        "a sound tokenizer without codes beside it",
        "generation/evaluation/sound_reconstruction.py",
        "        **coded(truth, rate, samples, numbers * BITS_A_NUMBER),\n",
        "",
        ("test_sound_reconstruction.py::test_codes_of_as_many_bits_are_floors",),
    ),
    Mutant(
        "components of sound fitted on what they are judged by",
        "generation/evaluation/sound_reconstruction.py",
        "examples = training.sample(max(EXAMPLES // config.frames, 1), rng)",
        "examples = test",
        ("test_sound_reconstruction.py::test_codes_of_as_many_bits_are_floors",),
    ),
)
