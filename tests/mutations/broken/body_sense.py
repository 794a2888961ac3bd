"""Mutants of the body sense in dreams, and of what judges it."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "a body looked for in all that moves",
        "generation/felt_place.py",
        "near = weight * np.exp(-off / (2 * width**2))",
        "near = weight",
        ("test_body_sense.py::test_the_place_of_the_body_is_found_in_what_moves",),
    ),
    Mutant(
        "a glimpse of the middle",
        "generation/body_sense.py",
        "places[:, None, None] + around",
        "0 * places[:, None, None] + around",
        ("test_body_sense.py::test_what_is_felt_next_depends_on_what_is_seen_there_alone",),
        cheap=True,
    ),
    Mutant(
        "a map of the body with its axes swapped",
        "generation/body_sense.py",
        "near[:, :, 1, :, None] * near[:, :, 0, None, :]",
        "near[:, :, 0, :, None] * near[:, :, 1, None, :]",
        ("test_body_sense.py::test_maps_have_a_bump_where_the_body_is_felt",),
    ),
    Mutant(
        "a noised body that is not weighed",
        "generation/body_sense.py",
        "return mean + gain * (noised - level * mean), Gaussian(mean, variance)",
        "return mean, Gaussian(mean, variance)",
        ("test_body_sense.py::test_a_noised_body_is_weighed_as_far_as_it_is_clean",),
        cheap=True,
    ),
    Mutant(
        "a variance of the body that nothing checks",
        "generation/body_sense.py",
        "/ unit).square() / variance + variance.log()",
        "/ unit).square() / variance",
        ("test_body_sense.py::test_the_loss_asks_for_the_mean_and_for_its_variance",),
    ),
    Mutant(
        "sight that does not learn of the body",
        "generation/dynamics.py",
        "moves = moves + fine.body.condition(*bodies).view_as(moves)",
        "pass",
        ("test_body_sense.py::test_what_is_felt_is_learned_from_the_body_alone",),
    ),
    Mutant(
        "a picture's loss that pulls at what is felt",
        "generation/dynamics.py",
        "(last, body.detach())",
        "(last, body)",
        ("test_body_sense.py::test_what_is_felt_is_learned_from_the_body_alone",),
    ),
    Mutant(
        "a picture's loss that pulls at what is felt, after dreams",
        "generation/paths.py",
        "torch.cat([tokens[:, :keep], predicted.detach()], dim=1)",
        "torch.cat([tokens[:, :keep], predicted], dim=1)",
        ("test_body_sense.py::test_what_is_felt_is_learned_from_the_body_alone",),
    ),
    Mutant(
        "a body that is predicted from the frame itself",
        "generation/paths.py",
        "recent = whole[:, keep:-1].unfold(1, LAST_FRAMES, 1).movedim(-1, 2).flatten(0, 1)\n            noised",
        "recent = whole[:, keep + 1 :].unfold(1, LAST_FRAMES, 1).movedim(-1, 2).flatten(0, 1)\n            noised",
        ("test_body_sense.py::test_a_dream_feels_nothing_of_the_noise_of_its_picture",),
    ),
    Mutant(
        "a dreamed body that is never put right",
        "generation/body_sense.py",
        "(off > _OFF)",
        "(off > 99)",
        ("test_body_sense.py::test_a_dreamed_body_that_has_left_the_truth_is_put_right",),
    ),
    Mutant(
        "a body sense that is forgotten",
        "generation/train_dynamics.py",
        "if (manifest is not None) != wanted:",
        "if manifest is not None and not wanted:",
        ("test_felt_recordings.py::test_a_body_sense_is_neither_forgotten_nor_unasked_for",),
    ),
    Mutant(
        "agents in dreams that feel",
        "agent/config.py",
        "if self.lines.agent and self.dreamed_body:",
        "if False:",
        ("test_config.py::test_a_body_sense_is_dreamed_where_there_is_one",),
    ),
    Mutant(
        "a felt hand judged at another frame",
        "generation/evaluation/steered_rooms.py",
        "places(felt[:, last])",
        "places(felt[:, last - 1])",
        ("test_control.py::test_what_is_felt_counts_where_the_hand_would_be",),
    ),
)
