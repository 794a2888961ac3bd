"""Reconstruction objective of a map."""

from __future__ import annotations

import torch
from torch import Tensor

from sensorium.models.precision import in_float32
from sensorium.models.quantisers.usage import Usage
from sensorium.puzzle.config import CODES
from sensorium.puzzle.map_code import MapCode
from sensorium.randomness import Draw
from sensorium.training.code_usage import usage_gates
from sensorium.training.learner import Audio, Batch, Gate, Image, Learner, Metrics

UNIT = 1e-3  # of the loss, in squared units of the scale: keeps gradients far above the optimiser's epsilon
LEAST_GAIN = 0.1  # dB over the untrained map
PASS = 64
SHOWN = 8


class MapLearner(Learner):
    """Mean squared error of what is decoded, on the fixed scale of the sense, in units of UNIT.

    Args:
        model: the map, whose levels and linear decoder were fitted (`MapCode.describe`).
        judged: [n, ...], validation examples over which the use of codes is counted.
    """

    judged: Tensor

    def __init__(self, model: MapCode, judged: Tensor) -> None:
        super().__init__()
        self.map = model
        self.register_buffer("judged", judged, persistent=False)

    @property
    def model(self) -> MapCode:
        """The map."""
        return self.map

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        seen = self.map.varied(batch, draw) if self.training else self.map.view(batch)
        error = squared(self.map(seen)[0], seen)
        return error / UNIT, {"error": error.detach(), "error_db": -10 * error.detach().log10()}

    def gates(self, batch: Batch) -> list[Gate]:
        """Codes must be in use, and corrections must be worth something."""
        codes = torch.cat([self.map.encode(part).codes for part in self.judged.split(PASS)])
        seen = self.map.view(batch)
        plain = self.map.linear(self.map.quantiser(self.map.start(seen)[..., None]).vectors[..., 0])
        gain = 10 * (squared(plain, seen) / squared(self.map(seen)[0], seen)).log10()
        advice = "more steps, or another learning rate"
        return [*usage_gates(Usage.of(codes, CODES)), Gate("gain_db", float(gain), LEAST_GAIN, advice)]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Originals above, what is decoded below."""
        seen = self.map.view(batch)[:SHOWN]
        rows = [torch.cat(list(part.float().clamp(0, 1)), dim=-1) for part in (seen, self.map(seen)[0])]
        pixels = torch.cat([row if row.dim() == 3 else row.flip(0)[None].expand(3, -1, -1) for row in rows], dim=-2)
        return {"map": Image(pixels)}


@in_float32
def squared(decoded: Tensor, seen: Tensor) -> Tensor:
    """Mean squared error, a scalar."""
    return (decoded - seen).square().mean()
