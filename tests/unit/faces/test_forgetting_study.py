"""Consolidation: a Fisher information that is really one, and a study that notices when it is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sensorium.cognition.consolidation import Consolidation
from sensorium.config import ConfigurationError
from sensorium.evaluation.statistics import baseline_values
from sensorium.settings import validate
from sensorium.studies.config import ForgettingConfig
from sensorium.studies.forgetting import CHANCE, backward, forward, learn, nothing, one, run, trend

CONFIG = ForgettingConfig(recordings=60, steps=150, weights=(30.0, 3000.0), weight=30.0)


def test_transfer_is_read_from_the_matrix():
    matrix = np.array([[[0.2, 0.3, 0.2], [0.9, 0.4, 0.2], [0.6, 0.9, 0.1], [0.5, 0.7, 0.8]]])
    np.testing.assert_allclose(backward(matrix), [(-0.4 - 0.2) / 2])
    np.testing.assert_allclose(forward(matrix), [(0.1 - 0.1) / 2], atol=1e-12)
    np.testing.assert_allclose(trend(np.array([[1.0, 2, 3], [3, 2, 1], [1, 1, 1]])), [1, -1, 0])


def test_consolidation_protects_and_a_fisher_of_zero_does_not():
    """Mutation: with the Fisher information set to zero, what EWC gained is gone."""
    plain, kept, broken = (
        np.mean([backward(learn(CONFIG, seed, **how)[None]) for seed in range(3)])
        for how in ({}, {"weight": 3000.0}, {"weight": 3000.0, "importance": nothing})
    )
    assert kept > plain + 0.1
    assert abs(broken - plain) < 0.1


def test_a_fisher_of_one_is_plain_distance() -> None:
    """Its penalty is half the squared distance to the old weights; and it protects."""
    network, memory = nn.Linear(3, 2), Consolidation()
    memory.remember(network, one(network, torch.zeros(1, 3), torch.Generator()))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.5
    assert float(memory.penalty(network).detach()) == pytest.approx(0.5 * 8 * 0.25)


def test_plain_distances_are_baselines_of_consolidation() -> None:
    """Every weight of plain L2 is listed; what equals the strongest of them does not pass."""
    tiny = CONFIG.model_copy(update={"seeds": 2, "recordings": 20, "steps": 20, "plain_weights": (0.03, 0.3)})
    found = run(tiny)
    for name in ("ewc_accuracy", "replay_accuracy"):
        assert baseline_values(found.metrics[name]).keys() == {"unprotected", "plain L2 0.03", "plain L2 0.3"}
    assert "plain L2 0.3" in {row["learner"] for row in found.tables[0].rows}


def test_shuffled_labels_teach_nothing():
    accuracy = learn(CONFIG, 0, joint=True, shuffle=True)
    assert accuracy[-1].mean() < CHANCE + 0.15
    assert learn(CONFIG, 0, joint=True)[-1].mean() > 0.8


def test_a_judged_weight_must_be_among_the_weights():
    with pytest.raises(ConfigurationError, match="weights must grow"):
        validate({"studies": {"forgetting": {"weight": 7.0}}})
