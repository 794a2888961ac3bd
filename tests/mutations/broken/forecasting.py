"""Mutants of the state dynamics, and their evaluations."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "counterfactuals with the actions that were taken",
        "forecasting/evaluation/causal.py",
        '"abduction, action, prediction": case.forecast(case.changed, case.kept)',
        '"abduction, action, prediction": case.forecast(case.sample["action"], case.kept)',
        ("test_state_dynamics.py::test_causal_passes_what_was_trained_and_fails_what_was_not",),
    ),
    Mutant(
        "a likelihood that moves means",
        "forecasting/state_dynamics_learner.py",
        "likelihood(forecast.mean.detach(),",
        "likelihood(forecast.mean,",
        ("test_state_dynamics.py::test_the_likelihood_moves_no_mean",),
        cheap=True,
    ),
)
