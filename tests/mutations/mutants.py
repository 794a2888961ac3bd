"""Mechanisms broken on purpose, each with the tests that must notice: a change of text in one file of the sources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src" / "sensorium"


@dataclass(frozen=True)
class Mutant:
    """One broken mechanism.

    Attributes:
        name: what is broken.
        file: under src/sensorium.
        old: text that occurs exactly once in it.
        new: what stands there in the mutant.
        tests: FILE::TEST, that must turn red.
        cheap: takes a few seconds, so that the unit tests try it too.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    cheap: bool = False

    def text(self) -> str:
        """The broken file.

        Raises:
            ValueError: if the text to break is not there exactly once: the mutant is out of date.
        """
        source = (SOURCES / self.file).read_text()
        if source.count(self.old) != 1:
            raise ValueError(f"mutant {self.name!r}: {self.file} has {source.count(self.old)} times {self.old!r}")
        return source.replace(self.old, self.new)


MUTANTS = (
    Mutant(
        "Fisher information of zero", "cognition/consolidation.py",
        "gradient.square().mean(0) for", "0 * gradient.square().mean(0) for",
        ("test_forgetting.py::test_the_fisher_information_of_a_logistic_unit_is_that_of_the_books",), cheap=True,
    ),
    Mutant(
        "Fisher information of the mean gradient", "cognition/consolidation.py",
        "gradient.square().mean(0) for", "gradient.mean(0).square() for",
        ("test_forgetting.py::test_the_fisher_information_of_a_logistic_unit_is_that_of_the_books",),
    ),
    Mutant(
        "consolidation forgets its anchors", "cognition/consolidation.py",
        "self._anchors.append((place, importance))", "self._anchors = [(place, importance)][:0]",
        ("test_forgetting_study.py::test_consolidation_protects_and_a_fisher_of_zero_does_not",),
    ),
    Mutant(
        "trust without its clamp", "cognition/physics.py",
        "torch.sigmoid(context @ self.theta + self.start)", "(context @ self.theta + self.start)",
        ("test_physics.py::test_trust_starts_at_nine_tenths_and_keeps_its_bounds",), cheap=True,
    ),
    Mutant(
        "exceptions learned by all weights", "studies/physics_prior.py",
        "TrustedPrior.OWN if exception else", "tuple(self._weights) if exception else",
        ("test_physics_study.py::test_an_exception_leaves_the_rule_as_it_was",),
    ),
    Mutant(
        "correction without its penalty", "studies/physics_prior.py",
        "self.config.penalty / count * share", "0 * share",
        ("test_physics_study.py::test_a_heavy_penalty_leaves_nothing_to_the_correction",),
    ),
    Mutant(
        "gravity upside down", "cognition/physics.py",
        "torch.tensor([0.0, gravity * dt])", "torch.tensor([0.0, -gravity * dt])",
        ("test_physics_study.py::test_gravity_and_inertia_are_those_of_the_playroom",), cheap=True,
    ),
    Mutant(
        "counterfactuals with the actions that were taken", "forecasting/evaluation/causal.py",
        '"abduction, action, prediction": case.forecast(case.changed, case.kept)',
        '"abduction, action, prediction": case.forecast(case.sample["action"], case.kept)',
        ("test_state_dynamics.py::test_causal_passes_what_was_trained_and_fails_what_was_not",),
    ),
    Mutant(
        "noised frames see what comes after them", "models/cache.py",
        "causal_mask(frame, frame, self.window - 1)", "((frame[:, None] - frame).abs() < self.window - 1)",
        ("test_dynamics.py::test_frames_after_their_context_are_predicted_as_in_a_window",), cheap=True,
    ),
    Mutant(
        "a context that is never dreamed", "generation/dynamics_learner.py",
        "torch.where(dreamed, made, rows_of(known[:, 1:], rows))", "rows_of(known[:, 1:], rows)",
        ("test_forcing.py::test_dreamed_frames_are_made_from_noise_and_read_in_place_of_true_ones",), cheap=True,
    ),
    Mutant(
        "surfaces let everything through", "cognition/expectation.py",
        "(reach[:, None] - distance).clamp_min(0)", "(reach[:, None] - distance).clamp_max(0).clamp_min(0)",
        ("test_expectation_study.py::test_contact_is_geometry",
         "test_expectation_study.py::test_ledges_are_solid_and_hold"),
    ),
    Mutant(
        "what is hidden is forgotten", "cognition/expectation.py",
        "torch.where(seen[:, None], state, mean)", "torch.where(seen[:, None], state, believed)",
        ("test_expectation_study.py::test_what_is_hidden_goes_on",), cheap=True,
    ),
    Mutant(
        "two views of different samples", "perception/contrastive_learner.py",
        "partner = torch.arange(2 * count, device=views.device).roll(count)",
        "partner = torch.arange(2 * count, device=views.device).roll(count + 1)",
        ("test_contrastive.py::test_nt_xent_by_hand",),
    ),
    Mutant(
        "detached encoder", "perception/contrastive_learner.py",
        "self.projector(self.encode(torch.cat([first, second])))",
        "self.projector(self.encode(torch.cat([first, second])).detach())",
        ("test_contrastive.py::test_learns_to_find_pairs_and_passes_its_gates",),
    ),
    Mutant(
        "detached sense in fusion", "perception/fusion_learner.py",
        "images = self.fusion.image_embedding(senses[\"vision\"][:, :frames])\n        sounds",
        "images = self.fusion.image_embedding(senses[\"vision\"][:, :frames]).detach()\n        sounds",
        ("test_fusion.py::test_learns_to_predict_and_to_pair",),
    ),
    Mutant(
        "depth upside down", "perception/priors.py",
        "height = torch.linspace(1, -1, rows", "height = torch.linspace(-1, 1, rows",
        ("test_priors.py::test_each_depth_cue_follows_rendered_depth",), cheap=True,
    ),
    Mutant(
        "noise by exact state", "studies/curiosity.py",
        "return int(observation[: len(PLACES)].argmax())", "return hash(observation.tobytes())",
        ("test_curiosity_study.py::test_progress_passes_where_errors_fail",),
    ),
    Mutant(
        "attention sees the future", "models/layers.py",
        "elif self.causal:", "elif False:",
        ("test_layers.py::test_causal_block_never_sees_the_future",), cheap=True,
    ),
    Mutant(
        "gradient towards keys without their queries' sizes", "models/kernels.py",
        "gradient.transpose(-1, -2) @ query", "gradient.transpose(-1, -2) @ query.sign()",
        ("test_layers.py::test_the_gradients_of_attention_are_those_of_the_naive_reference",), cheap=True,
    ),
    Mutant(
        "gradient of the norm without its mean", "models/kernels.py",
        "mean = (weighted * normal).mean(-1, keepdim=True)", "mean = torch.zeros_like(inverse)",
        ("test_layers.py::test_the_gradient_of_the_norm_is_that_of_torch",),
    ),
    Mutant(
        "the copy in training is left out", "data/comparison.py",
        "key=lambda each: (SPLITS.index(each.split), each.number)", "key=lambda each: each.number",
        ("test_comparison.py::test_the_copy_is_what_stands_in_the_later_split_or_has_the_larger_number",), cheap=True,
    ),
    Mutant(
        "overlapping clips stand in two splits", "data/comparison.py",
        "if 2 * earlier.total() > len(frames):", "if earlier.total() == len(frames):",
        ("test_comparison.py::test_more_than_half_of_the_frames_in_an_earlier_split_make_a_copy",),
    ),
    Mutant(
        "a console that stands is loud", "data/sources/atari.py",
        "self.level = first", "pass",
        ("test_atari.py::test_a_level_that_is_held_for_a_second_is_silence",),
    ),
    Mutant(
        "a scene that is still to come", "data/windows.py",
        "seed % (first + 1)", "seed % (first + self.frames)",
        ("test_windows.py::test_a_scene_is_a_frame_that_the_window_follows",), cheap=True,
    ),
    Mutant(
        "a dream that forgets its scene", "generation/dream.py",
        "scene=self._scene if scene is None else scene", "scene=None",
        ("test_dream.py::test_a_dream_remembers_how_it_began",), cheap=True,
    ),
    Mutant(
        "clips with the scenes of other clips", "generation/dynamics_learner.py",
        "rows_of(self.scene, rows).repeat_interleave(self.clean.shape[1] // length, dim=0)",
        "rows_of(self.scene, rows).repeat(self.clean.shape[1] // length, 1, 1)",
        ("test_forcing.py::test_every_clip_has_its_own_scene",), cheap=True,
    ),
    Mutant(
        "what moves stays, what stands moves", "generation/dream.py",
        "still = change < self._stillness**2", "still = change > self._stillness**2",
        ("test_dream.py::test_what_hardly_changes_stays_and_what_moves_is_dreamed",),
    ),
    Mutant(
        "arrays whose bytes do not fill them", "data/plain_pickle.py",
        "len(raw) == len(content) == int(code[1]) * math.prod(shape)", "len(raw)",
        ("test_plain_pickle.py::test_an_array_that_is_not_one_of_numbers_is_refused",), cheap=True,
    ),
    Mutant(
        "playlists are followed", "data/media.py",
        '"format_whitelist": CONTAINERS, ', "",
        ("test_hostile_files.py::test_a_list_of_other_files_is_not_followed",),
    ),
    Mutant(
        "moments of any shape and dtype", "training/optimiser.py",
        "            check_like(name, value, weights", "            (name, value, weights",
        ("test_checkpoint_fit.py::test_a_checkpoint_that_does_not_fit_is_refused",),
    ),
    Mutant(
        "the same scene in every epoch", "data/windows.py",
        'stable_seed(self._seed, "step", step, "scene", row) for row in rows',
        'stable_seed("scene", int(number)) for number in indices',
        ("test_windows.py::test_a_window_has_another_scene_in_another_epoch_and_for_another_seed",), cheap=True,
    ),
    Mutant(
        "the ramp left off bootstrapped targets", "generation/dynamics_learner.py",
        "weight = ramp_weight(levels.tau)", "weight = torch.where(bootstrapped, 1.0, ramp_weight(levels.tau))",
        ("test_forcing.py::test_every_target_has_the_weight_of_its_level",), cheap=True,
    ),
    Mutant(
        "the divergence the other way round", "agent/imagination_learner.py",
        "divergence(log_chances, prior)", "divergence(prior, log_chances)",
        ("test_agent.py::test_what_moves_the_policy_by_hand",), cheap=True,
    ),
    Mutant(
        "an advantage over the next state's value", "agent/imagination_learner.py",
        "returns - values[:, :-1]", "returns - values[:, 1:]",
        ("test_agent.py::test_what_moves_the_policy_by_hand",),
    ),
    Mutant(
        "a drift without units", "perception/joint_learner.py",
        "(after - before).square() / variance", "(after - before).square()",
        ("test_joint.py::test_a_drift_is_measured_in_standard_deviations_of_each_dimension",),
    ),
    Mutant(
        "a likelihood that moves means", "forecasting/state_dynamics_learner.py",
        "likelihood(forecast.mean.detach(),", "likelihood(forecast.mean,",
        ("test_state_dynamics.py::test_the_likelihood_moves_no_mean",), cheap=True,
    ),
    Mutant(
        "untrained floors without measured buffers", "models/load.py",
        "model.state_dict() | {name: weights[name] for name, _ in model.named_buffers() if name in weights}",
        "model.state_dict()",
        ("test_load.py::test_an_untrained_model_keeps_what_was_measured",), cheap=True,
    ),
    Mutant(
        "an untrained floor of a single network", "evaluation/harness.py",
        "for number in range(3))", "for number in range(1))",
        ("test_contract.py::test_an_untrained_floor_is_the_best_of_three_networks",), cheap=True,
    ),
    Mutant(
        "the page of play for whoever asks", "interactive/server.py",
        "if not hmac.compare_digest(token.encode(), self.server.token.encode()):", "if not token:",
        ("test_doors.py::test_without_the_token_nobody_sees_or_steers",),
    ),
    Mutant(
        "the page of play under any name", "interactive/server.py",
        "if len(hosts) != 1 or not LOOPBACK.fullmatch(hosts[0]):", "if len(hosts) != 1:",
        ("test_doors.py::test_a_name_that_is_rebound_to_this_machine_reaches_nothing",),
    ),
    Mutant(
        "a connection closed on its answer", "interactive/server.py",
        "while request.recv(2**16) and time.monotonic() < end:", "while False:",
        ("test_doors.py::test_a_strange_body_is_answered",),
    ),
    Mutant(
        "every rank prints", "progress.py",
        'if os.environ.get("RANK", "0") == "0":', "if True:",
        ("test_progress.py::test_one_of_several_ranks_prints",),
    ),
    Mutant(
        "infinite numbers in settings", "config/section.py",
        "allow_inf_nan=False", "allow_inf_nan=True",
        ("test_bounds.py::test_a_refusal_names_the_bound_and_is_short",),
    ),
    Mutant(
        "whole numbers without bounds", "config/section.py",
        "if isinstance(number, int | float) and abs", "if isinstance(number, float) and abs",
        ("test_bounds.py::test_every_whole_number_is_bounded",),
    ),
    Mutant(
        "a folder with too few pictures is accepted", "config/sets.py",
        "if items < self.recordings:", "if items < 0:",
        ("test_check_files.py::test_class_folders",),
    ),
    Mutant(
        "patches of any size", "generation/config.py",
        "if size % self.patch:", "if False:",
        ("test_transformer_tokenizer.py::test_the_wrong_patch_is_refused",), cheap=True,
    ),
    Mutant(
        "a used run may be cleared", "planning/kept_runs.py",
        'state = "used"', 'state = "unused"',
        ("test_kept_runs.py::test_a_finished_training_is_used_until_another_one_takes_its_place",),
    ),
    Mutant(
        "a run is cleared while its training goes on", "planning/kept_runs.py",
        "fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass",
        ("test_kept_runs.py::test_the_lock_of_a_training_is_seen",),
    ),
    Mutant(
        "two moments for Muon", "config/counts.py",
        "2 * (self.parameters - by_muon) + by_muon", "2 * self.parameters",
        ("test_sizes.py::test_the_arithmetic_is_right_for_every_preset",),
    ),
    Mutant(
        "weights among the activations", "planning/footprint.py",
        "if storage._cdata not in own:", "if storage:",
        ("test_footprint.py::test_what_autograd_keeps_of_two_layers_is_counted_by_hand",), cheap=True,
    ),
    Mutant(
        "weights that are not finite", "models/load.py",
        "elif not torch.isfinite(found).all():", "elif not len(name):",
        ("test_load.py::test_weights_of_another_kind_are_refused",), cheap=True,
    ),
    Mutant(
        "a full disk that safetensors met", "exits.py",
        "if match := _RUST_ERROR.search(text):", "if match := _RUST_ERROR.search(text[:9]):",
        ("test_exits.py::test_whichever_library_raised_it",), cheap=True,
    ),
    Mutant(
        "the rank that was left alone speaks for the one that failed", "training/launch.py",
        "(item[1].exitcode not in KNOWN_EXITS, item[1].timestamp)", "(item[1].timestamp, item[0])",
        ("test_launch.py::test_the_first_rank_that_knows_why_counts",), cheap=True,
    ),
    Mutant(
        "what a living process writes is taken for a leftover", "scratch.py",
        "fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)", "fcntl.flock(handle, fcntl.LOCK_UN)",
        ("test_scratch.py::test_a_live_writer_is_left_alone_and_ends_well",), cheap=True,
    ),
    Mutant(
        "a later process taken for the owner whose number it has", "ownership.py",
        "return _start_of(self.pid) != self.started", 'return _start_of(self.pid) == ""',
        ("test_ownership.py::test_a_later_process_with_the_same_number_is_not_its_owner",), cheap=True,
    ),
    Mutant(
        "a scheduler's jobs taken for orphans", "orphans.py",
        "in variables and not scheduled and", "in variables and",
        ("test_orphans.py::test_others_are_left_alone",), cheap=True,
    ),
    Mutant(
        "losses in bfloat16", "models/precision.py",
        "torch.autocast(device.type, enabled=False)",
        "torch.autocast(device.type, enabled=torch.is_autocast_enabled('cpu'))",
        ("test_every_learner.py::test_a_contrast_of_bfloat16_numbers_is_exact",), cheap=True,
    ),
    Mutant(
        "any kernel of attention in a training", "models/kernels.py",
        "return sdpa_kernel(SDPBackend.MATH)", "return sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION])",
        ("test_trainer.py::test_a_training_leaves_torch_the_deterministic_kernel_of_attention",),
    ),
    Mutant(
        "masks of the forcing that a GPU must report", "generation/dynamics_learner.py",
        "masks = clean.shape[:2], draw.on_cpu()", "masks = clean.shape[:2], draw",
        ("test_every_learner.py::test_a_step_reads_nothing_back_from_the_device",),
    ),
)  # fmt: skip
