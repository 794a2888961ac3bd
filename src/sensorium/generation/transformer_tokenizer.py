"""Block-causal transformer tokenizer: patches of a clip's frames to bounded continuous tokens, and back.

After Dreamer 4 (Hafner et al. 2025), section 3.1. In the encoder, learned latent tokens attend to all tokens of their
frame; patches attend to patches only. In the decoder, patches attend to themselves and to the latents; latents attend
to latents only. The other layers attend over time, each token at its own place. Patches hidden from the encoder make
it a masked autoencoder (He et al. 2022, arXiv:2111.06377).

Layouts: B clips, T frames, P patches and N latents a frame, S = P + N, p pixels a side of a patch, D width, C
channels of a token.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.config import TOKENIZER_STRIDE
from sensorium.generation.tokenizer_config import TransformerTokenizerConfig, VideoTokenizerConfig
from sensorium.models.cache import RingCache
from sensorium.models.layers import Block, RMSNorm
from sensorium.models.recompute import through

_WAVES = 6


class Tower(nn.Module):
    """Layers over the tokens of each frame; every n-th layer is over the frames of each token instead.

    In the layers over space, keys start equal to queries. A token then attends to tokens like itself, those of its own
    place, so training need not find first where to attend (after Trockman and Kolter 2023, arXiv:2305.09828).
    """

    def __init__(self, config: TransformerTokenizerConfig) -> None:
        super().__init__()
        self.window, dim = config.frames, config.dim
        self.over_time, self.past = config.over_time, config.past
        self.blocks = nn.ModuleList()
        for over_time in self.over_time:
            kind = {"causal": True, "window": self.window} if over_time else {"rotary": False}
            block = Block(dim, config.heads, **kind)
            if not over_time:
                with torch.no_grad():
                    block.attention.project.weight[dim : 2 * dim] = block.attention.project.weight[:dim]
            self.blocks.append(block)

    def forward(self, x: Tensor, visible: Tensor, rings: list[RingCache] | None) -> Tensor:
        """[B, T, S, D] -> the same shape.

        Args:
            x: tokens.
            visible: bool [S, S], visible[i, j]: token i of a frame may attend to token j.
            rings: a cache for each layer over time; x then continues where the last call ended. None: x is whole clips.
        """
        caches = iter(rings or ())
        for block, over_time in zip(self.blocks, self.over_time, strict=True):
            if not over_time:
                x = through(block, x, visible)
                continue
            cache = next(caches, None)
            x = through(block, x.transpose(1, 2), cache=cache).transpose(1, 2)
            if cache is not None:
                cache.keep(x.shape[1])
        return x


class TransformerTokenizer(nn.Module):
    """Autoencoder of clips; a frame's tokens, and its picture, depend on it and on earlier frames only.

    Latent n belongs to place n of the grid that the dynamics assume. Patches and latents get the same encoding of their
    place. A latent starts as the mean of the patches at its place (hidden ones contribute nothing), and a patch of the
    decoder starts as the latent of its place. So training starts at a linear autoencoder of each place. Without that,
    differences between frames start much smaller than what all frames share, and the output stays at the mean image for
    hundreds of steps, until attention carries information.

    Args:
        section: its section.
        size: height and width of a frame in pixels, a multiple of the patch and of TOKENIZER_STRIDE.

    Attributes:
        patches: P.
        past: frames before a frame that its tokens depend on.

    Raises:
        ConfigurationError: if the size is not a multiple of the patch.
    """

    places: Tensor
    pool: Tensor
    spread: Tensor
    seen_encoding: Tensor
    seen_decoding: Tensor

    def __init__(self, section: VideoTokenizerConfig, size: int) -> None:
        super().__init__()
        config, channels = section.transformer, section.channels
        config.check_size(size)
        side, grid = size // config.patch, size // TOKENIZER_STRIDE
        self.patch, self.patches, self.latents = config.patch, side**2, grid**2
        pixels, dim = 3 * config.patch**2, config.dim
        self.read_patches = nn.Linear(pixels, dim)
        self.read_latents = nn.Linear(channels, dim)
        self.read_places = nn.Linear(4 * _WAVES, dim, bias=False)
        self.latent, self.hidden, self.blank = (nn.Parameter(0.02 * torch.randn(dim)) for _ in range(3))
        self.own = nn.Parameter(0.02 * torch.randn(self.patches + self.latents, dim))
        self.encoder, self.decoder = Tower(config), Tower(config)
        self.bottleneck = nn.Sequential(RMSNorm(dim, eps=1e-6), nn.Linear(dim, channels), nn.Tanh())
        self.paint = nn.Sequential(RMSNorm(dim, eps=1e-6), nn.Linear(dim, pixels))
        self.past = self.encoder.past
        self.register_buffer("places", torch.cat([_places(side), _places(grid)]), persistent=False)
        overlap = _overlap(grid, side)
        self.register_buffer("pool", overlap / overlap.sum(1, keepdim=True), persistent=False)
        self.register_buffer("spread", overlap.T / overlap.T.sum(1, keepdim=True), persistent=False)
        is_latent = torch.arange(self.patches + self.latents) >= self.patches
        self.register_buffer("seen_encoding", is_latent[:, None] | ~is_latent, persistent=False)
        self.register_buffer("seen_decoding", ~is_latent[:, None] | is_latent, persistent=False)

    def encode(self, images: Tensor, hidden: Tensor | None, rings: list[RingCache] | None = None) -> Tensor:
        """Images [B, T, 3, H, W] in [0, 1] -> tokens [B, T, N, C] in (-1, 1).

        Args:
            images: whole clips, or the next frames of a stream.
            hidden: bool [B, T, P], patches that are not seen; None: all are.
            rings: the memory of the stream (`remember`); None: whole clips.
        """
        batch, time = images.shape[:2]
        folded = F.pixel_unshuffle(2 * images.flatten(0, 1) - 1, self.patch)
        patches = self.read_patches(folded.flatten(2).transpose(1, 2)).unflatten(0, (batch, time))
        if hidden is not None:
            patches = torch.where(hidden[..., None], self.hidden.to(patches.dtype), patches)
        latents = self.latent + self.pool @ patches
        x = self.encoder(self._at_places(patches, latents), self.seen_encoding, rings)
        return self.bottleneck(x[:, :, self.patches :])

    def decode(self, tokens: Tensor, rings: list[RingCache] | None = None) -> Tensor:
        """Tokens [B, T, N, C] -> images [B, T, 3, H, W]; `rings` as for `encode`."""
        batch, time = tokens.shape[:2]
        latents = self.read_latents(tokens)
        x = self.decoder(self._at_places(self.blank + self.spread @ latents, latents), self.seen_decoding, rings)
        painted = self.paint(x[:, :, : self.patches]).flatten(0, 1).transpose(1, 2)
        side = math.isqrt(self.patches)
        images = F.pixel_shuffle(painted.unflatten(2, (side, side)), self.patch)
        return (images.unflatten(0, (batch, time)) + 1) / 2

    def remember(self) -> list[RingCache]:
        """The memory of a stream that begins, for `encode` or for `decode`."""
        tower = self.encoder
        return [RingCache(tower.window, self.places.device) for over_time in tower.over_time if over_time]

    def _at_places(self, patches: Tensor, latents: Tensor) -> Tensor:
        return torch.cat([patches, latents], dim=2) + self.read_places(self.places) + self.own


def _places(side: int) -> Tensor:
    """Sines and cosines of the centres of a grid's cells, row by row: [side * side, 4 * _WAVES]."""
    centres = (torch.arange(side) + 0.5) / side
    angles = centres[:, None] * torch.pi * 2 ** torch.arange(_WAVES)
    waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
    rows, columns = waves[:, None].expand(-1, side, -1), waves[None].expand(side, -1, -1)
    return torch.cat([rows, columns], dim=-1).flatten(0, 1)


def _overlap(rows: int, columns: int) -> Tensor:
    """Areas that the cells of two grids over the same square share: [rows * rows, columns * columns]."""
    first, second = torch.arange(rows)[:, None] / rows, torch.arange(columns)[None] / columns
    line = torch.minimum(first + 1 / rows, second + 1 / columns) - torch.maximum(first, second)
    line = line.where(line > 1e-6, 0.0)
    return torch.kron(line, line)
