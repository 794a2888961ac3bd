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
    Mutant(
        "a constant chosen on the judged episodes",
        "agent/evaluation/agent_return.py",
        "    rooms = training_rooms(recordings, config)\n",
        "    rooms = {recording_name(world.source, number): number for number in numbers}\n",
        ("test_evaluations.py::test_the_constant_that_earns_most_is_the_floor_of_returns",),
    ),
    Mutant(
        "constant actions are no baselines",
        "agent/evaluation/agent_return.py",
        '("cloned policy", "random actions", *held)',
        '("cloned policy", "random actions")',
        ("test_evaluations.py::test_the_constant_that_earns_most_is_the_floor_of_returns",),
    ),
)
