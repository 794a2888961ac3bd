"""Objective of discrete dynamics: bits of the next grid."""

from __future__ import annotations

from torch import Tensor

from sensorium.puzzle.grid import CELLS
from sensorium.puzzle.next_grid import NextGrid
from sensorium.randomness import Draw
from sensorium.training.learner import Batch, Gate, Learner, Metrics

LEAST_GAIN = 0.02  # of the bits that counting takes


class NextGridLearner(Learner):
    """Bits a cell of the next grid.

    Args:
        model: whose tables were counted (`NextGrid.describe`).
        counted: bits a cell that counting takes for validation clips.
    """

    def __init__(self, model: NextGrid, counted: float) -> None:
        super().__init__()
        self.next, self._counted = model, counted

    @property
    def model(self) -> NextGrid:
        """The dynamics."""
        return self.next

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        loss = self.next.bits(batch["grids"].long(), batch.get("action")).mean() / CELLS
        return loss, {"bits": loss.detach() * CELLS}

    def gates(self, batch: Batch) -> list[Gate]:
        """The networks must be worth something beyond counts."""
        taken = float(self.next.bits(batch["grids"].long(), batch.get("action")).detach().mean()) / CELLS
        return [Gate("fewer_bits", 1 - taken / self._counted, LEAST_GAIN, "more steps, or another learning rate")]
