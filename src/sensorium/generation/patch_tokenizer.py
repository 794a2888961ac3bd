"""Patch tokenizer: the pixels of each small patch are its token, turned and scaled so that changes are white.

Nothing is lost, so a dream is as sharp as its dynamics. A token is W (x - m), where x holds the 3 P^2 values of a patch
of P x P pixels, m is their mean over the training recordings, and W whitens their changes from frame to frame: with
the covariance of the changes E diag(l) E', W = diag((l + floor)^(-1/2)) E' (Kessy, Lewin and Strimmer 2018, "Optimal
whitening and decorrelation", PCA whitening). So unit noise on tokens looks like the changes that a frame may bring.

Layouts: B frames, H and W pixels, N tokens, C = 3 P^2 channels of a token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SMALLEST_CHANGE = 3 / 255  # of a pixel, standard deviation: what hardly changes is not scaled up further


class PatchTokenizer(nn.Module):
    """Whitened patches, and their inverse. It has no weights, only statistics of the training recordings (`describe`).

    Args:
        side: P, height and width of a patch in pixels.
        size: height and width of a frame in pixels, a multiple of P.
    """

    mean: Tensor
    whiten: Tensor
    colour: Tensor

    def __init__(self, side: int, size: int) -> None:
        super().__init__()
        self.side, self.grid, channels = side, size // side, 3 * side**2
        self.register_buffer("mean", torch.full((channels,), 0.5))
        self.register_buffer("whiten", 4 * torch.eye(channels))
        self.register_buffer("colour", torch.eye(channels) / 4)

    def describe(self, mean: Tensor, change: Tensor) -> None:
        """Set the statistics: mean [C] of the training patches, covariance [C, C] of their changes."""
        spread, directions = torch.linalg.eigh(change.double())
        scale = (spread.clamp_min(0) + SMALLEST_CHANGE**2).sqrt()
        self.mean.copy_(mean)
        self.whiten.copy_((directions / scale).T)
        self.colour.copy_(directions * scale)

    def patches(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] -> patches [B, N, C], row by row."""
        return F.pixel_unshuffle(images, self.side).flatten(2).transpose(1, 2)

    def encode(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [0, 1] -> tokens [B, N, C]."""
        return (self.patches(images) - self.mean) @ self.whiten.T

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens [B, N, C] -> images [B, 3, H, W]; of a dream they may lie outside of [0, 1]."""
        patches = tokens @ self.colour.T + self.mean
        return F.pixel_shuffle(patches.transpose(1, 2).unflatten(2, (self.grid, self.grid)), self.side)
