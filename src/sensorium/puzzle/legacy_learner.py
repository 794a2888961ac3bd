"""Objective of the presets of earlier work."""

from __future__ import annotations

from torch import Tensor

from sensorium.puzzle.legacy import LegacyCode
from sensorium.randomness import Draw
from sensorium.training.learner import Batch, Gate, Learner, Metrics


class LegacyLearner(Learner):
    """Error of reconstruction plus the losses of the codebook."""

    def __init__(self, model: LegacyCode) -> None:
        super().__init__()
        self.code = model

    @property
    def model(self) -> LegacyCode:
        """The preset."""
        return self.code

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        seen = self.code.view(batch)
        decoded, quantised = self.code(seen)
        error = self.code.error(decoded, seen)
        return error + quantised.loss, {"error": error.detach(), "codebook": quantised.loss.detach()}

    def gates(self, batch: Batch) -> list[Gate]:
        """None: a preset is shown as it is, and its collapse is a finding."""
        return []
