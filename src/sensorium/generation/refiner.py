"""A second pass over a dreamed frame, which pulls it back to the look of the recordings.

A dream copies its last frame and corrects it, again and again, and nothing in that brings a frame back: errors of one
step are the input of the next. So a small network of its own sees one frame, an earlier true one (the scene) and where
the body is felt, and says of each pixel whether it is kept, shown as in the scene, drawn anew, or recalled: as a patch
of the scene looks, wherever that lies there (`recall.py`). It learns from true frames that are harmed as dreams harm
them (`harm.py`) and from those that were dreamed, apart from the dynamics and in the same training.

Layouts: R frames, of B scenes in a row, c channels and H x W pixels of a picture, P rows and columns of pixels in a
token, w channels. Places are (x, y), from -1 to 1 across the picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.generation.config import RefinerConfig
from sensorium.generation.recall import Recall

_KEPT = 2.0  # logit of "as it is" by which training starts
_NEAR, _FAR = 0.075, 0.25  # widths of the two maps of where the body is felt, of half the picture
_SOURCES = 4  # as it is, as in the scene, anew, recalled
_CONTRAST = 4.0  # by which pictures, about medium grey, are scaled for the network


class Refiner(nn.Module):
    """Residual blocks on the grid of the tokens, and a mixture of four pictures.

    Args:
        config: its section.
        colours: c.
        pixels: P.
        felt: whether a body is felt.
    """

    def __init__(self, config: RefinerConfig, colours: int, pixels: int, felt: bool) -> None:
        super().__init__()
        self.config, self.pixels, self.colours, self.felt = config, pixels, colours, felt
        seen, area = 2 * colours + (2 if felt else 0), pixels**2
        self.enter = nn.Conv2d(seen * area + 2, config.width, 3, padding=1)
        self.blocks = nn.ModuleList(RefinerBlock(config.width, 1 + number % 2) for number in range(config.blocks))
        self.leave = nn.Conv2d(config.width, (colours + _SOURCES) * area, 3, padding=1)
        self.recall = Recall(config.width, colours, pixels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.leave.bias[colours * area : (colours + 1) * area] = _KEPT  # type: ignore[index]

    def forward(
        self, frames: Tensor, scene: Tensor, places: Tensor | None, sharpness: float = 1.0
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """The pictures that are mixed, [R, c, H, W] each, and the logits of their probabilities, [R, 4, H, W].

        Args:
            frames: [R, c, H, W] in [0, 1].
            scene: earlier true frames of the same recordings, [B, c, H, W], R a multiple of B.
            places: where the body is felt, [R, 2]; None if there is none.
            sharpness: of what is recalled.
        """
        shown = scene.repeat_interleave(len(frames) // len(scene), dim=0)
        seen = [_CONTRAST * (frames - 0.5), _CONTRAST * (shown - 0.5)]
        if self.felt and places is not None:
            seen.append(felt_maps(places, frames.shape[-1]))
        h = F.pixel_unshuffle(torch.cat(seen, dim=1), self.pixels)
        axis = _centres(h.shape[-1], h.device)
        here = torch.stack(torch.meshgrid(axis, axis, indexing="ij")).expand(len(h), -1, -1, -1)
        h = self.enter(torch.cat([h, here], dim=1))
        for block in self.blocks:
            h = block(h)
        h = F.silu(h)
        made = F.pixel_shuffle(self.leave(h).float(), self.pixels)
        change, logits = made.split([self.colours, _SOURCES], dim=1)
        return (frames, shown, frames + change, self.recall(h, frames, scene, sharpness)), logits

    def refine(self, frames: Tensor, scene: Tensor, places: Tensor | None, sharpness: float) -> Tensor:
        """The frames refined, [R, c, H, W]: sources are weighed by their probabilities to the power of sharpness."""
        pictures, logits = self(frames, scene, places, sharpness)
        weights = (sharpness * logits).softmax(1).split(1, dim=1)
        return sum(weight * picture for weight, picture in zip(weights, pictures, strict=True)).clamp(0, 1)  # type: ignore[union-attr]

    def surprise(self, truth: Tensor, frames: Tensor, scene: Tensor, places: Tensor | None) -> Tensor:
        """Negative log-likelihood of each pixel of the truth, but for a constant, [R, H, W].

            -ln sum_k w_k exp(-|y - c_k|^2 / 2 s^2)

        with the pictures c_k and probabilities w_k of the sources, and a deviation s: as of the copies
        (`copies.surprise`), so that what was not harmed is left nearly as it is, and not drawn anew.
        """
        pictures, logits = self(frames, scene, places)
        far = torch.stack([(picture - truth).square().sum(1) for picture in pictures], dim=1)
        return -(logits.log_softmax(1) - far / (2 * self.config.spread**2)).logsumexp(1)


class RefinerBlock(nn.Module):
    """Two 3 x 3 convolutions beside a skip, normed over channels and places, [R, w, G, G] -> same."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.before, self.between = nn.GroupNorm(1, width), nn.GroupNorm(1, width)
        self.first = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(F.silu(self.before(x)))
        return x + self.second(F.silu(self.between(h)))


def felt_maps(places: Tensor, size: int) -> Tensor:
    """A narrow and a wide bump about places [R, 2], [R, 2, size, size]."""
    axis = _centres(size, places.device)
    across, down = (axis - places[:, :1]).square(), (axis - places[:, 1:]).square()
    far = down[:, :, None] + across[:, None, :]
    return torch.stack([torch.exp(-far / (2 * width**2)) for width in (_NEAR, _FAR)], dim=1)


def _centres(size: int, device: torch.device) -> Tensor:
    """Where the centres of so many places lie, from -1 to 1."""
    return (torch.arange(size, device=device) + 0.5) / size * 2 - 1
