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
        "far = torch.stack([(picture - truth).square().sum(1) for picture in (frames, scene, new)], dim=1)",
        "far = (self.refine(frames, scene, places, 1.0) - truth).square().sum(1)[:, None]",
        ("test_refiner.py::test_surprise_is_that_of_a_mixture_of_three_pictures",),
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
)
