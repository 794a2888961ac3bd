"""Each sentence with which README promises something names the tests that hold it; a new one needs a test first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTIONS = ("What you get", "Stop it, and go on")
HELD_BY = {  # the beginning of a sentence -> FILE::TEST
    "`results/eval.json`: every metric with its 95 % interval": (
        "workflow/test_tiny.py::test_every_evaluation_is_there_in_the_promised_form",
        "workflow/test_tiny.py::test_the_summary_holds_every_evaluation",
    ),
    "**Baselines** are what an engineer would try": (
        "unit/core/test_statistics.py::test_best_floor_counts",
        "unit/core/test_statistics.py::test_what_equals_its_floor_fails",
        "unit/core/test_statistics.py::test_every_baseline_is_listed_with_its_margin",
    ),
    "The run ends with the table, failures first": ("unit/core/test_summary.py::test_merge_counts_and_names_failures",),
    "`results/figures/` and, with `make report`": (
        "workflow/test_tiny.py::test_the_report_builds_with_its_figures",
    ),
    "`results/<stage>/`: the trained models": (
        "workflow/test_tiny.py::test_no_artifact_is_a_pickle",
        "workflow/test_tiny.py::test_run_folders_survive_with_their_records",
    ),
    "`logs/`: what each program printed": (
        "workflow/test_tiny.py::test_every_rule_is_benchmarked_and_logged",
        "edges/test_progress.py::test_every_program_prints_something",
    ),
    "How good it is, known failures first": ("unit/faces/test_docs.py::test_results_are_one_page",),
    "Stop it whenever you like": (
        "unit/core/test_trainer.py::test_signals_save_and_stop",
        "workflow/test_kill.py::test_killed_at_random_moments_ends_with_the_same_bits",
    ),
    "Run the same command again and it goes on": (
        "edges/test_locks.py::"
        "test_one_that_lives_is_respected_and_after_everything_was_killed_the_same_command_goes_on",
        "edges/test_campaign.py::test_full_disks_end_with_74_and_the_same_command_goes_on",
    ),
    "On a CPU the result has the same bits": (
        "unit/core/test_trainer.py::test_stopped_and_resumed_is_bit_equal",
        "edges/test_campaign.py::test_killed_runs_go_on_with_the_same_bits",
    ),
    "A changed section of the configuration": (
        "workflow/test_reruns.py::test_a_changed_section_reruns_its_stage_and_what_stands_on_it",
        "workflow/test_tiny.py::test_a_finished_training_is_exported_again_without_training",
    ),
    "`sensorium runs` lists the runs": ("edges/test_runs.py::test_clear_deletes_unused_runs_only",),
    "What changes a result stands in `config/`": (
        "workflow/test_reruns.py::test_other_resources_and_profiles_rerun_nothing",
    ),
    "Bad input is named, counted and kept out": (
        "unit/core/test_collect.py::test_damaged_files_among_good_ones_go_to_quarantine",
        "edges/test_recordings.py::test_a_copy_is_left_out_of_the_later_split_and_moves_no_other",
    ),
    "Only a healthy model is handed on": (
        "unit/core/test_trainer.py::test_a_failed_gate_exports_nothing",
        "edges/test_exit_codes.py::test_a_training_that_stops_early_is_75_and_one_that_collapsed_is_70",
    ),
    "A step with numbers that are not finite is skipped": (
        "unit/core/test_trainer.py::test_a_bad_step_is_skipped_and_named",
        "unit/core/test_replay.py::test_a_bad_step_is_repeated_exactly",
    ),
}  # fmt: skip


def sentences() -> list[str]:
    """The sentences of README's promises, without its tables."""
    text, found = (ROOT / "README.md").read_text(), []
    for section in SECTIONS:
        body = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
        for block in re.split(r"\n\n|\n- ", "\n" + body.strip().removeprefix("- ")):
            if block.strip() and not block.lstrip().startswith("|"):
                found += re.split(r"(?<=\.) (?=[A-Z*`])", " ".join(block.removeprefix("- ").split()))
    return [sentence for sentence in found if sentence.endswith((".", ")."))]


@pytest.mark.parametrize("sentence", sentences())
def test_a_promise_is_held_by_tests(sentence: str) -> None:
    assert len([begin for begin in HELD_BY if sentence.startswith(begin)]) == 1, sentence


@pytest.mark.parametrize("begin", HELD_BY)
def test_what_holds_a_promise_is_there(begin: str) -> None:
    assert any(sentence.startswith(begin) for sentence in sentences()), "README no longer promises it"
    for test in HELD_BY[begin]:
        file, _, name = test.partition("::")
        assert f"\ndef {name}(" in (ROOT / "tests" / file).read_text(), test
