"""Mutants of the models that read grids: the common space, the next grid, and what judges them."""

from __future__ import annotations

from broken.mutant import Mutant

SPACE, NEXT = "test_common_space.py", "test_next_grid.py"
SEES = f"{SPACE}::test_a_cell_sees_what_was_read_before_it_and_the_grids_that_are_shown"

MUTANTS = (
    Mutant(
        "a cell sees itself",
        "puzzle/cell_network.py",
        "ReadingConv(CODES + 1, width, 2, own=False)",
        "ReadingConv(CODES + 1, width, 2)",
        (SEES, f"{NEXT}::test_a_cell_sees_both_grids_before_it_the_action_and_what_was_read"),
        cheap=True,
    ),
    Mutant(
        "a cell sees what comes to its right",
        "puzzle/cell_network.py",
        "seen[-1, reach + own :] = 0",
        "seen[-1, reach + own + 1 :] = 0",
        (SEES,),
        cheap=True,
    ),
    Mutant(
        "the grid that is asked for is shown",
        "puzzle/common_space.py",
        "        shown[:, sense] = False\n",
        "",
        (SEES,),
        cheap=True,
    ),
    Mutant(
        "a header counts as content",
        "puzzle/common_space.py",
        'first = HEADER if SENSES[sense] == "text" else 0',
        "first = 0",
        (f"{SPACE}::test_a_header_is_no_content",),
        cheap=True,
    ),
    Mutant(
        "an untrained space that is not what counting knows",
        "puzzle/cell_network.py",
        "self.last = silent(nn.Conv2d(width, CODES, 1))",
        "self.last = nn.Conv2d(width, CODES, 1)",
        (f"{SPACE}::test_an_untrained_space_is_what_counting_knows",),
        cheap=True,
    ),
    Mutant(
        "grids of another recording that are one's own",
        "puzzle/evaluation/puzzle_common.py",
        "wrong = seen.grids[other].copy()",
        "wrong = seen.grids.copy()",
        (f"{SPACE}::test_a_trained_space_passes_and_an_untrained_one_fails",),
    ),
    Mutant(
        "a logistic regression that sees no other sense",
        "puzzle/evaluation/other_senses.py",
        "said = (others @ self._map)",
        "said = (0 * others @ self._map)",
        (f"{SPACE}::test_simple_means_find_what_is_there_and_no_more",),
    ),
    Mutant(
        "a map of nothing that is believed",
        "puzzle/evaluation/other_senses.py",
        "min(taken, key=lambda belief: float(taken[belief]))",
        "max(taken)",
        (f"{SPACE}::test_a_regression_of_nothing_costs_next_to_nothing",),
    ),
    Mutant(
        "clusters that count alike",
        "puzzle/evaluation/other_senses.py",
        "known[found.labels_ == cluster]",
        "known[found.labels_ >= 0]",
        (f"{SPACE}::test_simple_means_find_what_is_there_and_no_more",),
    ),
    Mutant(
        "rows and columns of a place are exchanged",
        "puzzle/sentences.py",
        "column, row = np.clip",
        "row, column = np.clip",
        (f"{SPACE}::test_a_sentence_says_what_the_simulator_knows",),
        cheap=True,
    ),
    Mutant(
        "an action that is not read",
        "puzzle/next_grid.py",
        "seen = seen + self.action(action)[..., None, None]",
        "pass",
        (f"{NEXT}::test_a_cell_sees_both_grids_before_it_the_action_and_what_was_read",),
        cheap=True,
    ),
    Mutant(
        "counts that know the cell itself",
        "puzzle/next_grid.py",
        "* (CODES + 1) + ahead[:, :-1, 1:]",
        "* (CODES + 1) + ahead[:, 1:, 1:]",
        (f"{NEXT}::test_a_cell_sees_both_grids_before_it_the_action_and_what_was_read",),
        cheap=True,
    ),
    Mutant(
        "dynamics that are no better than counts are exported",
        "puzzle/next_grid_learner.py",
        "1 - taken / self._counted, LEAST_GAIN",
        "1 - taken / self._counted, -1.0",
        (f"{NEXT}::test_gates_refuse_what_is_not_better_than_counts",),
    ),
)
