"""Residual quantisation: each stage codes what the stages before left (Zeghidour et al. 2021, arXiv:2107.03312)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sensorium.models.quantisers.quantiser import Quantised, Quantiser, straight_through


class ResidualQuantiser(Quantiser):
    """Stages of any kind, for vectors of one width; the code of a vector is one number for each stage.

    Args:
        stages: the quantisers, in order.
        shrink: factor by which each stage's vectors are smaller than those of the stage before. Kinds with fixed words
            (FSQ, LFQ, BSQ) need it, or a later stage could not code a small rest: L - 1 for FSQ of L levels. The
            channels of FSQ should be bounded by clamp here: tanh would bend every rest again.

    Any prefix of the stages is a coarser code: `decode` takes as many columns of codes as are given.
    """

    def __init__(self, stages: Sequence[Quantiser], shrink: float = 1.0) -> None:
        dims = {stage.dim for stage in stages}
        if len(dims) != 1:
            raise ValueError(f"stages take vectors of widths {sorted(dims)}: one width is needed, and at least a stage")
        super().__init__(dims.pop(), math.prod(stage.size for stage in stages))
        self._stages = tuple(stages)
        self.stages = nn.ModuleList(stages)  # so that torch knows their weights
        self._scales = [shrink**-number for number in range(len(stages))]

    @property
    def bits(self) -> float:
        """Nominal bits of all stages."""
        return sum(stage.bits for stage in self._stages)

    def forward(self, vectors: Tensor) -> Quantised:
        rest, total = vectors, torch.zeros_like(vectors)
        codes, loss = [], vectors.new_zeros(())
        for stage, scale in zip(self._stages, self._scales, strict=True):
            found = stage(rest / scale)
            part = scale * found.vectors.detach()
            rest, total = rest - part, total + part
            codes.append(found.codes)
            loss = loss + found.loss
        return Quantised(straight_through(vectors, total), torch.stack(codes, -1), loss, self.bits)

    def decode(self, codes: Tensor) -> Tensor:
        columns = zip(self._stages, self._scales, codes.unbind(-1), strict=False)
        return torch.stack([scale * stage.decode(column) for stage, scale, column in columns]).sum(0)
