"""A common space: one model of the grids of sound, sight and text of the same moments, any of which may be hidden.

    patches       3 x 6 cells of a grid that is shown, 50 a grid, become tokens; those of a hidden grid are all alike
    transformer   over the 150 tokens of the three grids
    cells         the tokens of a grid condition a masked network that gives its cells in the order of reading

It begins as counts of training grids: of a code by its neighbours, and by its place; what the network adds is zero at
first. So an untrained model is what counting knows, and whatever another sense tells was learned.

Layouts: B moments, S = 3 senses, G = 30 rows and columns, D channels of tokens, W channels of cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.models.layers import Block
from sensorium.models.load import Loadable
from sensorium.puzzle.cell_network import CellNetwork, bits, one_hot
from sensorium.puzzle.config import CODES, SIDE, JointConfig
from sensorium.puzzle.context_coder import CONTEXTS, OUTSIDE, TOTAL, ContextCoder, contexts
from sensorium.puzzle.moments import HEADER, SENSES

PATCH = (3, 6)  # rows and columns of cells
PATCHES = SIDE * SIDE // (PATCH[0] * PATCH[1])
FADE = 8.0  # cells that the coarser table counts for, in the tables of places


class CommonSpace(Loadable):
    """Codes int64 [B, S, G, G] to log probabilities of the codes of one sense.

    Args:
        config: its section.
        shapes: {}.

    Attributes:
        by_neighbours: logarithms of shares, [S, CONTEXTS, CODES].
        by_place: the same by place and cell to the left, [S, G * G, CODES + 1, CODES].
        usual: bits of a grid by counts, [S].
    """

    Config = JointConfig
    kind = "puzzle_joint"
    by_neighbours: Tensor
    by_place: Tensor
    usual: Tensor

    def __init__(self, config: JointConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        dim, width, senses = config.dim, config.width, range(len(SENSES))
        self.patches = nn.ModuleList(nn.Conv2d(CODES, dim, PATCH, stride=PATCH) for _ in senses)
        self.places = nn.Parameter(0.02 * torch.randn(len(SENSES), PATCHES, dim))
        self.hidden = nn.Parameter(0.02 * torch.randn(len(SENSES), dim))
        self.layers = nn.Sequential(*(Block(dim, config.heads, rotary=False) for _ in range(config.layers)))
        self.spread = nn.ModuleList(nn.ConvTranspose2d(dim, width, PATCH, stride=PATCH) for _ in senses)
        self.cells = nn.ModuleList(CellNetwork(width, config.blocks) for _ in senses)
        self.weights = nn.Parameter(torch.full((len(SENSES), 2), 0.5))  # of the two tables
        self.register_buffer("by_neighbours", torch.zeros(len(SENSES), CONTEXTS, CODES))
        self.register_buffer("by_place", torch.zeros(len(SENSES), SIDE * SIDE, CODES + 1, CODES))
        self.register_buffer("usual", torch.ones(len(SENSES)))

    @torch.no_grad()
    def describe(self, grids: np.ndarray, others: np.ndarray) -> None:
        """Count training grids uint8 [n, S, G, G]; what counting takes is found on others, such as validation grids."""
        for sense in range(len(SENSES)):
            own = grids[:, sense]
            shares = np.diff(ContextCoder(own).ends, axis=1) / TOTAL
            self.by_neighbours[sense] = torch.from_numpy(np.log(shares))
            self.by_place[sense] = torch.from_numpy(np.log(place_shares(own)))
        codes = torch.from_numpy(others.astype(np.int64))
        for sense in range(len(SENSES)):
            counted = self.counted(codes[:, sense], sense)
            self.usual[sense] = content(bits(counted, codes[:, sense]), sense).mean()

    def counted(self, codes: Tensor, sense: int) -> Tensor:
        """What counting knows of the cells of a grid [B, G, G]: logits [B, CODES, G, G]."""
        around, here = self.tables(codes, sense)
        return self.weights[sense, 0] * around + self.weights[sense, 1] * here

    def tables(self, codes: Tensor, sense: int) -> tuple[Tensor, Tensor]:
        """Logarithms of shares by neighbours and by place, [B, CODES, G, G] each."""
        wide = nn.functional.pad(codes, (1, 0, 1, 0), value=OUTSIDE)
        left, above, corner = wide[:, 1:, :-1], wide[:, :-1, 1:], wide[:, :-1, :-1]
        around = self.by_neighbours[sense][(left * (CODES + 1) + above) * (CODES + 1) + corner]
        place = torch.arange(SIDE * SIDE, device=codes.device).view(SIDE, SIDE)
        here = self.by_place[sense][place.expand_as(left), left]
        return around.movedim(-1, 1), here.movedim(-1, 1)

    def tokens(self, codes: Tensor, shown: Tensor) -> Tensor:
        """[B, S, G, G] and which grids are shown, bool [B, S] -> tokens [B, S, PATCHES, D]."""
        parts = []
        for sense, patches in enumerate(self.patches):
            seen = patches(one_hot(codes[:, sense])).flatten(2).transpose(1, 2)
            parts.append(torch.where(shown[:, sense, None, None], seen, self.hidden[sense]) + self.places[sense])
        mixed: Tensor = self.layers(torch.cat(parts, 1))
        return mixed.unflatten(1, (len(SENSES), PATCHES))

    def forward(self, codes: Tensor, shown: Tensor, sense: int) -> Tensor:
        """Logits of the cells of one sense, [B, CODES, G, G], each by those before it and the grids that are shown.

        Args:
            codes: int64 [B, S, G, G].
            shown: bool [B, S]; the sense itself counts as hidden.
            sense: number of the one that is asked for.
        """
        shown = shown.clone()
        shown[:, sense] = False
        own = self.tokens(codes, shown)[:, sense].transpose(1, 2).unflatten(2, (SIDE // PATCH[0], SIDE // PATCH[1]))
        found: Tensor = self.cells[sense](one_hot(codes[:, sense]), self.spread[sense](own))
        return self.counted(codes[:, sense], sense) + found

    def bits(self, codes: Tensor, shown: Tensor, sense: int) -> Tensor:
        """Bits of the content of each grid of a sense, [B]; arguments as of `forward`."""
        return content(bits(self(codes, shown, sense), codes[:, sense]), sense)


def content(cells: Tensor, sense: int) -> Tensor:
    """Sum over the cells [B, G, G] that are content: a text's header follows from its words."""
    first = HEADER if SENSES[sense] == "text" else 0
    return cells.flatten(1)[:, first:].sum(1)


def place_shares(grids: np.ndarray) -> np.ndarray:
    """Shares of the codes at each place by the cell to the left, [G * G, CODES + 1, CODES]; coarser where few are."""
    codes = grids.reshape(len(grids), -1).astype(np.int64)
    left = contexts(grids).reshape(len(grids), -1) // (CODES + 1) ** 2
    place = np.arange(SIDE * SIDE)
    cells = ((place * (CODES + 1) + left) * CODES + codes).ravel()
    counts = np.bincount(cells, minlength=SIDE * SIDE * (CODES + 1) * CODES)
    counts = counts.reshape(SIDE * SIDE, CODES + 1, CODES).astype(np.float64)
    here = counts.sum(1, keepdims=True)
    usual = here.sum(0, keepdims=True) + 1
    here = here + FADE * usual / usual.sum()
    found = counts + FADE * here / here.sum(2, keepdims=True)
    return np.asarray(found / found.sum(2, keepdims=True))
