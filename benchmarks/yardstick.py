"""Whether each part of the mind does what it claims: figures, controls that must fail and tests, as one table in docs.

    python benchmarks/yardstick.py             runs the tests and writes the table into docs/yardstick.md

Figures are those of docs/learning.json (benchmarks/learning.py) and docs/studies/ (`make studies`). Exit 1 if a test
fails; figures that do not pass are counted in the table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from sensorium.studies.study import commit
from sensorium.studies.study_tables import between

ROOT = Path(__file__).resolve().parents[1]
PAGE, LEARNING, STUDIES = (ROOT / "docs" / name for name in ("yardstick.md", "learning.json", "studies"))


@dataclass(frozen=True)
class Row:
    """A part of the mind and what shows that it works.

    Attributes:
        part: its name.
        metrics: patterns of "evaluation.metric" in docs/learning.json.
        studies: names of studies in docs/studies/.
        tests: functions below tests/, as "unit/test_x.py::test_y"; with the negative controls of the evaluations.
    """

    part: str
    metrics: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


UNTRAINED = "unit/faces/test_evaluations.py::test_trained_passes_and_untrained_fails"
ROWS = (
    Row(
        "Vision without labels", ("probe_vision.*", "few_shot.vision_*"), ("handwriting",),
        (UNTRAINED, "unit/perception/test_contrastive.py::test_gates_see_collapse",
         "unit/perception/test_few_shot.py::test_the_trained_eye_passes_and_untrained_networks_fail"),
    ),
    Row(
        "Priors of sight", (), ("sight_priors",),
        ("unit/perception/test_priors.py::test_more_light_changes_no_opponent_map",
         "unit/perception/test_priors.py::test_energy_is_tuned_and_blind_to_phase",
         "unit/perception/test_priors.py::test_each_depth_cue_follows_rendered_depth"),
    ),
    Row(
        "Prior of hearing", (), (),
        ("unit/perception/test_encoders.py::test_sweep_lands_within_half_a_band_up_to_nyquist",
         "unit/perception/test_encoders.py::test_spectrogram_agrees_with_torchaudio",
         "unit/perception/test_encoders.py::test_too_many_bands_are_refused",
         "unit/perception/test_priors.py::test_onsets_are_found_where_they_are"),
    ),
    Row(
        "Hearing without labels", ("probe_audio.*", "few_shot.audio_*"), ("spoken_digits",),
        ("unit/core/test_augment.py::test_pitch_moves_by_the_asked_semitones",
         "unit/core/test_augment.py::test_tempo_moves_events_but_not_pitch",
         "unit/core/test_augment.py::test_noise_has_the_asked_ratio",
         "unit/faces/test_sense_studies.py::test_a_probe_never_sees_the_speaker_left_out"),
    ),
    Row(
        "Fusion", ("retrieval.*", "world_state.state", "world_state.velocity"), (),
        ("unit/perception/test_fusion.py::test_learns_to_predict_and_to_pair",
         "unit/perception/test_fusion.py::test_senses_may_be_missing_and_hidden_ones_leave_no_trace",
         "unit/faces/test_evaluations.py::test_collapsed_embeddings_rank_in_the_middle"),
    ),
    Row(
        "Belief over time", ("world_state.belief",), (),
        ("unit/perception/test_fusion.py::test_state_never_sees_the_future",
         "unit/perception/test_belief.py::test_a_memory_that_forgets_fails"),
    ),
    Row(
        "State dynamics", ("motion.*",), (),
        ("unit/forecasting/test_state_dynamics.py::test_motion_passes_what_was_trained_and_fails_what_was_not",
         "unit/forecasting/test_state_dynamics.py::test_coverage_likelihood_and_ranks_by_hand"),
    ),
    Row(
        "End to end", ("finetuning.*",), (),
        ("unit/perception/test_joint.py::test_gradients_reach_every_part_that_is_not_frozen",
         "unit/perception/test_joint.py::test_training_on_the_sounds_of_other_recordings_is_harm",
         "unit/perception/test_joint.py::test_it_gains_and_harms_little"),
    ),
    Row(
        "Physics as geometry", (), ("violations",),
        ("unit/faces/test_expectation_study.py::test_the_fours_are_matched",
         "unit/faces/test_expectation_study.py::test_without_its_geometry_a_law_is_not_known"),
    ),
    Row(
        "Prior that learns an exception", (), ("physics_prior",),
        ("unit/cognition/test_physics.py::test_trust_starts_at_nine_tenths_and_keeps_its_bounds",
         "unit/cognition/test_physics.py::test_the_share_that_holds_is_identified"),
    ),
    Row(
        "Properties of things", ("properties.*",), (),
        ("unit/perception/test_bodies.py::test_mass_passes_only_if_it_needs_more_than_one_sense",
         "unit/perception/test_bodies.py::test_properties_pass_with_a_trained_audio_encoder_and_fail_with_untrained_ones"),
    ),
    Row(
        "Causes", ("causal.*", "counterfactual.*"), (),
        ("unit/forecasting/test_state_dynamics.py::test_causal_passes_what_was_trained_and_fails_what_was_not",
         "unit/forecasting/test_state_dynamics.py::test_responsibility_passes_for_informed_answers_and_fails_for_others",
         "unit/forecasting/test_state_dynamics.py::test_the_noise_of_a_window_gives_the_window_again"),
    ),
    Row(
        "Curiosity", (), ("curiosity",),
        ("unit/faces/test_curiosity_study.py::test_progress_passes_where_errors_fail",
         "unit/faces/test_curiosity_study.py::test_regions_of_exact_states_are_caught"),
    ),
    Row(
        "Babbling", (), ("babbling",),
        ("unit/faces/test_babbling_study.py::test_progress_beats_random_choice_and_shuffled_progress_fails",
         "unit/faces/test_babbling_study.py::test_the_journal_can_be_audited"),
    ),
    Row(
        "Forgetting", (), ("forgetting",),
        ("unit/faces/test_forgetting_study.py::test_consolidation_protects_and_a_fisher_of_zero_does_not",
         "unit/cognition/test_forgetting.py::test_a_certain_network_has_no_fisher_information_and_is_refused"),
    ),
    Row(
        "Zero shot", ("zero_shot.*",), (),
        ("unit/perception/test_zero_shot.py::test_unseen_kinds_are_recognised_by_seen_attributes",
         "unit/perception/test_zero_shot.py::test_an_untrained_pair_of_encoders_fails"),
    ),
    Row(
        "Tokens", ("sound_reconstruction.*",), ("tokenizers",),
        ("unit/generation/test_tokenizers.py::test_a_collapsed_tokenizer_fails_its_gates",
         "unit/generation/test_transformer_tokenizer.py::test_a_collapsed_training_is_refused",
         "unit/generation/test_transformer_tokenizer.py::test_a_stream_is_the_batch",
         "unit/generation/test_sound_reconstruction.py::test_trained_beats_untrained_and_untrained_fails"),
    ),
    Row(
        "Dreams", ("rollout.*", "uncertainty.*", "drift.*"), ("dreaming",),
        ("unit/generation/test_shortcut_forcing.py::test_euler_reaches_the_exact_flow",
         "unit/generation/test_shortcut_forcing.py::test_a_wrong_teacher_is_not_self_consistent",
         "unit/generation/test_dream.py::test_the_ring_dreams_what_the_windowed_forward_dreams",
         "unit/generation/test_dream.py::test_a_dream_remembers_how_it_began",
         "unit/generation/test_dreams.py::test_trained_passes_untrained_fails_and_poisoned_is_worse",
         "unit/generation/test_dreams.py::test_long_dreams_like_recordings_pass_and_poisoned_ones_are_further_off"),
    ),
    Row(
        "Acting", (), ("agent_returns", "atari_returns"),
        ("unit/agent/test_reinforcement.py::test_the_gradient_on_a_bandit_is_the_closed_form",
         "unit/agent/test_agent.py::test_the_state_knows_the_past_alone",
         "unit/agent/test_agent.py::test_cloning_then_dreaming_earns_more_in_the_true_world",
         "unit/faces/test_agent_returns.py::test_better_on_average_alone_does_not_pass"),
    ),
    Row(
        "Training that survives", (), (),
        ("unit/core/test_trainer.py::test_killed_at_random_moments_is_bit_equal",
         "unit/core/test_trainer.py::test_a_bad_step_is_skipped_and_named",
         "unit/core/test_trainer.py::test_out_of_memory_changes_the_micro_batch_and_nothing_else"),
    ),
    Row(
        "Tests that can fail", (), (),
        ("mutations/test_mutations.py::test_a_cheap_mutant_is_noticed",
         "mutations/test_mutations.py::test_a_mutant_that_changes_nothing_survives"),
    ),
)  # fmt: skip


def figures(row: Row, learned: dict[str, dict[str, Any]], studies: dict[str, Any]) -> tuple[str, str]:
    """Cells of the metrics with their floors and how many pass, and of the controls that must fail.

    Args:
        row: of the table.
        learned: seed -> "evaluation.metric" -> its record.
        studies: name -> result of a study.

    Raises:
        SystemExit: if a pattern meets no metric, or a study has no result.
    """
    shown, controls = [], []
    for pattern in row.metrics:
        names = [name for name in next(iter(learned.values())) if fnmatch(name, pattern)]
        if not names:
            raise SystemExit(f"{row.part}: no metric {pattern} in {LEARNING}")
        for name in names:
            found = [metrics[name] for metrics in learned.values()]
            value, floor = (sum(metric[key] for metric in found) / len(found) for key in ("value", "floor"))
            passed = sum(metric["passed"] for metric in found)
            shown.append(f"{name} {value:.3f} ({floor:.3f}), {passed} of {len(found)}")
    for study in row.studies:
        if study not in studies:
            raise SystemExit(f"{row.part}: no result of the study {study} in {STUDIES}; make it with: make studies")
        metrics, failing = studies[study]["metrics"], studies[study]["controls"]
        passed = sum(metric["passed"] for metric in metrics.values())
        shown.append(f"study {study}: {passed} of {len(metrics)} metrics pass, {len(studies[study]['seeds'])} seeds")
        failed = sum(not metric["passed"] for metric in failing.values())
        controls.append(f"{study}: {failed} of {len(failing)}")
    return "<br>".join(shown), "<br>".join(controls)


def table(learned: dict[str, dict[str, Any]], studies: dict[str, Any], outcomes: dict[str, str]) -> str:
    """Markdown; `outcomes`: test function -> how many of its cases passed, as text."""
    lines = [
        "| part | figures: mean over seeds (floor), seeds that pass | controls that fail | tests: cases passed |",
        "|---|---|---|---|",
    ]
    for row in ROWS:
        shown, controls = figures(row, learned, studies)
        tests = "<br>".join(f"{name.partition('::')[2]} {outcomes[name]}" for name in row.tests)
        lines.append(f"| {row.part} | {shown} | {controls} | {tests} |")
    return "\n".join(lines)


def outcomes() -> dict[str, str]:
    """Run every test of the rows: function -> "passed of cases"."""
    names = sorted({name for row in ROWS for name in row.tests})
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        subprocess.run(command + [f"tests/{name}" for name in names], cwd=ROOT, check=False)
        ran = list(ElementTree.parse(report).iter("testcase"))
    cases: dict[str, list[bool]] = {name: [] for name in names}
    for case in ran:
        file = "/".join(case.attrib["classname"].split(".")[1:]) + ".py"
        cases[f"{file}::{case.attrib['name'].partition('[')[0]}"].append(len(case) == 0)  # no failure, error or skip
    if missing := [name for name, passed in cases.items() if not passed]:
        raise SystemExit(f"no case of these tests ran, so they show nothing: {', '.join(missing)}")
    return {name: f"{sum(passed)} of {len(passed)}" for name, passed in cases.items()}


def main() -> int:
    """Run the tests, write the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if not LEARNING.exists():
        raise SystemExit(f"{LEARNING}: not found; make it with: python benchmarks/learning.py --docs")
    found = outcomes()
    record = json.loads(LEARNING.read_text())
    studies = {path.stem: json.loads(path.read_text()) for path in STUDIES.glob("*.json")}
    made = "; ".join(f"{line} at {at}" for line, at in record["commits"].items())
    note = (
        f"Seeds {', '.join(record['seeds'])} of the default experiment ({made}), studies at the "
        f"commits named in [studies.md](studies.md), tests at `{commit()}`. Made by `python benchmarks/yardstick.py`."
    )
    text = f"{table(record['seeds'], studies, found)}\n\n{note}"
    PAGE.write_text(between(PAGE.read_text(), "yardstick", text, str(PAGE)))
    return int(any(text.split()[0] != text.split()[2] for text in found.values()))


if __name__ == "__main__":
    sys.exit(main())
