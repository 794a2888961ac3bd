"""Mutants of tokenizers, token dynamics, dreams, and their evaluations."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "a context that is never dreamed",
        "generation/dynamics_learner.py",
        "torch.where(dreamed, made, rows_of(known[:, 1:], rows))",
        "rows_of(known[:, 1:], rows)",
        ("test_forcing.py::test_dreamed_frames_are_made_from_noise_and_read_in_place_of_true_ones",),
        cheap=True,
    ),
    Mutant(
        "a dream that forgets its scene",
        "generation/dream.py",
        "scene=self._scene if scene is None else scene",
        "scene=None",
        ("test_dream.py::test_a_dream_remembers_how_it_began",),
        cheap=True,
    ),
    Mutant(
        "clips with the scenes of other clips",
        "generation/dynamics_learner.py",
        "rows_of(self.scene, rows).repeat_interleave(self.clean.shape[1] // length, dim=0)",
        "rows_of(self.scene, rows).repeat(self.clean.shape[1] // length, 1, 1)",
        ("test_forcing.py::test_every_clip_has_its_own_scene",),
        cheap=True,
    ),
    Mutant(
        "what moves stays, what stands moves",
        "generation/dream.py",
        "still = change < self._stillness**2",
        "still = change > self._stillness**2",
        ("test_dream.py::test_what_hardly_changes_stays_and_what_moves_is_dreamed",),
    ),
    Mutant(
        "the ramp left off bootstrapped targets",
        "generation/dynamics_learner.py",
        "weight = ramp_weight(levels.tau)",
        "weight = torch.where(bootstrapped, 1.0, ramp_weight(levels.tau))",
        ("test_forcing.py::test_every_target_has_the_weight_of_its_level",),
        cheap=True,
    ),
    Mutant(
        "patches of any size",
        "generation/config.py",
        "if size % self.patch:",
        "if False:",
        ("test_transformer_tokenizer.py::test_the_wrong_patch_is_refused",),
        cheap=True,
    ),
    Mutant(
        "masks of the forcing that a GPU must report",
        "generation/dynamics_learner.py",
        "masks = clean.shape[:2], draw.on_cpu()",
        "masks = clean.shape[:2], draw",
        ("test_every_learner.py::test_a_step_reads_nothing_back_from_the_device",),
    ),
)
