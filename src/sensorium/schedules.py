"""Schedules: pure functions of the step, so a resumed run needs no scheduler state."""

from __future__ import annotations

import math


def learning_rate(step: int, *, steps: int, warmup: int, peak: float, final: float) -> float:
    """Linear warm-up, then cosine decay (Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5, one period).

    Args:
        step: number of the coming step, from 0.
        steps: steps of the whole run.
        warmup: steps until the peak is reached.
        peak: largest learning rate.
        final: last learning rate, as a fraction of the peak.

    Returns:
        The learning rate of that step.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return peak * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress)))


def average_decay(step: int, decay: float) -> float:
    """Decay of the weight average at a step: small at first, so that the random initial weights soon fade."""
    return min(decay, (1 + step) / (10 + step))


def ramp(step: int, start: int, length: int) -> float:
    """0 before a step, then linearly to 1, which is reached after `length` steps."""
    return min(1.0, (step - start + 1) / (length + 1)) if step >= start else 0.0
