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
    Mutant(
        "a Fisher information of one for plain L2 is zero",
        "studies/forgetting.py",
        "torch.ones_like(parameter)",
        "torch.zeros_like(parameter)",
        ("test_forgetting_study.py::test_a_fisher_of_one_is_plain_distance",),
    ),
    Mutant(
        "plain L2 is no baseline",
        "studies/forgetting.py",
        'for way in ("unprotected", *plain)',
        'for way in ("unprotected",)',
        ("test_forgetting_study.py::test_plain_distances_are_baselines_of_consolidation",),
    ),
    Mutant(
        "constant actions dropped from a study",
        "studies/agent_returns.py",
        "            baselines=baselines,",
        '            baselines={name: earned[name] for name in ("cloned policy", "random actions")},',
        ("test_agent_returns.py::test_a_constant_action_that_earns_more_is_the_floor",),
        cheap=True,
    ),
    Mutant(
        "the penalty chosen on the speaker left out",
        "studies/spoken_digits.py",
        "each = [words.speaker == one for one in speakers]",
        "each = [~seen for one in speakers]",
        ("test_sense_studies.py::test_the_penalty_is_chosen_among_the_speakers_who_are_not_left_out",),
    ),
    Mutant(
        "few labels of the speaker left out",
        "studies/spoken_digits.py",
        "np.flatnonzero(seen & (words.digit == digit))",
        "np.flatnonzero(words.digit == digit)",
        ("test_sense_studies.py::test_few_labels_are_of_speakers_who_are_not_left_out",),
    ),
    Mutant(
        "a part of the dynamics that is not among the floors",
        "studies/dreaming.py",
        "for name in lacking},",
        "for name in lacking[:1]},",
        ("test_dreaming_study.py::test_what_one_training_has_without_a_part_does_not_pass",),
    ),
    Mutant(
        "what lacks Muon has it",
        "studies/dreaming_config.py",
        '{"muon": 0.0}',
        "{}",
        ("test_dreaming_study.py::test_each_training_lacks_one_part",),
    ),
)
