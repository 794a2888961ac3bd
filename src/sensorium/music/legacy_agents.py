"""The agents of the earlier cascade: one that masks both songs, and one that composes something in place of the first.

Layouts: B pairs, N = 128 channels, T moments.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.music.sizes import LATENTS

WIDTH, HEADS = 256, 4  # of the analyser, and of its attention
UNUSED = 197_826  # numbers of a classifier of styles that nothing ever trained or asked; its layers are not known
OVERLAP, COVERAGE, STILLNESS = 1.0, 0.5, 5.0  # weights of the costs of masks
DIVERSE = 0.05  # variance over time that counts as diverse
PART = 64  # channels of a part
SCALES = {"rhythm": (3, 5), "harmony": (7, 9), "timbre": (15, 21)}  # moments of the kernels
COMPOSED, COMPOSER_LAYERS, COMPOSER_HEADS = 512, 4, 8
LIMITS = (100.0, 50.0)  # of what is composed
BALANCE = 0.1
PERIOD = 10_000.0  # of the slowest position
SILENCE = 1e-8


def positions(length: int, width: int) -> Tensor:
    """Sines and cosines of positions (Vaswani et al. 2017, section 3.5), float32 [T, D]."""
    place = torch.arange(length)[:, None]
    speed = torch.exp(torch.arange(0, width, 2) * (-math.log(PERIOD) / width))
    return torch.stack(((place * speed).sin(), (place * speed).cos()), -1).flatten(1)


def convolution(inputs: int, outputs: int, size: int) -> nn.Conv1d:
    """A convolution that keeps the length."""
    return nn.Conv1d(inputs, outputs, size, padding=size // 2)


class MaskingAgent(nn.Module):
    """A mask for each song, made of what attention finds in the other one."""

    def __init__(self) -> None:
        super().__init__()
        self.analysers = nn.ModuleList(
            nn.Sequential(convolution(LATENTS, WIDTH, 3), nn.ReLU(), convolution(WIDTH, WIDTH, 3), nn.ReLU())
            for _ in range(2)
        )
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.heads = nn.ModuleList(
            nn.Sequential(convolution(WIDTH, LATENTS, 3), nn.ReLU(), convolution(LATENTS, LATENTS, 1), nn.Sigmoid())
            for _ in range(2)
        )
        self.unused = nn.Parameter(torch.zeros(UNUSED), requires_grad=False)

    def forward(self, songs: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [B, 2, N, T] -> (masked songs, as loud as before; masks), of the same shape."""
        seen = [analyser(song).transpose(1, 2) for analyser, song in zip(self.analysers, songs.unbind(1), strict=True)]
        found = [self.attention(own, other, other, need_weights=False)[0] for own, other in (seen, seen[::-1])]
        masks = torch.stack([head(x.transpose(1, 2)) for head, x in zip(self.heads, found, strict=True)], 1)
        masked = songs * masks
        return masked * (_power(songs) / _power(masked)).sqrt(), masks

    @staticmethod
    def costs(masks: Tensor) -> tuple[Tensor, Tensor]:
        """(overlap, coverage and stillness, weighted; balance) of masks [B, 2, N, T]."""
        a, b = masks.unbind(1)
        still = sum(F.relu(DIVERSE - mask.var(-1).mean()) for mask in (a, b))
        cost = OVERLAP * (a * b).mean() + COVERAGE * (a + b - 1).square().mean() + STILLNESS * still
        return cost, (a.mean() - 0.5).square() + (b.mean() - 0.5).square()


def _power(latents: Tensor) -> Tensor:
    return latents.square().mean((-2, -1), keepdim=True) + SILENCE


class ScaleExtractor(nn.Module):
    """Three parts of a song, which differ in how many moments they see: [B, N, T] -> [B, 3, PART, T].

    They are called rhythm, harmony and timbre; nothing makes them so.
    """

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                convolution(LATENTS, LATENTS, first),
                nn.LeakyReLU(0.2),
                convolution(LATENTS, PART, second),
                nn.LeakyReLU(0.2),
            )
            for first, second in SCALES.values()
        )
        self.skips = nn.ModuleList(convolution(LATENTS, PART, 1) for _ in SCALES)
        self.norms = nn.ModuleList(nn.GroupNorm(1, PART) for _ in SCALES)

    def forward(self, song: Tensor) -> Tensor:
        triples = zip(self.branches, self.skips, self.norms, strict=True)
        return torch.stack([norm(branch(song) + skip(song)) for branch, skip, norm in triples], 1)


class Composer(nn.Module):
    """Six weighted parts [B, 6 * PART, T] -> latents [B, N, T]."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(2 * len(SCALES) * PART, COMPOSED)
        layer = nn.TransformerEncoderLayer(COMPOSED, COMPOSER_HEADS, 4 * COMPOSED, 0.0, "gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, COMPOSER_LAYERS, enable_nested_tensor=False)
        self.write = nn.Sequential(nn.Linear(COMPOSED, WIDTH), nn.GELU(), nn.Linear(WIDTH, LATENTS))

    def forward(self, parts: Tensor) -> Tensor:
        x = self.read(parts.transpose(1, 2))
        found: Tensor = self.write(self.layers(x + positions(x.shape[1], COMPOSED).to(x))).transpose(1, 2)
        for limit in LIMITS:
            found = found.clamp(-limit, limit)
        return found.nan_to_num()


class CompositionalAgent(nn.Module):
    """Parts of both songs, weighted moment by moment, and composed to something that stands for song A."""

    def __init__(self) -> None:
        super().__init__()
        self.extractors = nn.ModuleList(ScaleExtractor() for _ in range(2))
        groups = 2 * len(SCALES)
        self.selector = nn.Sequential(
            convolution(groups * PART, WIDTH, 1), nn.LeakyReLU(0.2), convolution(WIDTH, groups, 1)
        )
        self.composer = Composer()

    def forward(self, songs: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [B, 2, N, T] -> (what is composed [B, N, T], cost of following a song and of preferring one)."""
        pairs = zip(self.extractors, songs.unbind(1), strict=True)
        parts = torch.cat([extractor(song) for extractor, song in pairs], 1)
        logits = self.selector(parts.flatten(1, 2))
        found = self.composer((logits.softmax(1)[:, :, None] * parts).flatten(1, 2))
        followed = sum(F.cosine_similarity(found, song, dim=1).mean().abs() for song in songs.unbind(1)) / 2
        of_a, of_b = logits.mean((0, 2)).split(len(SCALES))
        return found, followed + BALANCE * (of_a.sum() - of_b.sum()).abs()
