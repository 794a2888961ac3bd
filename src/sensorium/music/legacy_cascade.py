"""The cascade of earlier work in its own sizes: 16,751,810 numbers with the masking agent at 6 layers, 24,856,710 with
the compositional one at 4, and the critic's 3,802,881. It is here to be compared with.

Formulas are its own: residuals (A + B) / 2 and (A + out + B) / 3, positions that are added before the first norm,
layers that are normalised after their sums, a last layer of unit spectral norm, loudness restored to that of the songs
by a factor in [0.7, 1.5]. Left out are dropout and noise on what is read, for randomness is a function of the step;
norms over a batch run over an example, which takes as many numbers. Its latents had a root mean square of 5.67, so
latents are brought to that, channel by channel, and back.

Layouts: B pairs, N = 128 channels, T moments, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from sensorium.music.legacy_agents import CompositionalAgent, MaskingAgent, positions
from sensorium.music.sizes import LATENTS

LOUDNESS = 5.67  # root mean square of the latents that it was made for
HEADS, SPREAD = 8, 4  # of attention; of the feed-forward layers, in widths
LEAST_FACTOR, LARGEST_FACTOR = 0.7, 1.5
SILENCE = 1e-8


@dataclass(frozen=True)
class LegacyAnswer:
    """What the cascade made of two songs.

    Attributes:
        latents: [B, N, T].
        masks: of A and of B, [B, 2, N, T] in [0, 1]; None: its agent has none.
        regularisation: cost of the agent, a scalar.
        balance: another one, which has a weight of its own.
    """

    latents: Tensor
    masks: Tensor | None
    regularisation: Tensor
    balance: Tensor


def layers_after_norm(width: int, layers: int) -> nn.TransformerEncoder:
    """Layers of torch as they were used: normalised after each sum."""
    layer = nn.TransformerEncoderLayer(width, HEADS, SPREAD * width, 0.0, "gelu", batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def loudness(latents: Tensor) -> Tensor:
    """Root mean square of each of [B, ..., N, T], [B, ..., 1, 1]."""
    return (latents.square().mean((-2, -1), keepdim=True) + SILENCE).sqrt()


class LegacyStage(nn.Module):
    """Some latents, side by side -> latents that are added to their mean."""

    def __init__(self, sounds: int, layers: int) -> None:
        super().__init__()
        width = sounds * LATENTS
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.layers = layers_after_norm(width, layers)
        self.write = spectral_norm(nn.Linear(width, LATENTS))

    def forward(self, sounds: list[Tensor], songs: Tensor) -> Tensor:
        """Latents [B, N, T] each, and both songs [B, 2, N, T], whose loudness is restored -> [B, N, T]."""
        x = torch.cat(sounds, 1).transpose(1, 2)
        x = self.before(x + positions(x.shape[1], x.shape[2]).to(x))
        found = self.write(self.after(self.layers(x))).transpose(1, 2) + torch.stack(sounds).mean(0)
        return found * restoring_factor(found, songs)


def restoring_factor(found: Tensor, songs: Tensor) -> Tensor:
    """What brings [B, N, T] to the root mean square of both songs, within limits: [B, 1, 1]."""
    wanted = ((loudness(songs[:, 0]).square() + loudness(songs[:, 1]).square()) / 2).sqrt()
    return (wanted / (loudness(found) + SILENCE)).clamp(LEAST_FACTOR, LARGEST_FACTOR)


class LegacyCascade(nn.Module):
    """Two stages behind an agent.

    Args:
        agent: what stands before the stages.
        layers: of each stage.
        scale: standard deviation of each channel of the latents.
    """

    scale: Tensor

    def __init__(self, agent: Literal["none", "masking", "compositional"], layers: int, scale: list[float]) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale)[:, None] / LOUDNESS, persistent=False)
        self.first, self.second = LegacyStage(2, layers), LegacyStage(3, layers)
        agents = {"none": nn.Identity, "masking": MaskingAgent, "compositional": CompositionalAgent}
        self.agent = agents[agent]()

    def forward(self, songs: Tensor) -> LegacyAnswer:
        """Latents of both songs, [B, 2, N, T] -> the answer."""
        songs = songs / self.scale
        masks, none = None, songs.new_zeros(())
        regularisation = balance = none
        if isinstance(self.agent, MaskingAgent):
            songs, masks = self.agent(songs)
            regularisation, balance = self.agent.costs(masks)
        elif isinstance(self.agent, CompositionalAgent):
            composed, regularisation = self.agent(songs)
            songs = torch.stack((composed, songs[:, 1]), 1)
        a, b = songs.unbind(1)
        found = self.first([a, b], songs)
        found = self.second([a, found, b], songs)
        return LegacyAnswer(found * self.scale, masks, regularisation, balance)


class LegacyCritic(nn.Module):
    """Latents [B, N, T] -> logits of being real, [B]."""

    def __init__(self) -> None:
        super().__init__()
        widths, sizes, strides = (LATENTS, 256, 512, 512, 256), (3, 5, 7, 9), (2, 2, 2, 1)
        parts: list[nn.Module] = []
        for inputs, outputs, size, stride in zip(widths, widths[1:], sizes, strides, strict=False):
            parts += [nn.Conv1d(inputs, outputs, size, stride, size // 2), nn.LeakyReLU(0.2)]
        self.convolutions = nn.Sequential(*parts)
        self.judge = nn.Sequential(nn.Linear(256, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1))

    def forward(self, latents: Tensor) -> Tensor:
        judged: Tensor = self.judge(self.convolutions(latents).mean(-1))
        return judged[:, 0]


def critic_losses(critic: LegacyCritic, real: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropies of the critic, and of what wants to be taken for real."""
    judged_real, judged_found = critic(real), critic(found.detach())
    fooled = critic(found)
    one = torch.ones_like(judged_real)
    entropy = F.binary_cross_entropy_with_logits
    return entropy(judged_real, one) + entropy(judged_found, 0 * one), entropy(fooled, one)
