"""Mutants of the studies."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "exceptions learned by all weights",
        "studies/physics_prior.py",
        "TrustedPrior.OWN if exception else",
        "tuple(self._weights) if exception else",
        ("test_physics_study.py::test_an_exception_leaves_the_rule_as_it_was",),
    ),
    Mutant(
        "correction without its penalty",
        "studies/physics_prior.py",
        "self.config.penalty / count * share",
        "0 * share",
        ("test_physics_study.py::test_a_heavy_penalty_leaves_nothing_to_the_correction",),
    ),
    Mutant(
        "noise by exact state",
        "studies/curiosity.py",
        "return int(observation[: len(PLACES)].argmax())",
        "return hash(observation.tobytes())",
        ("test_curiosity_study.py::test_progress_passes_where_errors_fail",),
    ),
)
