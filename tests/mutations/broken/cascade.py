"""Mutants of the cascade, of the one of earlier work, of codes of songs, and of what judges them."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "attention that sees the whole window",
        "music/cascade.py",
        "near = (place[:, None] - place).abs() <= self.reach",
        "near = (place[:, None] - place).abs() <= len(place)",
        ("test_cascade.py::test_a_moment_sees_its_context_and_nothing_beyond",),
        cheap=True,
    ),
    Mutant(
        "the second stage does not see the first",
        "music/cascade.py",
        "sounds = [*songs.unbind(1), *(each.latents for each in found)]",
        "sounds = [*songs.unbind(1), *(0 * each.latents for each in found)]",
        ("test_cascade.py::test_a_moment_sees_its_context_and_nothing_beyond",),
    ),
    Mutant(
        "corrections that are never made",
        "music/cascade.py",
        "parts = (shares[:, :2] + corrections[:, :2]) * songs",
        "parts = shares[:, :2] * songs",
        ("test_cascade.py::test_both_corrections_are_used",),
    ),
    Mutant(
        "the harmony of the other song is wanted",
        "music/cascade_learner.py",
        "drums_a, _, _, harmony_b = stems.unbind(1)",
        "drums_a, harmony_b, _, _ = stems.unbind(1)",
        ("test_cascade.py::test_the_loss_by_hand",),
    ),
    Mutant(
        "shares that stand still pass their gate",
        "music/cascade_learner.py",
        "LEAST_GAIN, LEAST_SPREAD = 1.0, 0.01",
        "LEAST_GAIN, LEAST_SPREAD = 1.0, 0.0",
        ("test_cascade.py::test_collapsed_shares_are_refused",),
    ),
    Mutant(
        "the cascade is given the stems",
        "music/evaluation/cascade_transfer.py",
        "        MODEL: network(bench.untrained_seed),\n",
        "        MODEL: Answer(task.wanted),\n",
        ("test_cascade.py::test_fresh_weights_fail_beside_all_rows",),
    ),
    Mutant(
        "the mask is a floor of the cascade",
        "music/evaluation/cascade_transfer.py",
        "(*ORACLES, *OWN_CEILINGS, TRUTH), (MASK,))",
        "(*ORACLES, *OWN_CEILINGS, TRUTH), ())",
        ("test_cascade.py::test_fresh_weights_fail_beside_all_rows",),
    ),
    Mutant(
        "loudness that is restored without limits",
        "music/legacy_cascade.py",
        "(wanted / (loudness(found) + SILENCE)).clamp(LEAST_FACTOR, LARGEST_FACTOR)",
        "wanted / (loudness(found) + SILENCE)",
        ("test_legacy_cascade.py::test_loudness_is_restored_within_limits",),
    ),
    Mutant(
        "a residual of earlier work that forgets the last sound",
        "music/legacy_cascade.py",
        "torch.stack(sounds).mean(0)",
        "torch.stack(sounds[:2]).mean(0)",
        ("test_legacy_cascade.py::test_a_stage_that_writes_nothing_gives_the_mean_at_the_loudness_of_both",),
    ),
    Mutant(
        "masks that still count as diverse",
        "music/legacy_agents.py",
        "F.relu(DIVERSE - mask.var(-1).mean())",
        "F.relu(mask.var(-1).mean() - DIVERSE)",
        ("test_legacy_cascade.py::test_costs_of_masks_by_hand",),
    ),
    Mutant(
        "envelopes of silence without a gradient",
        "music/legacy_learner.py",
        "torch.sqrt(power + SILENCE**2)",
        "torch.sqrt(power)",
        ("test_legacy_cascade.py::test_silence_has_a_finite_gradient",),
    ),
    Mutant(
        "rhythm is heard in both songs",
        "music/song_codes.py",
        "self.codes(songs[:, 0])[0], self.codes(songs[:, 1])[1]",
        "self.codes(songs.mean(1))[0], self.codes(songs[:, 1])[1]",
        ("test_song_codes.py::test_rhythm_is_of_a_and_harmony_is_of_b",),
    ),
    Mutant(
        "exchanged codes are scored by song A",
        "studies/music_codes.py",
        "truth = other[:, 0] + pairs[:, 3]",
        "truth = pairs[:, 0] + pairs[:, 3]",
        ("test_song_codes.py::test_exchanged_codes_are_scored_by_whom_the_output_follows",),
    ),
)
