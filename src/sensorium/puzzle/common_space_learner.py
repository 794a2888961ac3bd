"""Objective of the common space: bits of each grid, while the others are shown or hidden at random."""

from __future__ import annotations

import torch
from torch import Tensor

from sensorium.puzzle.common_space import CommonSpace
from sensorium.puzzle.moments import SENSES
from sensorium.randomness import Draw
from sensorium.training.learner import Batch, Gate, Learner, Metrics

SHOWN = 0.5  # probability of each other grid


class CommonSpaceLearner(Learner):
    """Bits of one grid a row, the senses by turns, each in units of what counting takes for it.

    So a sentence of few bits counts as much as a picture of many.
    """

    def __init__(self, model: CommonSpace) -> None:
        super().__init__()
        self.joint = model

    @property
    def model(self) -> CommonSpace:
        """The model of the three grids."""
        return self.joint

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        codes, shown = batch["grids"].long(), draw.uniform("shown", len(SENSES)) < SHOWN
        losses = []
        for sense in range(len(SENSES)):
            rows = slice((sense - draw.start) % len(SENSES), None, len(SENSES))
            if len(codes[rows]):
                losses.append(self.joint.bits(codes[rows], shown[rows], sense) / self.joint.usual[sense])
        loss = torch.cat(losses).mean()
        return loss, {"relative_bits": loss.detach()}

    def gates(self, batch: Batch) -> list[Gate]:
        """Each grid must take fewer bits than by counting, and fewer with the others than without."""
        codes = batch["grids"].long()
        gates = []
        for sense, name in enumerate(SENSES):
            found = [
                self.joint.bits(codes, torch.full(codes.shape[:2], shown), sense).mean() for shown in (True, False)
            ]
            less = 1 - found[0] / self.joint.usual[sense]
            gates.append(Gate(f"fewer_bits_{name}", float(less), 0.0, "more steps, or another learning rate"))
        return gates
