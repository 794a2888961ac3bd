"""Space-time transformer over video tokens: what the clean frames were, from noised ones, actions and the past.

Layouts: B windows, T frames, N video tokens a frame, S = N + registers + 2 tokens a frame, C numbers a video
token, D width, A numbers an action. After Dreamer 4 (Hafner et al. 2025), sections 3.2 and 3.4: attention is
factorised into layers over the tokens of one frame and causal layers over the frames of one token place.
"""

from __future__ import annotations

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

    Beside the layers that attend over time, the stem reads each token with its last two predecessors, so motion is
    seen from the first layer on; signal level and action are added to every token of their frame as well.

    The network corrects a linear estimate from a frame and the one before it (`linear_estimate`), so training
    starts at persistence instead of having to find it.

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
        self.read_in = nn.Linear(_STEM * (channels + 1), dim)
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
        known = torch.cat([tokens, tau[..., None, None].expand(batch, time, self.tokens, 1)], dim=-1)
        read = self.read_in(recent(known, _STEM))
        hidden = torch.cat([read, registers, levels[:, :, None], moves[:, :, None]], dim=2) + self.places
        hidden = hidden + (levels + moves)[:, :, None]
        for block, over_time in zip(self.blocks, self.over_time, strict=True):
            hidden = block(hidden.transpose(1, 2)).transpose(1, 2) if over_time else block(hidden)
        return linear_estimate(tokens, tau, self.change) + self.read_out(self.norm(hidden[:, :, : self.tokens])).float()


def recent(x: Tensor, frames: int) -> Tensor:
    """Each frame's channels beside those of the frames before it, zeros before the first; [B, T, N, C] -> [.., frames * C]."""
    time = x.shape[1]
    return torch.cat([F.pad(x, (0, 0, 0, 0, back, 0))[:, :time] for back in range(frames)], dim=-1)


def linear_estimate(noised: Tensor, tau: Tensor, change: Tensor) -> Tensor:
    """Clean tokens from the noised ones of a frame and of the frame before: one step of a Kalman filter.

    With z~ = (1 - tau) z0 + tau z1 and z1 ~ N(m, p) the posterior mean is m + k (z~ - tau m), where
    k = tau p / ((1 - tau)^2 + tau^2 p), and the posterior variance p (1 - k tau). The first frame has the prior
    N(0, 1); a later one has the estimate that the frame before it gives by itself, its variance grown by `change`.

    Args:
        noised: [B, T, N, C], standardised.
        tau: [B, T], signal levels.
        change: [C], mean squared change of a standardised token from frame to frame.

    Returns:
        [B, T, N, C]; clean frames as they are, pure noise replaced by what the frame before it tells.
    """
    tau = tau.float()[..., None, None]
    alone = tau / ((1 - tau).square() + tau.square())
    mean = F.pad((alone * noised)[:, :-1], (0, 0, 0, 0, 1, 0))
    variance = F.pad((1 - alone * tau + change)[:, :-1], (0, 0, 0, 0, 1, 0), value=1.0).clamp(max=1)
    gain = tau * variance / ((1 - tau).square() + tau.square() * variance).clamp_min(1e-8)
    return mean + gain * (noised - tau * mean)


def _waves(tau: Tensor) -> Tensor:
    """Signal levels [...] -> sines and cosines of half a turn to many turns, [..., 2 * _SIGNAL_WAVES]."""
    frequencies = torch.pi * 2 ** torch.linspace(-1, 4, _SIGNAL_WAVES, device=tau.device)
    angles = tau.float()[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
