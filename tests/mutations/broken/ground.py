"""Mutants of settings, exit codes, files and locks."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "every rank prints",
        "progress.py",
        'if os.environ.get("RANK", "0") == "0":',
        "if True:",
        ("test_progress.py::test_one_of_several_ranks_prints",),
    ),
    Mutant(
        "infinite numbers in settings",
        "config/section.py",
        "allow_inf_nan=False",
        "allow_inf_nan=True",
        ("test_bounds.py::test_a_refusal_names_the_bound_and_is_short",),
    ),
    Mutant(
        "whole numbers without bounds",
        "config/section.py",
        "if isinstance(number, int | float) and abs",
        "if isinstance(number, float) and abs",
        ("test_bounds.py::test_every_whole_number_is_bounded",),
    ),
    Mutant(
        "a folder with too few pictures is accepted",
        "config/sets.py",
        "if items < self.recordings:",
        "if items < 0:",
        ("test_check_files.py::test_class_folders",),
    ),
    Mutant(
        "two moments for Muon",
        "config/counts.py",
        "2 * (self.parameters - by_muon) + by_muon",
        "2 * self.parameters",
        ("test_sizes.py::test_the_arithmetic_is_right_for_every_preset",),
    ),
    Mutant(
        "a full disk that safetensors met",
        "exits.py",
        "if match := _RUST_ERROR.search(text):",
        "if match := _RUST_ERROR.search(text[:9]):",
        ("test_exits.py::test_whichever_library_raised_it",),
        cheap=True,
    ),
    Mutant(
        "what a living process writes is taken for a leftover",
        "scratch.py",
        "fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fcntl.flock(handle, fcntl.LOCK_UN)",
        ("test_scratch.py::test_a_live_writer_is_left_alone_and_ends_well",),
        cheap=True,
    ),
    Mutant(
        "a later process taken for the owner whose number it has",
        "ownership.py",
        "return _start_of(self.pid) != self.started",
        'return _start_of(self.pid) == ""',
        ("test_ownership.py::test_a_later_process_with_the_same_number_is_not_its_owner",),
        cheap=True,
    ),
    Mutant(
        "a scheduler's jobs taken for orphans",
        "orphans.py",
        "in variables and not scheduled and",
        "in variables and",
        ("test_orphans.py::test_others_are_left_alone",),
        cheap=True,
    ),
)
