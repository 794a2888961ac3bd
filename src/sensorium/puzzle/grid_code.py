"""The interface of all learned codes on the grid: what is seen to 900 codes, and codes alone to what is seen."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from sensorium.models.load import Loadable
from sensorium.models.quantisers.quantiser import Quantised
from sensorium.randomness import Draw
from sensorium.training.learner import Batch


class GridCode(Loadable):
    """A code of sounds, pictures or texts; B examples, G = 30 rows and columns of cells.

    Attributes:
        stream: field of a batch that is coded: "audio", "video" or "text".
    """

    stream: ClassVar[str]

    @abstractmethod
    def view(self, batch: Batch) -> Tensor:
        """What is coded of a batch of recordings, float [B, ...]."""

    def varied(self, batch: Batch, draw: Draw) -> Tensor:
        """The same in training, where a subclass may vary it."""
        return self.view(batch)

    @abstractmethod
    def encode(self, seen: Tensor) -> Quantised:
        """[B, ...] -> codes int64 [B, G, G], each 0 to 9."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Codes int64 [B, G, G] -> [B, ...]; nothing else is needed."""
