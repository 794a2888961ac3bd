"""The way of video tokens through the dynamics on their own fine grid: local blocks, and a head that copies.

Tokens of the transformer are coarse: pool x pool fine tokens each. Earlier frames enter it by a linear embedding of a
frame and the one before. The frame that is denoised enters it by features of local blocks, which see the frame and the
last ones as they are; more blocks see what comes back (an hourglass: Newell et al. 2016, arXiv:1603.06937).

Layouts: R frames that are denoised, N tokens on a grid of G x G, C channels, D width of the transformer, n coarse
tokens, w channels of the blocks, K sources of copies, c channels and H x W pixels of a picture. tau is the signal
level: 0 noise, 1 clean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.generation.body_sense import BodySense
from sensorium.generation.config import LAST_FRAMES, FineConfig
from sensorium.generation.copies import Sources, mean_copy, surprise, surrounded
from sensorium.generation.refiner import Refiner

_STILL = 4.0  # logit by which training starts with what was there before
_LEAST = 0.04  # correction of a pixel, of full scale, that the sharpest dreams make
_VARIANCE = 0.1  # of a standardised token about its prediction, at the start


@dataclass(frozen=True)
class Crop:
    """Square parts of grids, which is where the fine path looks in training.

    Attributes:
        top, left: first row and column in tokens, int64 [R].
        side: rows and columns in tokens.
    """

    top: Tensor
    left: Tensor
    side: int

    def cut(self, grid: Tensor, pixels: int = 1, margin: int = 0) -> Tensor:
        """The parts of grids [R, C, H, W], whose tokens have `pixels` rows and columns, `margin` more on each side."""
        length = torch.arange(self.side * pixels + 2 * margin, device=grid.device)
        rows, columns = self.top[:, None] * pixels + length, self.left[:, None] * pixels + length
        each = torch.arange(len(grid), device=grid.device)[:, None, None]
        return grid[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

    def cut_tokens(self, tokens: Tensor) -> Tensor:
        """The parts of frames of tokens, [R, N, C] -> [R, side^2, C]."""
        return self.cut(on_grid(tokens)).flatten(2).transpose(1, 2)


class Mixture(NamedTuple):
    """What the head says of a picture before it looks at the noised one: copies and a correction.

    Attributes:
        logits: of the sources, for each pixel, [R, K, H, W].
        correction: [R, c, H, W].
        sources: K of them.
    """

    logits: Tensor
    correction: Tensor
    sources: Sources

    def surprise(self, truth: Tensor, spread: float) -> Tensor:
        """Negative log-likelihood of each pixel of the truth [R, c, H, W], [R, H, W] (`copies.surprise`)."""
        return surprise(self.logits, self.correction, truth, self.sources, spread)


@dataclass(frozen=True)
class Looked:
    """What the blocks above the transformer keep for those below it.

    Attributes:
        features: [R, w, G, G], or of a crop.
        condition: after its first layer, [R, D].
        noised: the frame, [R, C, G, G], or of a crop.
        sources: of copies.
    """

    features: Tensor
    condition: Tensor
    noised: Tensor
    sources: Sources


class FineBlock(nn.Module):
    """Two 3 x 3 convolutions beside a skip; scale and shift of the first norm come from the condition (FiLM, Perez et
    al. 2018, arXiv:1709.07871), [R, w, G, G] -> same.
    """

    def __init__(self, width: int, dim: int, dilation: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.first = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.steer = nn.Linear(dim, 2 * width)
        _silence(self.second)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.steer(condition)[:, :, None, None].chunk(2, dim=1)
        h = self.first(F.silu(_normed(x, self.before) * (1 + scale) + shift))
        return x + self.second(F.silu(_normed(h, self.between)))


class FinePath(nn.Module):
    """Local blocks before and after the transformer, and the head.

    Args:
        config: its section.
        grid: G.
        channels: C.
        pixels: rows and columns of pixels in a token that copies may be shifted by; 1: copies are of whole tokens.
        dim: D.
        body: tokens of the body sense; 0: there is none.
        action: numbers of an action, or choices.

    Raises:
        ConfigurationError: if the coarse tokens or the crops do not fill the grid.
        ValueError: if the pixels of a token are not those of its channels.
    """

    to_pixels: Tensor
    to_tokens: Tensor
    offset: Tensor
    places: Tensor

    def __init__(
        self, config: FineConfig, grid: int, channels: int, pixels: int, dim: int, body: int = 0, action: int = 0
    ) -> None:
        super().__init__()
        config.check_grid(grid)
        if channels % pixels**2:
            raise ValueError(f"a token has {channels} channels: not a multiple of its {pixels**2} pixels")
        self.config, self.grid, self.channels, self.pixels = config, grid, channels, pixels
        self.coarse = (grid // config.pool) ** 2
        width, pool = config.width, config.pool
        self.read_frames = nn.Conv2d(2 * channels, dim, pool, stride=pool)
        self.enter = nn.Conv2d(channels * (LAST_FRAMES + 2) + (4 if body else 2), width, 3, padding=1)
        self.condition = nn.Sequential(nn.Linear(dim, dim), nn.SiLU())
        self.blocks = nn.ModuleList(FineBlock(width, dim, 1 + number % 2) for number in range(config.blocks))
        self.down = nn.Conv2d(width, dim, pool, stride=pool)
        self.up = nn.ConvTranspose2d(dim, width, pool, stride=pool)
        self.norm = nn.LayerNorm(width)
        self.sources = (2 * config.reach + 1) ** 2 + 1
        self.choose = nn.Conv2d(width, self.sources * pixels**2, 1)
        self.correct = nn.Conv2d(width, channels, 3, padding=1)
        self.doubt = nn.Conv2d(width, 1, 1)
        for layer in (self.up, self.choose, self.correct, self.doubt):  # training starts at the last frame
            _silence(layer)
        start = torch.zeros(self.sources, pixels**2)
        start[2 * config.reach * (config.reach + 1)] = _STILL
        with torch.no_grad():
            self.choose.bias.copy_(start.flatten())  # type: ignore[union-attr]
            self.doubt.bias.fill_(math.log(_VARIANCE))  # type: ignore[union-attr]
        self.register_buffer("to_pixels", torch.eye(channels))
        self.register_buffer("to_tokens", torch.eye(channels))
        self.register_buffer("offset", torch.zeros(channels))
        places = (torch.arange(grid) + 0.5) / grid * 2 - 1
        self.register_buffer("places", torch.stack(torch.meshgrid(places, places, indexing="ij")), persistent=False)
        colours = channels // pixels**2
        self.body = BodySense(body, channels, grid, colours, dim, action) if body else None
        self.refiner = Refiner(config.refiner, colours, pixels, bool(body)) if config.refiner.every else None
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def describe(self, to_pixels: Tensor, offset: Tensor) -> None:
        """Set how a standardised token becomes its pixels: to_pixels [C, C] times the token, plus offset [C]."""
        self.to_pixels.copy_(to_pixels)
        self.to_tokens.copy_(torch.linalg.inv(to_pixels.double()))
        self.offset.copy_(offset)

    def show(self, grid: Tensor) -> Tensor:
        """Standardised tokens on a grid [R, C, G, G] -> pictures [R, c, H, W]."""
        return F.pixel_shuffle(self._mixed(grid, self.to_pixels) + self.offset[:, None, None], self.pixels)

    def draw(self, pictures: Tensor) -> Tensor:
        """The inverse of `show`, as frames of tokens [R, N, C]."""
        grid = F.pixel_unshuffle(pictures, self.pixels) - self.offset[:, None, None]
        return self._mixed(grid, self.to_tokens).flatten(2).transpose(1, 2)

    def refine(self, frames: Tensor, scene: Tensor, felt: Tensor | None, sharpness: float) -> Tensor:
        """Dreamed video tokens [R, N, C] after the second pass, of the same shape.

        Args:
            frames, scene: standardised tokens, [R, N, C].
            felt: the body sense of these frames, [R, M, C]; None without one.
            sharpness: as for `predict`.
        """
        assert self.refiner is not None
        places = None if self.body is None or felt is None else self.body.place(felt)
        pictures, earlier = self.show(on_grid(frames)), self.show(on_grid(scene))
        return self.draw(self.refiner.refine(pictures, earlier, places, sharpness))

    def show_all(self, frames: Tensor) -> Tensor:
        """Standardised tokens of frames [R, T, N, C] -> their pictures as channels of one, [R, T c, H, W]."""
        return self.show(on_grid(frames.flatten(0, 1))).unflatten(0, frames.shape[:2]).flatten(1, 2)

    def read(self, frames: Tensor) -> Tensor:
        """Tokens for the transformer of earlier frames [R, 2, N, C], each with the one before it -> [R, n, D]."""
        return self.read_frames(self._beside(frames)).flatten(2).transpose(1, 2)

    def look(
        self,
        noised: Tensor,
        recent: Tensor,
        scene: Tensor | None,
        condition: Tensor,
        crop: Crop | None = None,
        felt: tuple[Tensor, Tensor] | None = None,
    ) -> Looked:
        """What the blocks above the transformer find in frames that are denoised.

        Args:
            noised: standardised tokens, [R, N, C]; with a crop those there, [R, side^2, C].
            recent: the frames before, newest last, [R, LAST_FRAMES, N, C].
            scene: an earlier frame of the recording, [R, N, C]; None: the last frame stands for it.
            condition: embedding of level, step size and action, [R, D].
            crop: where the blocks look; None: everywhere.
            felt: what is felt in the frame before and in this one, [R, M, C] each; None without a body sense.
        """
        stay = recent[:, -1] if scene is None else scene
        frame, still, places = on_grid(noised), on_grid(stay), self.places.expand(len(noised), -1, -1, -1)
        parts = [self._beside(recent), still, places]
        if self.body is not None and felt is not None:
            parts.append(self.body.maps(*felt))
        seen = torch.cat(parts, dim=1)
        reach = self.config.reach
        around, scenery = surrounded(self.show(on_grid(recent[:, -1])), reach), self.show(still)
        if crop is not None:
            seen = crop.cut(seen)
            around, scenery = crop.cut(around, self.pixels, reach), crop.cut(scenery, self.pixels)
        h = self.enter(torch.cat([frame, seen], dim=1).contiguous(memory_format=torch.channels_last))
        condition = self.condition(condition)
        for block in self.blocks[: len(self.blocks) // 2]:
            h = block(h, condition)
        return Looked(h, condition, frame, Sources(around.detach(), [scenery.detach()], reach))

    def summarise(self, looked: Looked, recent: Tensor) -> Tensor:
        """Tokens for the transformer of frames that are denoised, [R, n, D]: their features, and the last two frames.

        Args:
            looked: of `look`, everywhere.
            recent: as for `look`.
        """
        coarse = self.read_frames(self._beside(recent[:, -2:])) + self.down(looked.features)
        return coarse.flatten(2).transpose(1, 2)

    def predict(
        self, looked: Looked, coarse: Tensor | None, tau: Tensor, sharpness: float = 1.0
    ) -> tuple[Tensor, Mixture]:
        """The clean tokens of the frames, or of their crops, and the mixture that they come from.

        The sources' probabilities are those after the noised frame z was seen (`_evidence`). With m the copies and the
        correction (`_paid_for`), and v the variance that the head expects about them, the prediction is

            x = m + g (z - tau m)    g = tau v / ((1 - tau)^2 + tau^2 v)

        the posterior mean of N(m, v) given z = tau x + (1 - tau) e: at tau = 0 it is m.

        Args:
            looked: of `look`.
            coarse: states of the coarse tokens after the transformer, [R, n, D]; None: it is not asked.
            tau: [R].
            sharpness: power of the sources' probabilities before: 1 the mean of what may be, 4 about one of them.

        Returns:
            [R, N, C], or [R, side^2, C] of a crop.
        """
        h = looked.features
        if coarse is not None:
            h = h + self.up(on_grid(coarse))
        for block in self.blocks[len(self.blocks) // 2 :]:
            h = block(h, looked.condition)
        h = F.silu(_normed(h, self.norm))
        logits = F.pixel_shuffle(self.choose(h).contiguous(), self.pixels).float()
        correction, variance = self.correct(h).float(), self.doubt(h).float().clamp(-10, 2).exp()
        shown = F.pixel_shuffle(self._mixed(correction, self.to_pixels), self.pixels)
        correction = self._paid_for(shown, correction, sharpness)
        scores = sharpness * logits + self._evidence(looked, correction, variance, tau)
        copied = mean_copy(scores.softmax(1), looked.sources)
        unshuffled = F.pixel_unshuffle(copied, self.pixels) - self.offset[:, None, None]
        mean = self._mixed(unshuffled, self.to_tokens) + correction
        level = tau[:, None, None, None]
        gain = level * variance / ((1 - level).square() + level.square() * variance)
        clean = mean + gain * (looked.noised - level * mean)
        return clean.flatten(2).transpose(1, 2), Mixture(logits, shown, looked.sources)

    def _paid_for(self, shown: Tensor, correction: Tensor, sharpness: float) -> Tensor:
        """The part of a correction that a sharp dream makes, [R, C, G, G], of pictures [R, c, H, W]; all if not sharp.

        Corrections are added to what was copied, frame after frame, and small ones grow to streaks. So they are shrunk
        by a threshold (soft thresholding, Donoho 1995), pixel by pixel: nothing changes but for a reason.
        """
        least = _LEAST * (1 - 1 / sharpness)
        if least <= 0:
            return correction
        size = shown.abs().amax(1, keepdim=True).clamp_min(least)
        return self._mixed(F.pixel_unshuffle(shown * (1 - least / size), self.pixels), self.to_tokens)

    @torch.no_grad()
    def _evidence(self, looked: Looked, correction: Tensor, variance: Tensor, tau: Tensor) -> Tensor:
        """How likely the noised frame is if a token's pixels all come from one source, in nats, [R, K, H, W].

        log p(z | k) = -|z - tau (c_k + e)|^2 / 2 ((1 - tau)^2 + tau^2 v), so the sources' probabilities in the mean
        are those of the posterior given the noised frame: as the noise goes, one of the sources is left.
        """
        level, sources, pixels = tau[:, None, None, None], looked.sources, self.pixels
        kernel = self.to_tokens.unflatten(1, (-1, pixels, pixels))
        rest = looked.noised - level * (correction - (self.to_tokens @ self.offset)[:, None, None])
        shifted, side = level * F.conv2d(sources.padded, kernel), rest.shape[-1]
        found = []
        for down in range(2 * sources.reach + 1):
            for right in range(2 * sources.reach + 1):
                part = shifted[:, :, down : down + side * pixels : pixels, right : right + side * pixels : pixels]
                found.append((rest - part).square_().sum(1))
        for other in sources.others:
            found.append((rest - level * F.conv2d(other, kernel, stride=pixels)).square_().sum(1))
        spread = (1 - level).square() + level.square() * variance
        nats = torch.stack(found, 1).div_(-2 * spread)
        return nats.repeat_interleave(pixels, 2).repeat_interleave(pixels, 3)

    def _beside(self, frames: Tensor) -> Tensor:
        """Frames [R, T, N, C] as channels of one grid, [R, T C, G, G]."""
        return on_grid(frames.transpose(1, 2).flatten(2))

    def _mixed(self, grid: Tensor, matrix: Tensor) -> Tensor:
        return torch.einsum("ij,bjhw->bihw", matrix, grid)


def on_grid(tokens: Tensor) -> Tensor:
    """Tokens of a square grid [R, N, C] -> [R, C, G, G]."""
    side = math.isqrt(tokens.shape[1])
    return tokens.transpose(1, 2).unflatten(2, (side, side))


def _silence(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Let a layer begin with an output of zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def _normed(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    """Layer norm over the channels of [R, w, G, G]."""
    return F.layer_norm(x.movedim(1, -1), norm.normalized_shape, norm.weight, norm.bias, norm.eps).movedim(-1, 1)
