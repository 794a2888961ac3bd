"""Discrete dynamics: the next grid of sight from the last two and the action, cell by cell.

    before        convolutions over the two last grids and the action, a vector for each cell
    cells         a masked network that gives the cells of the next grid in the order of reading, conditioned on that

It begins as counts of training grids: of a code by the code that was there, and the cells left and above of the next
grid; and by the code that was there, and those that were right of it and below. What the network adds is zero at first.

Layouts: B moments, G = 30 rows and columns, W channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.models.layers import action_embedding
from sensorium.models.load import Loadable
from sensorium.puzzle.cell_network import CellNetwork, bits, one_hot
from sensorium.puzzle.config import CODES, NextGridConfig
from sensorium.puzzle.map_code import LocalResidual

OUTSIDE = CODES  # what stands beyond the rim
SPREAD = 8.0  # cells that shares by the code before alone count for in each context
CONTEXTS = CODES * (CODES + 1) ** 2
PAST = 2  # grids that are seen


class NextGrid(Loadable):
    """Grids int64 [B, 3, G, G], the last one to be predicted, and its action to log probabilities.

    Args:
        config: its section.
        shapes: {"action": {"kind", "size"} or None}, as recordings describe actions.

    Attributes:
        by_cells: logarithms of shares by the code before and the cells left and above, [CONTEXTS, CODES].
        by_past: the same by the code before and those that were right and below.
    """

    Config = NextGridConfig
    kind = "puzzle_next"
    by_cells: Tensor
    by_past: Tensor

    def __init__(self, config: NextGridConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        width = config.width
        self.action = action_embedding(shapes["action"], width)
        self.first = nn.Conv2d(PAST * CODES + 1, width, 3, padding=1)
        self.before = nn.Sequential(*(LocalResidual(width, nn.Conv2d) for _ in range(config.blocks)))
        self.cells = CellNetwork(width, config.blocks)
        self.weights = nn.Parameter(torch.tensor([0.8, 0.2]))  # of the two tables
        self.register_buffer("by_cells", torch.zeros(CONTEXTS, CODES))
        self.register_buffer("by_past", torch.zeros(CONTEXTS, CODES))

    @torch.no_grad()
    def describe(self, grids: np.ndarray) -> None:
        """Count training grids uint8 [n, 3, G, G]."""
        codes = torch.from_numpy(grids.astype(np.int64))
        for table, found in zip((self.by_cells, self.by_past), contexts(codes), strict=True):
            table.copy_(torch.from_numpy(np.log(shares(found.numpy(), grids[:, -1]))))

    def tables(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithms of shares by either table, [B, CODES, G, G] each."""
        cells, past = contexts(codes)
        return self.by_cells[cells].movedim(-1, 1), self.by_past[past].movedim(-1, 1)

    def forward(self, codes: Tensor, action: Tensor | None) -> Tensor:
        """Logits of the cells of the last grid, [B, CODES, G, G].

        Args:
            codes: int64 [B, 3, G, G].
            action: as recorded, [B, ...]; None if there is none.
        """
        last = [one_hot(codes[:, place]) for place in range(PAST)]
        seen = self.first(torch.cat([*last, torch.ones_like(last[0][:, :1])], 1))
        if self.action is not None and action is not None:
            seen = seen + self.action(action)[..., None, None]
        first, second = self.tables(codes)
        counted = self.weights[0] * first + self.weights[1] * second
        found: Tensor = self.cells(one_hot(codes[:, -1]), self.before(seen))
        return counted + found

    def bits(self, codes: Tensor, action: Tensor | None) -> Tensor:
        """Bits of each next grid, [B]."""
        return bits(self(codes, action), codes[:, -1]).sum((1, 2))


def contexts(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of the contexts of the cells of the next grid, int64 [B, G, G] each: by cells, and by the past."""
    before, following = codes[:, -2], codes[:, -1]
    ahead = nn.functional.pad(following, (1, 0, 1, 0), value=OUTSIDE)
    behind = nn.functional.pad(before, (0, 1, 0, 1), value=OUTSIDE)
    by_cells = (before * (CODES + 1) + ahead[:, 1:, :-1]) * (CODES + 1) + ahead[:, :-1, 1:]
    by_past = (before * (CODES + 1) + behind[:, :-1, 1:]) * (CODES + 1) + behind[:, 1:, :-1]
    return by_cells, by_past


def shares(found: np.ndarray, codes: np.ndarray, groups: int = CODES, count: int = CONTEXTS) -> np.ndarray:
    """Shares of the codes in each context, [count, CODES], which fade into those of its group where it is rare.

    Args:
        found: number of the context of each cell.
        codes: of the same cells.
        groups: contexts are numbered group by group; of the code before.
        count: of contexts.
    """
    cells = found.ravel() * CODES + codes.ravel().astype(np.int64)
    counts = np.bincount(cells, minlength=count * CODES).reshape(count, CODES)
    coarse = counts.reshape(groups, -1, CODES).sum(1) + 1.0
    coarse = np.repeat(coarse / coarse.sum(1, keepdims=True), count // groups, 0)
    faded = counts + SPREAD * coarse
    return np.asarray(faded / faded.sum(1, keepdims=True))
