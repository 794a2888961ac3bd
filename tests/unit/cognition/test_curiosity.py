"""Curiosity: progress is separated from noise, and the metrics of the study fail if the mechanism is broken."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sensorium.cognition.curiosity import (
    ForwardModel,
    Interest,
    Lesson,
    learning_progress,
    prediction_error,
    relative_progress,
)


def lessons(model: ForwardModel, noise: float, visits: int) -> list[Lesson]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(visits):
        before = torch.from_numpy(rng.standard_normal((64, 3)).astype(np.float32))
        after = (1 - noise) * torch.tanh(before) + noise * torch.from_numpy(rng.standard_normal((64, 3))).float()
        found.append(model.observe(before, after))
    return found


def test_the_forward_model_is_really_trained():
    found = lessons(ForwardModel(3, 3, 32, 0.003, seed=0), 0.0, 200)
    assert np.mean([lesson.error for lesson in found[-20:]]) < 0.2 * np.mean([lesson.error for lesson in found[:5]])
    assert np.mean([lesson.gain for lesson in found[:50]]) > 0


def test_noise_gives_no_progress_and_function_does():
    noisy, lawful = (lessons(ForwardModel(3, 3, 32, 0.003, seed=0), noise, 40) for noise in (1.0, 0.0))
    assert learning_progress(noisy[-20:]) == 0
    assert learning_progress(lawful[-20:]) > 0
    assert prediction_error(noisy[-20:]) > prediction_error(lawful[-20:])


def test_relative_progress_is_the_share_of_the_error_that_went():
    """So lessons that took a hundredth of a large error count less than one that halved a small one."""
    halved, lucky = [Lesson(0.04, 0.03), Lesson(0.04, 0.01)], [Lesson(4.0, 0.1), Lesson(4.0, -0.02)]
    assert relative_progress(halved) == pytest.approx(0.5**0.5)
    assert relative_progress(lucky) == pytest.approx(0.1)
    assert relative_progress([Lesson(1.0, -0.1), Lesson(1.0, 0.1)]) == 0
    assert learning_progress(halved) < learning_progress([Lesson(4.0, 0.1), Lesson(4.0, 0.09)])


def test_unknown_places_come_first_then_interest_decides():
    interest = Interest(8, learning_progress, lambda observation: int(observation[0]))
    places = [np.array([number]) for number in range(3)]
    for number, gain in ((0, 0.0), (1, 0.5)):
        for _ in range(4):
            interest.note(places[number], Lesson(1.0, gain))
    np.testing.assert_allclose(interest.shares(places, 0.3), [0.1, 0.1, 0.8])
    for _ in range(4):
        interest.note(places[2], Lesson(1.0, 0.0))
    np.testing.assert_allclose(interest.shares(places, 0.3), [0.1, 0.8, 0.1])
    for _ in range(8):
        interest.note(places[1], Lesson(1.0, 0.0))
    np.testing.assert_allclose(interest.shares(places, 0.3), [1 / 3] * 3)
