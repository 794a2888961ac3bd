"""Space-time transformer over video tokens: what the clean frames were, from noised ones, actions and the past.

Layouts: B windows, T frames, N video tokens a frame, S = N + registers + 2 tokens a frame, C numbers a video
token, D width, A numbers an action. After Dreamer 4 (Hafner et al. 2025), sections 3.2 and 3.4: attention is
factorised into layers over the tokens of one frame and causal layers over the frames of one token place.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.config import DynamicsConfig
from sensorium.models.layers import Block

_SIGNAL_WAVES = 16
_STEM = 3  # frames that the stem reads


class Dynamics(nn.Module):
    """Denoiser of token windows, steered by actions.

    A frame's tokens are: its N noised video tokens, the registers, one token of its signal level tau, one of its
    action. A token without action gets a learned embedding only, so unlabelled video can train too.

    Video tokens are standardised by per-channel means and deviations of the training latents, so that unit noise
    matches their scale; all of `forward`'s token tensors are in standardised units (`standardise`, `restore`).

    Beside the layers that attend over time, the stem is a convolution over the grid of tokens and three frames, so
    motion to a neighbouring token is seen from the first layer on and learned for all places at once; signal level
    and action are added to every token of their frame as well.

    The network reads and corrects a linear estimate (`linear_estimate`) instead of the noised tokens. Nothing is lost
    by it, noise that tells nothing is taken out, and training starts at persistence instead of having to find it.

    Args:
        config: its section.
        shapes: {"tokens": N, "channels": C, "action": {"kind": "continuous" | "discrete", "size": A}}; action is None
            for recordings that have none.
    """

    mean: Tensor
    deviation: Tensor
    change: Tensor

    def __init__(self, config: DynamicsConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        tokens, channels, action = int(shapes["tokens"]), int(shapes["channels"]), shapes["action"]
        self.tokens, self.channels, self.frames = tokens, channels, config.frames
        dim = config.dim
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))
        self.register_buffer("change", torch.ones(channels))
        self.grid = math.isqrt(tokens)
        if self.grid**2 != tokens:
            raise ValueError(f"tokens is {tokens}: it must be a square, for the tokens of a frame lie on a grid")
        self.read_in = nn.Conv3d(channels + 1, dim, (_STEM, 3, 3), padding=(0, 1, 1))
        self.places = nn.Parameter(0.02 * torch.randn(tokens + config.registers + 2, dim))
        self.signal = nn.Sequential(nn.Linear(2 * _SIGNAL_WAVES, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.action: nn.Module | None = None
        if action is None:
            pass  # recordings of a world that nobody steers
        elif action["kind"] == "discrete":
            self.action = nn.Embedding(int(action["size"]), dim)
        elif action["kind"] == "continuous":
            self.action = nn.Linear(int(action["size"]), dim)
        else:
            raise ValueError(f"action kind is {action['kind']!r}: it must be continuous or discrete")
        self.no_action = nn.Parameter(0.02 * torch.randn(dim))
        self.over_time = [(layer + 1) % config.time_every == 0 for layer in range(config.layers)]
        self.blocks = nn.ModuleList(
            Block(dim, config.heads, causal=over_time, rotary=over_time) for over_time in self.over_time
        )
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        self.read_out = nn.Linear(dim, channels)
        nn.init.zeros_(self.read_out.weight)  # so that the first prediction is the linear estimate
        nn.init.zeros_(self.read_out.bias)

    def describe(self, mean: Tensor, deviation: Tensor, change: Tensor) -> None:
        """Set what is known of the training tokens, [C] each: mean, deviation, and mean squared change a frame."""
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
        self.change.copy_(change / deviation.square())

    def standardise(self, tokens: Tensor) -> Tensor:
        """Tokens as the tokenizer makes them [..., C] -> about zero mean and unit deviation."""
        return (tokens.float() - self.mean) / self.deviation

    def restore(self, tokens: Tensor) -> Tensor:
        """The inverse of `standardise`."""
        return tokens * self.deviation + self.mean

    def forward(self, tokens: Tensor, tau: Tensor, action: Tensor | None, labelled: Tensor | None = None) -> Tensor:
        """Prediction of the clean tokens; frame t depends on frames and actions up to t only.

        Args:
            tokens: [B, T, N, C], standardised, each frame noised to its own level.
            tau: [B, T], signal level in [0, 1]; 1 is clean.
            action: [B, T, A] or int64 [B, T], action[t] led to frame t; None where there are no actions.
            labelled: bool [B]; windows that are False are treated as having no actions.

        Returns:
            [B, T, N, C], standardised.
        """
        batch, time = tokens.shape[:2]
        moves = self.no_action.expand(batch, time, -1)
        if action is not None and self.action is not None:
            steered = self.action(action) + self.no_action
            moves = steered if labelled is None else torch.where(labelled[:, None, None], steered, moves)
        registers = self.places.new_zeros(batch, time, len(self.places) - self.tokens - 2, self.places.shape[1])
        levels = self.signal(_waves(tau))
        estimate = linear_estimate(tokens, tau, self.change)
        read = self._read(estimate, tau)
        hidden = torch.cat([read, registers, levels[:, :, None], moves[:, :, None]], dim=2) + self.places
        hidden = hidden + (levels + moves)[:, :, None]
        for block, over_time in zip(self.blocks, self.over_time, strict=True):
            hidden = block(hidden.transpose(1, 2)).transpose(1, 2) if over_time else block(hidden)
        return estimate + self.read_out(self.norm(hidden[:, :, : self.tokens])).float()

    def _read(self, tokens: Tensor, tau: Tensor) -> Tensor:
        """Each token with its neighbours on the grid and in the frames before; [B, T, N, C] -> [B, T, N, D]."""
        known = torch.cat([tokens, tau[..., None, None].expand(*tokens.shape[:3], 1)], dim=-1)
        video = known.unflatten(2, (self.grid, self.grid)).movedim(-1, 1)
        video = F.pad(video, (0, 0, 0, 0, _STEM - 1, 0))  # only frames before: causal
        return self.read_in(video).flatten(3).permute(0, 2, 3, 1)


def linear_estimate(noised: Tensor, tau: Tensor, change: Tensor) -> Tensor:
    """Clean tokens from the noised ones of a frame and of all before it: a Kalman filter for a random walk.

    With z~ = (1 - tau) z0 + tau z1 and z1 ~ N(m, p) the posterior mean is m + k (z~ - tau m), where
    k = tau p / ((1 - tau)^2 + tau^2 p), and the posterior variance p (1 - k tau). The first frame has the prior
    N(0, 1); a later one the posterior of the frame before it, with its variance grown by `change`, up to 1.

    Args:
        noised: [B, T, N, C], standardised.
        tau: [B, T], signal levels.
        change: [C], mean squared change of a standardised token from frame to frame.

    Returns:
        [B, T, N, C]; clean frames as they are, pure noise replaced by what the frames before it tell.
    """
    mean, variance = torch.zeros_like(noised[:, 0]), torch.ones_like(change)
    estimates = []
    for frame, level in zip(noised.unbind(1), tau.float()[..., None, None].unbind(1), strict=True):
        gain = level * variance / ((1 - level).square() + level.square() * variance).clamp_min(1e-8)
        mean = mean + gain * (frame - level * mean)
        estimates.append(mean)
        variance = (variance * (1 - gain * level) + change).clamp(max=1)
    return torch.stack(estimates, dim=1)


def _waves(tau: Tensor) -> Tensor:
    """Signal levels [...] -> sines and cosines of half a turn to many turns, [..., 2 * _SIGNAL_WAVES]."""
    frequencies = torch.pi * 2 ** torch.linspace(-1, 4, _SIGNAL_WAVES, device=tau.device)
    angles = tau.float()[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
