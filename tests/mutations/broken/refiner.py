"""Mutants of the second pass over dreamed frames."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "a second pass that is not shown where the body is felt",
        "generation/refiner.py",
        "seen.append(felt_maps(places, frames.shape[-1]))",
        "seen.append(0 * felt_maps(places, frames.shape[-1]))",
        ("test_refiner.py::test_a_second_pass_mends_unseen_frames_and_finds_the_body_where_it_is_felt",),
    ),
    Mutant(
        "a second pass that learns a mean",
        "generation/refiner.py",
        "far = torch.stack([(picture - truth).square().sum(1) for picture in pictures], dim=1)",
        "far = (self.refine(frames, scene, places, 1.0) - truth).square().sum(1)[:, None]",
        ("test_refiner.py::test_surprise_is_that_of_a_mixture_of_four_pictures",),
        cheap=True,
    ),
    Mutant(
        "harm from other recordings",
        "generation/harm.py",
        "frames.roll(frames.shape[1] // 2, dims=1)",
        "frames.roll(1, dims=0)",
        ("test_refiner.py::test_each_frame_is_harmed_in_its_own_way_whatever_the_rows_beside_it",),
        cheap=True,
    ),
    Mutant(
        "a second pass over each frame",
        "generation/paths.py",
        "number % refiner.config.every == 0",
        "True",
        ("test_refiner.py::test_every_nth_frame_of_a_dream_is_refined_and_sight_alone",),
        cheap=True,
    ),
    Mutant(
        "a second pass that sees frames unharmed",
        "generation/fine_objective.py",
        "nats = refiner.surprise(truth, harm, earlier,",
        "nats = refiner.surprise(truth, truth, earlier,",
        ("test_refiner.py::test_it_learns_from_true_frames_of_the_window_beside_the_scene",),
        cheap=True,
    ),
    Mutant(
        "a scene that never shows through",
        "generation/harm.py",
        "harm = torch.lerp(harm, scene.repeat_interleave(time, dim=0), remains)",
        "pass",
        ("test_refiner.py::test_the_scene_shows_through_in_half_of_the_frames",),
        cheap=True,
    ),
    Mutant(
        "a walk without a second pass",
        "generation/walk.py",
        "parts = dynamics.split(dynamics.paths.refine(made, scene, clips.sharpness))",
        "pass",
        ("test_walk.py::test_every_nth_frame_of_a_walk_goes_through_the_second_pass",),
    ),
    Mutant(
        "a second pass that learns nothing from dreams",
        "generation/dynamics_learner.py",
        'losses["refined"] = mended + losses.pop("mended", torch.zeros_like(mended))',
        'losses["refined"] = mended + 0 * losses.pop("mended", torch.zeros_like(mended))',
        ("test_walk.py::test_the_second_pass_learns_from_what_is_dreamed",),
    ),
    Mutant(
        "a second pass that should find the truth where the dream has left it",
        "generation/fine_objective.py",
        "return (nats * asked).mean((1, 2))",
        "return nats.mean((1, 2))",
        ("test_walk.py::test_nothing_is_asked_where_a_dream_has_left_the_truth",),
    ),
    Mutant(
        "patches of where nothing is",
        "generation/recall.py",
        "(pictures - around).abs()",
        "-(pictures - around).abs()",
        ("test_recall.py::test_patches_are_of_what_stands_out_in_all_turns",),
        cheap=True,
    ),
    Mutant(
        "patches that are never turned",
        "generation/recall.py",
        "angles = [2 * math.pi * number / TURNS for number in range(TURNS)]",
        "angles = [0.0 for number in range(TURNS)]",
        ("test_recall.py::test_patches_are_of_what_stands_out_in_all_turns",),
        cheap=True,
    ),
    Mutant(
        "patches of another recording",
        "generation/recall.py",
        "keys = self.key(_CONTRAST * (known.flatten(2) - 0.5))",
        "keys, known = self.key(_CONTRAST * (known.flatten(2) - 0.5)), known.roll(1, 0)",
        ("test_recall.py::test_a_token_that_points_is_shown_as_the_patch",),
        cheap=True,
    ),
    Mutant(
        "a sharp dream that corrects all it can",
        "generation/fine_path.py",
        "least = _LEAST * (1 - 1 / sharpness)",
        "least = 0.0",
        ("test_fine_path.py::test_a_sharp_dream_makes_no_small_corrections",),
        cheap=True,
    ),
)
