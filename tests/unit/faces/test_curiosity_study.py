"""Curiosity: progress is told from noise, and the test of the study turns red when the mechanism is broken."""

from __future__ import annotations

import pytest

from sensorium.cognition.curiosity import (
    learning_progress,
    prediction_error,
)
from sensorium.studies import curiosity
from sensorium.studies.config import CuriosityConfig

CONFIG = CuriosityConfig(seeds=4, steps=300)


@pytest.fixture(scope="module")
def robust():
    return curiosity.judge([curiosity.live(CONFIG, seed, learning_progress) for seed in CONFIG.all_seeds()])


def test_progress_passes_where_errors_fail(robust):
    naive = curiosity.judge([curiosity.live(CONFIG, seed, prediction_error) for seed in CONFIG.all_seeds()])
    for metric in ("television_share", "learnable_share"):
        assert robust[metric]["passed"], metric
        assert not naive[metric]["passed"], metric


def test_regions_of_exact_states_are_caught():
    """Mutation: noise never shows a state twice, so an agent that hashes states finds the television new for ever."""
    lives = [
        curiosity.live(CONFIG, seed, learning_progress, region=lambda observation: observation.tobytes())
        for seed in CONFIG.all_seeds()
    ]
    assert not curiosity.judge(lives)["television_share"]["passed"]
