"""Mutants of cloning and training in dreams."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "the divergence the other way round",
        "agent/imagination_learner.py",
        "divergence(log_chances, prior)",
        "divergence(prior, log_chances)",
        ("test_agent.py::test_what_moves_the_policy_by_hand",),
        cheap=True,
    ),
    Mutant(
        "an advantage over the next state's value",
        "agent/imagination_learner.py",
        "returns - values[:, :-1]",
        "returns - values[:, 1:]",
        ("test_agent.py::test_what_moves_the_policy_by_hand",),
    ),
)
