"""What things look like, as a true frame shows it: turned patches of it, which a token of a dreamed frame may point to.

Colours and markings of a body are lost where frame is copied from frame. What is recalled never degrades.

Layouts: R frames, of B scenes in a row, c channels and H x W pixels of a picture, G rows and columns of tokens of P x P
pixels, J patches of S x S pixels, D numbers of a key.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TURNS, SALIENT = 8, 64  # turns of the frame, and patches of each
BUSY = 0.375  # share of the tokens of a frame that may point: those that stand out most
SURROUNDINGS = 2  # pixels on each side of a token's own that a key sees
HIDDEN, KEY = 48, 32
_CONTRAST = 4.0  # by which patches, about medium grey, are scaled for their keys
_AROUND = 17  # rows and columns of pixels that a patch stands out from


class Recall(nn.Module):
    """Points from features of tokens to patches of a scene.

    Args:
        width: channels of the features.
        colours: c.
        pixels: P.
    """

    def __init__(self, width: int, colours: int, pixels: int) -> None:
        super().__init__()
        self.pixels, self.side = pixels, pixels + 2 * SURROUNDINGS
        self.key = nn.Sequential(nn.Linear(colours * self.side**2, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, KEY))
        self.query = nn.Conv2d(width, KEY, 1)

    def forward(self, features: Tensor, frames: Tensor, scene: Tensor, sharpness: float = 1.0) -> Tensor:
        """Frames [R, c, H, W] as they are recalled; where nothing stands out they are as they were.

        Args:
            features: [R, w, G, G].
            frames: [R, c, H, W].
            scene: [B, c, H, W], R a multiple of B.
            sharpness: power of the weights of the patches.
        """
        own, each = slice(SURROUNDINGS, SURROUNDINGS + self.pixels), len(frames) // len(scene)
        tokens = F.pixel_unshuffle(frames, self.pixels).flatten(2).transpose(1, 2)  # [R, G^2, c P^2]
        stands = F.avg_pool2d(outstanding(frames), self.pixels).flatten(1)
        busy = stands.topk(round(BUSY * stands.shape[1]), dim=1).indices[..., None]
        known = patches(scene, self.pixels)  # [B, J, c, S, S]
        keys = self.key(_CONTRAST * (known.flatten(2) - 0.5))
        queries = self.query(features).flatten(2).transpose(1, 2).gather(1, busy.expand(-1, -1, KEY))
        scores = queries.unflatten(0, (-1, each)).flatten(1, 2) @ keys.transpose(1, 2)
        shown = (sharpness / math.sqrt(KEY) * scores).softmax(-1) @ known[..., own, own].flatten(2)
        shown = shown.reshape(len(frames), -1, shown.shape[-1])
        recalled = tokens.scatter(1, busy.expand_as(shown), shown)
        return F.pixel_shuffle(recalled.transpose(1, 2).unflatten(2, features.shape[-2:]), self.pixels)


def outstanding(pictures: Tensor) -> Tensor:
    """How much pixels differ from what is around them, [B, 1, H, W]."""
    around = F.avg_pool2d(F.pad(pictures, [_AROUND // 2] * 4, mode="replicate"), _AROUND, stride=1)
    return F.max_pool2d((pictures - around).abs().sum(1, keepdim=True), 3, stride=1, padding=1)


@torch.no_grad()
def patches(pictures: Tensor, pixels: int) -> Tensor:
    """The patches that stand out most, [B, J, c, S, S], of pictures [B, c, H, W] in some turns."""
    count, size = len(pictures), pictures.shape[-1]
    grids = _turns(size).to(pictures.device).repeat(count, 1, 1, 1)
    each = torch.cat([pictures, outstanding(pictures)], 1).repeat_interleave(TURNS, dim=0)
    shown = F.grid_sample(each, grids, align_corners=False, padding_mode="border")
    inside = (grids.abs().amax(-1, keepdim=True) < 1).movedim(-1, 1)  # elsewhere there is no picture
    side = pixels + 2 * SURROUNDINGS
    kept = slice(SURROUNDINGS, SURROUNDINGS + shown.shape[-1] - side + 1)
    stands = F.avg_pool2d(shown[:, -1:] * inside, pixels, stride=1)[..., kept, kept]
    best = stands.flatten(1).topk(min(SALIENT, stands[0].numel()), dim=1).indices
    across = stands.shape[-1]
    length = torch.arange(side, device=pictures.device)
    rows = (best // across)[..., None] + length
    columns = (best % across)[..., None] + length
    one = torch.arange(len(shown), device=pictures.device)[:, None, None, None]
    found = shown[:, :-1].movedim(1, -1)[one, rows[..., None], columns[..., None, :]]  # [B TURNS, n, S, S, c]
    return found.movedim(-1, 2).reshape(count, -1, pictures.shape[1], side, side)


@lru_cache(maxsize=4)
def _turns(size: int) -> Tensor:
    """Where the pixels of turned pictures lie in the picture, [TURNS, V, V, 2], V so that no corner is cut off."""
    wide = math.ceil(size * math.sqrt(2) / 2) * 2
    axis = (torch.arange(wide) - (wide - 1) / 2) * 2 / size
    down, across = torch.meshgrid(axis, axis, indexing="ij")
    angles = [2 * math.pi * number / TURNS for number in range(TURNS)]
    turned = [(math.cos(a) * across - math.sin(a) * down, math.sin(a) * across + math.cos(a) * down) for a in angles]
    return torch.stack([torch.stack(pair, -1) for pair in turned])
