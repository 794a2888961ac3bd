"""What is heard after the context of a window: onsets and loudness, over several dreams.

Layouts: M dreams, n windows, S samples of a whole window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sensorium.evaluation.onsets import Onsets, are_onsets
from sensorium.generation.evaluation.dreams import Studio

Ensemble = np.ndarray  # [M, n]: M forecasts of a number for each window


@dataclass(frozen=True)
class Heard:
    """What is heard after the context of some windows, over M dreams: [M, n, horizon] each.

    Attributes:
        strength: of onsets, dB.
        loudness: level, dB.
    """

    strength: np.ndarray
    loudness: np.ndarray

    def rate(self, per_second: float) -> Ensemble:
        """Onsets a second."""
        return are_onsets(self.strength).mean(2) * per_second

    @property
    def spread(self) -> Ensemble:
        """Standard deviation of the level over the frames of a window, dB."""
        return self.loudness.std(2)


class Ear:
    """Listens to sounds of whole windows, and keeps what comes after the context."""

    def __init__(self, studio: Studio) -> None:
        details = studio.recordings.details
        self.rate, self.samples = int(details["sample_rate"]), int(details["samples_per_frame"])
        self.given, self.per_second = studio.config.context, float(details["frames_per_second"])
        self.onsets = Onsets(studio.bench, self.rate, self.samples)

    def __call__(self, *waves: np.ndarray) -> Heard:
        """Of sounds [n, S], one array a dream."""
        parts = [(self.onsets.strength(sounds), self.onsets.loudness(sounds)) for sounds in waves]
        strength, loudness = (np.stack(values)[:, :, self.given :] for values in zip(*parts, strict=True))
        return Heard(strength, loudness)

    def context(self, waves: np.ndarray, horizon: int) -> tuple[np.ndarray, Heard]:
        """Strengths of the context [n, given], and the context heard again and again."""
        again = np.arange(horizon) % self.given
        known = self.onsets.strength(waves), self.onsets.loudness(waves)
        strength, loudness = (part[:, : self.given] for part in known)
        return strength, Heard(strength[None, :, again], loudness[None, :, again])
