"""Mutants of encoders, fusion, and their evaluations."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "two views of different samples",
        "perception/contrastive_learner.py",
        "partner = torch.arange(2 * count, device=views.device).roll(count)",
        "partner = torch.arange(2 * count, device=views.device).roll(count + 1)",
        ("test_contrastive.py::test_nt_xent_by_hand",),
    ),
    Mutant(
        "detached encoder",
        "perception/contrastive_learner.py",
        "self.projector(self.encode(torch.cat([first, second])))",
        "self.projector(self.encode(torch.cat([first, second])).detach())",
        ("test_contrastive.py::test_learns_to_find_pairs_and_passes_its_gates",),
    ),
    Mutant(
        "detached sense in fusion",
        "perception/fusion_learner.py",
        'images = self.fusion.image_embedding(senses["vision"][:, :frames])\n        sounds',
        'images = self.fusion.image_embedding(senses["vision"][:, :frames]).detach()\n        sounds',
        ("test_fusion.py::test_learns_to_predict_and_to_pair",),
    ),
    Mutant(
        "depth upside down",
        "perception/priors.py",
        "height = torch.linspace(1, -1, rows",
        "height = torch.linspace(-1, 1, rows",
        ("test_priors.py::test_each_depth_cue_follows_rendered_depth",),
        cheap=True,
    ),
    Mutant(
        "a drift without units",
        "perception/joint_learner.py",
        "(after - before).square() / variance",
        "(after - before).square()",
        ("test_joint.py::test_a_drift_is_measured_in_standard_deviations_of_each_dimension",),
    ),
    Mutant(
        "harm with its sign turned",
        "perception/evaluation/finetuning.py",
        "value + HARM for",
        "value - HARM for",
        ("test_joint.py::test_gains_and_harms_by_hand",),
    ),
    Mutant(
        "harm must only not be shown",
        "perception/evaluation/finetuning.py",
        "above = {end: value + HARM for end, value in harm.items()}",
        'above = dict.fromkeys(harm, harm["high"])',
        ("test_joint.py::test_harm_must_be_shown_to_be_small",),
    ),
    Mutant(
        "a gain without its frozen control",
        "perception/evaluation/finetuning.py",
        "(FROZEN, held)",
        "(FROZEN, list(was.values()))",
        ("test_joint.py::test_a_gain_that_frozen_encoders_make_too_is_none",),
    ),
    Mutant(
        "a leaking readout of the battery",
        "perception/evaluation/finetuning.py",
        "if leaked := set(score.fitted_on) & set(score.groups):",
        "if leaked := set(score.fitted_on) - set(score.fitted_on):",
        ("test_joint.py::test_a_readout_fitted_on_what_judges_it_is_refused",),
    ),
)
