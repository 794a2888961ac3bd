"""Mutants of quantisers, of the maps of sound and sight, and of what judges them."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "corrections without a bound",
        "puzzle/map_code.py",
        "self._most * torch.tanh(self.encoder(seen) / self._most)",
        "self.encoder(seen)",
        ("test_maps.py::test_corrections_are_bounded",),
    ),
    Mutant(
        "levels that are not symmetric",
        "models/quantisers/scalar.py",
        "torch.floor((bounded + 1) * steps + 0.5)",
        "torch.floor((bounded + 1) * steps)",
        ("test_quantisers.py::test_levels_are_even_symmetric_and_in_order",),
        cheap=True,
    ),
    Mutant(
        "gradients that end at the codes",
        "models/quantisers/quantiser.py",
        "return vectors + (quantised - vectors).detach()",
        "return quantised + 0 * vectors",
        ("test_quantisers.py::test_gradients_pass_straight_through",),
    ),
    Mutant(
        "dead words stay dead",
        "models/quantisers/moving.py",
        "        if len(dead):\n",
        "        if False:\n",
        ("test_quantisers.py::test_dead_words_come_back",),
    ),
    Mutant(
        "perplexities of batches are averaged",
        "models/quantisers/usage.py",
        "return Usage(self.counts + more.counts)",
        "return self",
        ("test_quantisers.py::test_use_is_counted_over_the_set",),
    ),
    Mutant(
        "a collapsed code passes its gate",
        "training/code_usage.py",
        "float(usage.shares.min())",
        "float(usage.shares.max())",
        ("test_quantisers.py::test_a_collapsed_quantiser_is_not_exported",),
    ),
    Mutant(
        "a scale that depends on the batch",
        "puzzle/spectrogram.py",
        "return (decibels - QUIETEST) / RANGE",
        "return (decibels - decibels.min()) / (decibels.max() - decibels.min() + 1e-9)",
        ("test_maps.py::test_the_scale_does_not_depend_on_the_batch",),
    ),
    Mutant(
        "the picture reaches the decoder beside its codes",
        "puzzle/map_code.py",
        "return self.decode_levels(quantised.vectors[..., 0]), quantised",
        "return self.decode_levels(quantised.vectors[..., 0]) + 0.01 * seen, quantised",
        ("test_maps.py::test_nothing_but_the_codes_reaches_the_decoder",),
    ),
    Mutant(
        "a norm over all places",
        "puzzle/map_code.py",
        "x.square().mean(1, keepdim=True)",
        "x.square().mean(tuple(range(1, x.dim())), keepdim=True)",
        ("test_maps.py::test_a_cell_depends_on_nothing_beyond_its_reach",),
    ),
    Mutant(
        "components that take more bits than the grids",
        "evaluation/baselines/component_codes.py",
        "        if Tables(known, step)(wanted).mean() > bits:\n            lowest = step\n",
        "        if Tables(known, step)(wanted).mean() > 2 * bits:\n            lowest = step\n",
        ("test_baselines_codes.py::test_bits_follow_the_rate_of_a_gaussian",),
    ),
    Mutant(
        "a context that sees the cell itself",
        "puzzle/context_coder.py",
        "left, above, corner = wide[:, 1:, :-1], wide[:, :-1, 1:], wide[:, :-1, :-1]",
        "left, above, corner = wide[:, 1:, 1:], wide[:, :-1, 1:], wide[:, :-1, :-1]",
        ("test_context_coder.py::test_contexts_see_only_what_was_written_before",),
    ),
    Mutant(
        "examples from the test recordings",
        "puzzle/evaluation/maps.py",
        'for split in ("training", "test")',
        'for split in ("test", "test")',
        ("test_puzzle_stage.py::test_trained_passes_and_untrained_fails",),
    ),
    Mutant(
        "speakers in both splits",
        "data/sources/sound_folders.py",
        'parts["test" if voice in held_out else "training"].append(sound)',
        'parts["test" if hash(sound) % 3 == 0 else "training"].append(sound)',
        ("test_labelled_sets.py::test_speakers_of_the_test_split_are_in_no_other",),
    ),
)
