"""Schedules by their fixed points."""

from __future__ import annotations

import pytest

from sensorium.schedules import average_decay, learning_rate


def rate(step: int, warmup: int = 10) -> float:
    """A run of 101 steps at 1e-3."""
    return learning_rate(step, steps=101, warmup=warmup, peak=1e-3, final=0.1)


def test_learning_rate() -> None:
    assert rate(0) == pytest.approx(1e-4)
    assert rate(9) == pytest.approx(1e-3)
    assert rate(10) == pytest.approx(1e-3)
    assert rate(55) == pytest.approx(0.55e-3)
    assert rate(100) == pytest.approx(1e-4)
    assert rate(1000) == pytest.approx(1e-4)
    assert rate(0, warmup=0) == pytest.approx(1e-3)
    assert all(rate(step + 1) < rate(step) for step in range(10, 100))
    assert learning_rate(0, steps=1, warmup=0, peak=1.0, final=0.1) == 1.0


def test_average_decay() -> None:
    assert average_decay(0, 0.99) == pytest.approx(0.1)
    assert average_decay(10**6, 0.99) == 0.99
