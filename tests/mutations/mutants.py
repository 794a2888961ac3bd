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
        tests: of tests/unit, FILE::TEST, that must turn red.
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
        "Fisher information of zero", "objectives/consolidation.py",
        "gradient.square().mean(0) for", "0 * gradient.square().mean(0) for",
        ("test_forgetting.py::test_the_fisher_information_of_a_logistic_unit_is_that_of_the_books",), cheap=True,
    ),
    Mutant(
        "Fisher information of the mean gradient", "objectives/consolidation.py",
        "gradient.square().mean(0) for", "gradient.mean(0).square() for",
        ("test_forgetting.py::test_the_fisher_information_of_a_logistic_unit_is_that_of_the_books",),
    ),
    Mutant(
        "consolidation forgets its anchors", "objectives/consolidation.py",
        "self._anchors.append((place, importance))", "self._anchors = [(place, importance)][:0]",
        ("test_forgetting.py::test_consolidation_protects_and_a_fisher_of_zero_does_not",),
    ),
    Mutant(
        "trust without its clamp", "models/physics.py",
        "torch.sigmoid(context @ self.theta + self.start)", "(context @ self.theta + self.start)",
        ("test_physics.py::test_trust_starts_at_nine_tenths_and_keeps_its_bounds",), cheap=True,
    ),
    Mutant(
        "correction not penalised", "studies/physics_prior.py",
        "self.config.penalty / count", "0 / count",
        ("test_physics.py::test_stones_are_trusted_more_than_balloons_unless_colours_mean_nothing",),
    ),
    Mutant(
        "exceptions learned by all weights", "studies/physics_prior.py",
        "TrustedPrior.OWN if exception else", "tuple(self._weights) if exception else",
        ("test_physics.py::test_an_exception_leaves_the_rule_as_it_was",),
    ),
    Mutant(
        "gravity upside down", "models/physics.py",
        "torch.tensor([0.0, gravity * dt])", "torch.tensor([0.0, -gravity * dt])",
        ("test_physics.py::test_gravity_and_inertia_are_those_of_the_playroom",), cheap=True,
    ),
    Mutant(
        "surfaces let everything through", "models/expectation.py",
        "(reach[:, None] - distance).clamp_min(0)", "(reach[:, None] - distance).clamp_max(0).clamp_min(0)",
        ("test_expectation.py::test_contact_is_geometry", "test_expectation.py::test_ledges_are_solid_and_hold"),
    ),
    Mutant(
        "what is hidden is forgotten", "models/expectation.py",
        "torch.where(seen[:, None], state, mean)", "torch.where(seen[:, None], state, believed)",
        ("test_expectation.py::test_what_is_hidden_goes_on",), cheap=True,
    ),
    Mutant(
        "pairs of sight and sound shuffled", "objectives/alignment.py",
        "partner = torch.arange(len(logits), device=logits.device)",
        "partner = torch.arange(len(logits), device=logits.device).roll(1)",
        ("test_fusion.py::test_learns_to_foretell_and_to_pair",),
    ),
    Mutant(
        "two views of different samples", "objectives/contrastive.py",
        "partner = torch.arange(2 * count, device=views.device).roll(count)",
        "partner = torch.arange(2 * count, device=views.device).roll(count + 1)",
        ("test_contrastive.py::test_nt_xent_by_hand",),
    ),
    Mutant(
        "detached encoder", "objectives/contrastive.py",
        "self.projector(self.encode(torch.cat([first, second])))",
        "self.projector(self.encode(torch.cat([first, second])).detach())",
        ("test_contrastive.py::test_learns_to_find_pairs_and_passes_its_gates",),
    ),
    Mutant(
        "detached sense in fusion", "objectives/alignment.py",
        "images = self.fusion.image_embedding(senses[\"vision\"][:, :frames])\n        sounds",
        "images = self.fusion.image_embedding(senses[\"vision\"][:, :frames]).detach()\n        sounds",
        ("test_fusion.py::test_learns_to_foretell_and_to_pair",),
    ),
    Mutant(
        "collapse unseen", "objectives/learner.py",
        "self.value >= self.minimum", "True",
        ("test_contrastive.py::test_gates_see_collapse", "test_health.py::test_gates"),
    ),
    Mutant(
        "depth upside down", "models/priors.py",
        "height = torch.linspace(1, -1, rows", "height = torch.linspace(-1, 1, rows",
        ("test_priors.py::test_each_depth_cue_follows_rendered_depth",), cheap=True,
    ),
    Mutant(
        "energy of one phase alone", "models/priors.py",
        "for phase in (0.0, -math.pi / 2):", "for phase in (0.0, 0.0):",
        ("test_priors.py::test_energy_is_tuned_and_blind_to_phase",),
    ),
    Mutant(
        "mel bands at half the frequency", "models/encoders.py",
        "sample_rate / 2, mels, sample_rate)", "sample_rate / 2, mels, 2 * sample_rate)",
        ("test_encoders.py::test_sweep_lands_within_half_a_band_up_to_nyquist",),
    ),
    Mutant(
        "pitch shift that shifts nothing", "data/vocoder.py",
        "pitch = 2 ** (semitones / 12)", "pitch = 2 ** (0 * semitones / 12)",
        ("test_augment.py::test_pitch_moves_by_the_asked_semitones",),
    ),
    Mutant(
        "noise by exact state", "studies/curiosity.py",
        "return int(observation[: len(PLACES)].argmax())", "return hash(observation.tobytes())",
        ("test_curiosity.py::test_progress_passes_where_errors_fail",),
    ),
    Mutant(
        "progress on the lesson itself", "objectives/curiosity.py",
        "gain = held_out - self._error(before[half:], after[half:])",
        "gain = error.detach() - self._error(before[:half], after[:half])",
        ("test_curiosity.py::test_noise_gives_no_progress_and_function_does",),
    ),
    Mutant(
        "attention sees the future", "models/layers.py",
        "elif self.causal:", "elif False:",
        ("test_layers.py::test_causal_block_never_sees_the_future",), cheap=True,
    ),
    Mutant(
        "bootstrap by a single step", "objectives/forcing.py",
        "half = torch.where(moving, levels.size / 2, 0.0)", "half = torch.where(moving, levels.size, 0.0)",
        (
            "test_forcing.py::test_at_the_optimum_one_step_equals_two_of_half_the_size",
            "test_forcing.py::test_the_target_is_that_of_the_loss_in_velocities",
        ),
    ),
    Mutant(
        "everything passes", "evaluation/statistics.py",
        '"passed": margin[0] > 0', '"passed": True',
        ("test_statistics.py::test_what_equals_its_floor_fails",),
    ),
    Mutant(
        "intervals of single samples", "evaluation/statistics.py",
        "np.unique(np.asarray(groups), return_inverse=True)",
        "np.unique(np.arange(len(groups)), return_inverse=True)",
        ("test_statistics.py::test_whole_recordings_are_drawn",),
    ),
)  # fmt: skip
