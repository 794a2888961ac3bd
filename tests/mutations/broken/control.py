"""Mutants of `control`: the hand, the bodies, and the floors of long dreams."""

from __future__ import annotations

from broken.mutant import Mutant

HAND = "generation/evaluation/hand.py"
PERMANENCE = "generation/evaluation/permanence.py"
ROOMS = "generation/evaluation/steered_rooms.py"
TRUE_DREAMS = "test_control.py::test_true_dreams_pass_and_reach_the_ceiling"
STILL = "test_control.py::test_dreams_that_stand_still_obey_nobody_or_lose_the_bodies_fail"

MUTANTS = (
    Mutant(
        "a hand that may be four pixels off",
        HAND,
        "REACH = 2.0",
        "REACH = 4.0",
        ("test_control.py::test_a_hand_that_is_three_pixels_off_is_not_near",),
        cheap=True,
    ),
    Mutant(
        "a hand of any size",
        HAND,
        " & (pixels <= LARGEST * area)",
        "",
        ("test_control.py::test_what_is_pink_but_no_core_is_no_hand",),
        cheap=True,
    ),
    Mutant(
        "a hand that may be violet",
        HAND,
        "np.minimum(np.minimum(red - green, blue - green), red - blue)",
        "np.minimum(red - green, blue - green)",
        ("test_control.py::test_what_is_pink_but_no_core_is_no_hand",),
        cheap=True,
    ),
    Mutant(
        "a body that is kept by a single pixel",
        PERMANENCE,
        "counts >= KEPT * true",
        "counts > 0",
        ("test_control.py::test_a_body_of_another_colour_is_not_kept",),
    ),
    Mutant(
        "bodies that do not show are kept",
        PERMANENCE,
        "kept = asked & (counts >= KEPT * true)",
        "kept = counts >= KEPT * true",
        ("test_control.py::test_hidden_bodies_are_not_looked_for",),
        cheap=True,
    ),
    Mutant(
        "permanence without the hand",
        ROOMS,
        "{key: near[key] * kept[key] for key in near}",
        "kept",
        (STILL,),
    ),
    Mutant(
        "control without the floors that draw a hand",
        ROOMS,
        "            **reckoning(sample, actions[name]),\n",
        "",
        (TRUE_DREAMS,),
    ),
    Mutant(
        "dead reckoning that is fitted on test recordings",
        ROOMS,
        'names = self._recordings.names("training")',
        'names = self._recordings.names("test")',
        (TRUE_DREAMS,),
    ),
    Mutant(
        "a mean picture of test recordings",
        "generation/evaluation/long_dreams.py",
        'studio.sample(studio.past + 1, PICTURES, rng, "training")',
        'studio.sample(studio.past + 1, PICTURES, rng, "test")',
        (TRUE_DREAMS,),
    ),
    Mutant(
        "held keys judged by the rooms of the recorded actions",
        ROOMS,
        "run_again(studio, sample, moves, dreams)",
        "run_again(studio, sample, recorded, dreams)",
        (TRUE_DREAMS,),
    ),
    Mutant(
        "rooms that need not repeat their recording",
        "data/sources/playroom/rerun.py",
        "same = int(changed[0]) if len(changed) else both",
        "same = 0",
        ("test_control.py::test_rooms_that_the_simulator_does_not_repeat_are_refused",),
    ),
    Mutant(
        "free motion that is fitted on hindered steps",
        "evaluation/baselines/dead_reckoning.py",
        "free[:, 1:] & inside[:, 1:]",
        "inside[:, 1:]",
        ("test_baselines_dead_reckoning.py::test_free_motion_learns_the_step_and_the_walls",),
        cheap=True,
    ),
    Mutant(
        "changes where nothing moves",
        "generation/evaluation/own_actions.py",
        "(np.abs(truth - last) > MOVED)",
        "(np.abs(truth - last) >= 0)",
        ("test_control.py::test_changes_count_where_the_truth_moves_alone",),
        cheap=True,
    ),
    Mutant(
        "floor: films of steered worlds without the ridge",
        "generation/evaluation/own_actions.py",
        "        **continued_films,\n",
        "",
        ("test_control.py::test_trained_dreams_obey_their_own_actions_and_others_do_not",),
    ),
    Mutant(
        "floor: a share of the noise that is chosen in rooms of the ridge",
        "forecasting/evaluation/causal_places.py",
        "part.rows(~np.isin(part.groups, out))",
        "part",
        ("test_causal.py::test_the_share_of_a_ridge_is_chosen_in_rooms_that_it_has_not_seen",),
        cheap=True,
    ),
    Mutant(
        "strangers with one's own actions",
        "generation/evaluation/own_actions.py",
        "strangers = with_actions_of(own, of_other_recordings(sample.groups, rng), given)",
        "strangers = with_actions_of(own, np.arange(len(sample)), given)",
        ("test_control.py::test_trained_dreams_obey_their_own_actions_and_others_do_not",),
    ),
)
