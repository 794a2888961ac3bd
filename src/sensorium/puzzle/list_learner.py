"""Reconstruction objective of a list: prefixes of random lengths must decode."""

from __future__ import annotations

import torch
from torch import Tensor

from sensorium.models.quantisers.usage import Usage
from sensorium.puzzle.config import CODES
from sensorium.puzzle.list_code import DIGITS, ListCode
from sensorium.randomness import Draw
from sensorium.training.code_usage import usage_gates
from sensorium.training.learner import Batch, Gate, Learner, Metrics

SHORTEST = 30  # digits of a prefix in training
WHOLE = 0.25  # share of the rows that keep all digits
LEAST_GAIN = 0.1  # dB over the linear code, at all digits
PASS = 64
TINY = 1e-8


class ListLearner(Learner):
    """Squared error of what prefixes decode to, in units of that of the linear code without silence.

    So a short prefix, whose error is ten times as large, counts as much as all digits. Lengths are drawn evenly in
    their logarithm.

    Args:
        model: the list, whose components were fitted (`ListCode.describe`).
        judged: [n, ...], validation examples over which the use of codes is counted.
    """

    judged: Tensor

    def __init__(self, model: ListCode, judged: Tensor) -> None:
        super().__init__()
        self.list = model
        self.register_buffer("judged", judged, persistent=False)

    @property
    def model(self) -> ListCode:
        """The list."""
        return self.list

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        seen = self.list.varied(batch, draw) if self.training else self.list.view(batch)
        chance = draw.uniform("digits", 2)
        counts = (SHORTEST * (DIGITS / SHORTEST) ** chance[:, 0]).round().long()
        counts = torch.where(chance[:, 1] < WHOLE, DIGITS, counts)
        with torch.no_grad():
            codes = self.list.encode(seen).codes
            linear = self.list.linear(codes, counts)
            plain = (linear - seen).square().flatten(1).mean(1)
        found = self.list.corrected(linear, counts / DIGITS)
        error = (found.float() - seen).square().flatten(1).mean(1)
        relative = error / (plain + TINY)
        return relative.mean(), {"error": error.detach().mean(), "relative": relative.detach().mean()}

    def gates(self, batch: Batch) -> list[Gate]:
        """Codes must be in use, and the correction must be worth something."""
        codes = torch.cat([self.list.encode(part).codes for part in self.judged.split(PASS)])
        seen = self.list.view(batch)
        own = self.list.encode(seen).codes
        whole = torch.full((len(seen),), DIGITS, device=seen.device)
        plain, found = ((part - seen).square().mean() for part in (self.list.linear(own, whole), self.list.decode(own)))
        advice = "more steps, or another learning rate"
        return [
            *usage_gates(Usage.of(codes, CODES)),
            Gate("gain_db", float(10 * (plain / found).log10()), LEAST_GAIN, advice),
        ]
