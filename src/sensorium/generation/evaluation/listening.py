"""What is heard in windows and after their context: onsets and loudness, over several dreams.

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
    """What is heard in some windows, over M dreams: [M, n, frames] each.

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
    """Listens to sounds of whole windows, as far as is asked."""

    def __init__(self, studio: Studio) -> None:
        details = studio.recordings.details
        self.rate, self.samples = int(details["sample_rate"]), int(details["samples_per_frame"])
        self.given, self.per_second = studio.config.context, float(details["frames_per_second"])
        self.onsets = Onsets(studio.bench, self.rate, self.samples)

    def __call__(self, *waves: np.ndarray) -> Heard:
        """Whole windows of sounds [n, S], one array a dream."""
        strength, loudness = (
            [listen(sounds) for sounds in waves] for listen in (self.onsets.strength, self.onsets.loudness)
        )
        return Heard(np.stack(strength), np.stack(loudness))

    def dreamed(self, *waves: np.ndarray) -> Heard:
        """What follows the context of sounds [n, S], one array a dream."""
        return self.frames(self(*waves), slice(self.given, None))

    def repeated(self, heard: Heard) -> Heard:
        """The context of whole windows again and again, for as long as what follows it lasts."""
        return self.frames(heard, np.arange(heard.strength.shape[2] - self.given) % self.given)

    @staticmethod
    def frames(heard: Heard, part: slice | np.ndarray) -> Heard:
        """Some frames of what is heard."""
        return Heard(heard.strength[:, :, part], heard.loudness[:, :, part])
