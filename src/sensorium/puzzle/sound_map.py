"""The map of a second of sound: rows of cells are bands, from low to high, columns are moments.

Mel bands are the channels of convolutions over time, so one column sees all bands and harmonics are coded together. A
cell stands for 4 or 5 bands and one column of the spectrogram; the first and the last column have no cell of their own
and are decoded from those beside them, as a convolution of width 3 without padding leaves 30 of 32 columns.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.data.sample_formats import to_sounds
from sensorium.puzzle.config import SIDE, SoundMapConfig
from sensorium.puzzle.map_code import LocalResidual, MapCode, silent
from sensorium.puzzle.spectrogram import BANDS, COLUMNS, DecibelSpectrogram
from sensorium.puzzle.voices import varied
from sensorium.randomness import Draw
from sensorium.training.learner import Batch

REACH = 3  # columns of cells that a column is decoded from by the linear decoder
EDGE = (COLUMNS - SIDE) // 2


class SoundMap(MapCode):
    """Spectrograms [B, BANDS, COLUMNS] on the scale of `DecibelSpectrogram` to codes and back.

    Args:
        config: its section.
        shapes: {}; a sound has one shape.
    """

    Config = SoundMapConfig
    kind = "puzzle_sound"
    stream = "audio"

    def __init__(self, config: SoundMapConfig, shapes: dict[str, Any]) -> None:
        super().__init__(config, shapes, SIDE * REACH, BANDS)
        self.spectrogram, width = DecibelSpectrogram(), config.width
        self._speed, self._gain = config.speed, config.gain
        self.encoder = nn.Sequential(
            nn.Conv1d(BANDS, width, 3, padding=1),
            *(LocalResidual(width, nn.Conv1d) for _ in range(config.blocks)),
            nn.SiLU(),
            silent(nn.Conv1d(width, SIDE, 1 + 2 * EDGE)),
        )
        self.decoder = nn.Sequential(
            nn.Conv1d(SIDE, width, 3, padding=1),
            *(LocalResidual(width, nn.Conv1d) for _ in range(config.blocks)),
            nn.SiLU(),
            silent(nn.ConvTranspose1d(width, BANDS, 1 + 2 * EDGE)),
        )

    def view(self, batch: Batch) -> Tensor:
        seen: Tensor = self.spectrogram(to_sounds(batch["audio"]))
        return seen

    def varied(self, batch: Batch, draw: Draw) -> Tensor:
        seen: Tensor = self.spectrogram(varied(to_sounds(batch["audio"]), self._speed, self._gain, draw))
        return seen

    def pooled(self, seen: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(seen[..., EDGE:-EDGE], SIDE)

    def neighbours(self, levels: Tensor) -> Tensor:
        margin = EDGE + REACH // 2
        around = F.pad(levels, (margin, margin), mode="replicate").unfold(2, REACH, 1)
        return around.transpose(1, 2).flatten(2)

    def to_places(self, seen: Tensor) -> Tensor:
        return seen.transpose(1, 2)

    def from_places(self, values: Tensor) -> Tensor:
        return values.transpose(1, 2)
