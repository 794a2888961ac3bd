"""The map of a picture: a cell stands for the brightness at its place, and corrections carry the colours.

Pictures of 32 x 32 pixels have a cell for every pixel but those of the rim; larger ones are divided into 32 x 32
places, of whose pixels a cell begins with the mean. Networks run at 16 x 16, where four places are folded into channels
(space-to-depth), as layers at full resolution are the costly part of a small convolutional network.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.data.sample_formats import WHITE, to_images
from sensorium.puzzle.config import PICTURE, SIDE, SightMapConfig
from sensorium.puzzle.map_code import LocalResidual, MapCode, silent
from sensorium.training.learner import Batch

LUMA = (0.299, 0.587, 0.114)  # Rec. ITU-R BT.601
REACH = 5  # rows and columns of cells that a place is decoded from by the linear decoder
EDGE = (PICTURE - SIDE) // 2
FOLD = 2


class SightMap(MapCode):
    """Images [B, 3, H, W] in [0, 1] to codes and back; what is decoded is close to [0, 1], clamp before showing it.

    Args:
        config: its section.
        shapes: {"size": height and width in pixels, a multiple of 32}.

    Raises:
        ValueError: if the size is no such multiple.
    """

    Config = SightMapConfig
    kind = "puzzle_sight"
    stream = "video"

    def __init__(self, config: SightMapConfig, shapes: dict[str, Any]) -> None:
        pixels, rest = divmod(int(shapes["size"]), PICTURE)
        if rest or not pixels:
            raise ValueError(f"size is {shapes['size']}: it must be a multiple of {PICTURE}")
        super().__init__(config, shapes, REACH**2, 3 * pixels**2)
        self.pixels, width = pixels, config.width
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(FOLD * pixels),
            nn.Conv2d(3 * (FOLD * pixels) ** 2, width, 3, padding=1),
            *(LocalResidual(width, nn.Conv2d) for _ in range(config.blocks)),
            nn.SiLU(),
            silent(nn.Conv2d(width, FOLD**2, 3, padding=1)),
            nn.PixelShuffle(FOLD),
            Inner(),
        )
        self.decoder = nn.Sequential(
            Outer(),
            nn.PixelUnshuffle(FOLD),
            nn.Conv2d(FOLD**2, width, 3, padding=1),
            *(LocalResidual(width, nn.Conv2d) for _ in range(config.blocks)),
            nn.SiLU(),
            silent(nn.Conv2d(width, 3 * (FOLD * pixels) ** 2, 3, padding=1)),
            nn.PixelShuffle(FOLD * pixels),
        )

    def view(self, batch: Batch) -> Tensor:
        return to_images(batch["video"])[:, -1]

    def pooled(self, seen: Tensor) -> Tensor:
        grey = sum(share * seen[:, channel] for channel, share in enumerate(LUMA))
        assert isinstance(grey, Tensor)
        return F.avg_pool2d(grey, self.pixels)[:, EDGE:-EDGE, EDGE:-EDGE]

    def neighbours(self, levels: Tensor) -> Tensor:
        margin = EDGE + REACH // 2
        wide = F.pad(levels[:, None], (margin,) * 4, mode="replicate")
        return F.unfold(wide, REACH).transpose(1, 2)

    def still(self, before: Tensor, after: Tensor) -> Tensor:
        """Cells of which no pixel differs between two pictures [B, 3, H, W]: bool [B, SIDE, SIDE]."""
        moved = self.to_places(after - before).abs().amax(2) > 0.5 / WHITE
        return ~moved.view(-1, PICTURE, PICTURE)[:, EDGE:-EDGE, EDGE:-EDGE]

    def to_places(self, seen: Tensor) -> Tensor:
        return F.pixel_unshuffle(seen, self.pixels).flatten(2).transpose(1, 2)

    def from_places(self, values: Tensor) -> Tensor:
        return F.pixel_shuffle(values.transpose(1, 2).unflatten(2, (PICTURE, PICTURE)), self.pixels)


class Inner(nn.Module):
    """Places [B, 1, 32, 32] -> those that have a cell, [B, 30, 30]."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0, EDGE:-EDGE, EDGE:-EDGE]


class Outer(nn.Module):
    """Levels of cells [B, 30, 30] -> of all places, [B, 1, 32, 32]: the rim repeats its neighbours."""

    def forward(self, levels: Tensor) -> Tensor:
        return F.pad(levels[:, None], (EDGE,) * 4, mode="replicate")
