"""The list of a second of sound: principal components of its spectrogram, corrected by convolutions over time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sensorium.data.sample_formats import to_sounds
from sensorium.puzzle.config import SoundListConfig
from sensorium.puzzle.list_code import ListCode
from sensorium.puzzle.map_code import LocalResidual, silent
from sensorium.puzzle.spectrogram import BANDS, COLUMNS, DecibelSpectrogram
from sensorium.puzzle.voices import varied
from sensorium.randomness import Draw
from sensorium.training.learner import Batch


class SoundList(ListCode):
    """Spectrograms [B, BANDS, COLUMNS] on the scale of `DecibelSpectrogram` to codes and back.

    Args:
        config: its section.
        shapes: {}; a sound has one shape.
    """

    Config = SoundListConfig
    kind = "puzzle_sound_list"
    stream = "audio"

    def __init__(self, config: SoundListConfig, shapes: dict[str, Any]) -> None:
        super().__init__(config, shapes, (BANDS, COLUMNS))
        self.spectrogram, width = DecibelSpectrogram(), config.width
        self._speed, self._gain = config.speed, config.gain
        self.corrections = nn.Sequential(
            nn.Conv1d(BANDS + 1, width, 3, padding=1),
            *(LocalResidual(width, nn.Conv1d) for _ in range(config.blocks)),
            nn.SiLU(),
            silent(nn.Conv1d(width, BANDS, 3, padding=1)),
        )

    def view(self, batch: Batch) -> Tensor:
        seen: Tensor = self.spectrogram(to_sounds(batch["audio"]))
        return seen

    def varied(self, batch: Batch, draw: Draw) -> Tensor:
        seen: Tensor = self.spectrogram(varied(to_sounds(batch["audio"]), self._speed, self._gain, draw))
        return seen

    def corrected(self, linear: Tensor, share: Tensor) -> Tensor:
        """Nothing is quieter than silence, so what is decoded is never below it."""
        known = share.to(linear).log10()[:, None, None].expand(-1, 1, COLUMNS)
        found: Tensor = linear + self.corrections(torch.cat([known, linear], 1))
        return found.clamp_min(0)
