"""Mutants of interaction and planning."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "what a layer recomputes takes no memory",
        "planning/footprint.py",
        "return _total(kept) + largest",
        "return _total(kept)",
        ("test_footprint.py::test_layers_that_recompute_their_activations_take_the_estimated_memory",),
    ),
    Mutant(
        "an hour for every evaluation",
        "planning/resources.py",
        "return max(LEAST_MINUTES, LEAST_MINUTES // 2 + round(seconds / 60))",
        "return max(LEAST_MINUTES, 0 * round(seconds / 60))",
        ("test_dream_costs.py::test_what_dreams_long_asks_for_the_minutes",),
    ),
    Mutant(
        "further ranks take no host memory",
        "planning/resources.py",
        "further = (ranks - 1) *",
        "further = 0 *",
        ("test_dream_costs.py::test_each_further_rank_asks_for_its_weights",),
    ),
    Mutant(
        "the page of play for whoever asks",
        "interactive/server.py",
        "if not hmac.compare_digest(token.encode(), self.server.token.encode()):",
        "if not token:",
        ("test_doors.py::test_without_the_token_nobody_sees_or_steers",),
    ),
    Mutant(
        "the page of play under any name",
        "interactive/server.py",
        "if len(hosts) != 1 or not LOOPBACK.fullmatch(hosts[0]):",
        "if len(hosts) != 1:",
        ("test_doors.py::test_a_name_that_is_rebound_to_this_machine_reaches_nothing",),
    ),
    Mutant(
        "a connection closed on its answer",
        "interactive/server.py",
        "while request.recv(2**16) and time.monotonic() < end:",
        "while False:",
        ("test_doors.py::test_a_strange_body_is_answered",),
    ),
    Mutant(
        "a used run may be cleared",
        "planning/kept_runs.py",
        'state = "used"',
        'state = "unused"',
        ("test_kept_runs.py::test_a_finished_training_is_used_until_another_one_takes_its_place",),
    ),
    Mutant(
        "a run is cleared while its training goes on",
        "planning/kept_runs.py",
        "fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        ("test_kept_runs.py::test_the_lock_of_a_training_is_seen",),
    ),
    Mutant(
        "weights among the activations",
        "planning/footprint.py",
        "if storage._cdata not in known:",
        "if storage:",
        ("test_footprint.py::test_what_autograd_keeps_of_two_layers_is_counted_by_hand",),
        cheap=True,
    ),
    Mutant(
        "imports that are searched for garbage",
        "cli.py",
        "    gc.disable()\n",
        "",
        ("test_cli.py::test_imports_and_the_end_are_not_searched_for_garbage",),
        cheap=True,
    ),
    Mutant(
        "an end that searches everything for garbage",
        "cli.py",
        "    if whole_process:\n        gc.freeze()",
        "    if False:\n        gc.freeze()",
        ("test_cli.py::test_imports_and_the_end_are_not_searched_for_garbage",),
    ),
    Mutant(
        "numbers that a server has are sent again",
        "planning/track.py",
        'if record["step"] > last',
        'if record["step"] > -1',
        ("test_track.py::test_numbers_are_sent_once",),
    ),
    Mutant(
        "a stopped run counts as finished",
        "planning/track.py",
        "if done >= run.steps > 0:",
        "if done > 0:",
        ("test_track.py::test_numbers_are_sent_once",),
    ),
)
