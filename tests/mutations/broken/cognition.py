"""Mutants of curiosity, consolidation, physics, expectation."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "Fisher information of zero",
        "cognition/consolidation.py",
        "gradient.square().mean(0) for",
        "0 * gradient.square().mean(0) for",
        ("test_forgetting.py::test_the_fisher_information_of_a_logistic_unit_is_that_of_the_books",),
        cheap=True,
    ),
    Mutant(
        "Fisher information of the mean gradient",
        "cognition/consolidation.py",
        "gradient.square().mean(0) for",
        "gradient.mean(0).square() for",
        ("test_forgetting.py::test_the_fisher_information_of_a_logistic_unit_is_that_of_the_books",),
    ),
    Mutant(
        "consolidation forgets its anchors",
        "cognition/consolidation.py",
        "self._anchors.append((place, importance))",
        "self._anchors = [(place, importance)][:0]",
        ("test_forgetting_study.py::test_consolidation_protects_and_a_fisher_of_zero_does_not",),
    ),
    Mutant(
        "trust without its clamp",
        "cognition/physics.py",
        "torch.sigmoid(context @ self.theta + self.start)",
        "(context @ self.theta + self.start)",
        ("test_physics.py::test_trust_starts_at_nine_tenths_and_keeps_its_bounds",),
        cheap=True,
    ),
    Mutant(
        "gravity upside down",
        "cognition/physics.py",
        "torch.tensor([0.0, gravity * dt])",
        "torch.tensor([0.0, -gravity * dt])",
        ("test_physics_study.py::test_gravity_and_inertia_are_those_of_the_playroom",),
        cheap=True,
    ),
    Mutant(
        "surfaces let everything through",
        "cognition/expectation.py",
        "(reach[:, None] - distance).clamp_min(0)",
        "(reach[:, None] - distance).clamp_max(0).clamp_min(0)",
        (
            "test_expectation_study.py::test_contact_is_geometry",
            "test_expectation_study.py::test_ledges_are_solid_and_hold",
        ),
    ),
    Mutant(
        "what is hidden is forgotten",
        "cognition/expectation.py",
        "torch.where(seen[:, None], state, mean)",
        "torch.where(seen[:, None], state, believed)",
        ("test_expectation_study.py::test_what_is_hidden_goes_on",),
        cheap=True,
    ),
)
