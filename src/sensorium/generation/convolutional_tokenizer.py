"""Convolutional video tokenizer: a frame to a grid of bounded continuous tokens, and back.

Layouts: B frames, H and W pixels, N tokens, C channels of a token, D width, h and w cells of a hidden grid. Layers at
full resolution are the costly part of a small convolutional autoencoder. So pixels are folded into channels first
(space-to-depth), the inverse (depth-to-space) makes the image, and no layer runs at full resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.config import TOKENIZER_STRIDE
from sensorium.generation.tokenizer_config import VideoTokenizerConfig

_FOLD = 2  # side in pixels of the blocks that are folded into channels
_GROUPS = 4  # of the normalisation; the section's width is a multiple


class Residual(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), 3 x 3; [B, D, h, w] -> same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, width) for _ in range(2))
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        hidden = x
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            hidden = convolution(F.silu(norm(hidden)))
        return x + hidden


class ConvolutionalTokenizer(nn.Module):
    """Autoencoder of single frames with a bounded bottleneck (tanh, as in Dreamer 4, section 3.1).

    Args:
        config: its section.
        size: height and width of a frame in pixels, a multiple of TOKENIZER_STRIDE.
    """

    def __init__(self, config: VideoTokenizerConfig, size: int) -> None:
        super().__init__()
        channels = config.channels
        self.grid = size // TOKENIZER_STRIDE
        wide, wider = 2 * config.width, 4 * config.width
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(_FOLD),
            nn.Conv2d(3 * _FOLD**2, config.width, 3, padding=1),
            Residual(config.width),
            nn.Conv2d(config.width, wide, 2, stride=2),
            Residual(wide),
            nn.Conv2d(wide, wider, 2, stride=2),
            Residual(wider),
            nn.GroupNorm(_GROUPS, wider),
            nn.SiLU(),
            nn.Conv2d(wider, channels, 1),
            nn.Tanh(),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(channels, wider, 3, padding=1),
            Residual(wider),
            Residual(wider),
            nn.ConvTranspose2d(wider, wide, 2, stride=2),
            Residual(wide),
            nn.ConvTranspose2d(wide, config.width, 2, stride=2),
            Residual(config.width),
            nn.GroupNorm(_GROUPS, config.width),
            nn.SiLU(),
            nn.Conv2d(config.width, 3 * _FOLD**2, 3, padding=1),
            nn.PixelShuffle(_FOLD),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [0, 1] -> tokens [B, N, C] in (-1, 1), row by row."""
        grid = self.encoder((2 * images - 1).contiguous(memory_format=torch.channels_last))
        return grid.flatten(2).transpose(1, 2)

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens [B, N, C] -> images [B, 3, H, W], close to [0, 1]: clamp before showing or scoring them."""
        grid = tokens.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        return (self.decoder(grid.contiguous(memory_format=torch.channels_last)) + 1) / 2
