"""Space-time transformer over video and sound tokens: what the clean frames were, from noised ones, actions, the past.

Layouts: B windows, T frames, N tokens a frame (video first, then sound), S = N + registers + 2 tokens of the
transformer a frame, A agent tokens, C numbers a token, D width. After Dreamer 4 (Hafner et al. 2025), sections 3.2
and 3.4: attention is factorised into layers over the tokens of one frame and causal layers over the frames of one
token place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.generation.config import DynamicsConfig
from sensorium.models.cache import Cache, PastCache, RingCache
from sensorium.models.layers import Block, RMSNorm
from sensorium.models.load import Loadable

STEPS = 64  # the finest sampling; step sizes are 1/64, 1/32, ... 1
_SIGNAL_WAVES = 16
_STEM = 3  # frames that the stem reads


@dataclass
class Memory:
    """What a stream keeps of its past in constant space: a ring a time layer, the filter's state, the stem's frames."""

    rings: list[RingCache]
    state: tuple[Tensor, Tensor] | None = None  # mean and variance of the linear estimate, [B, N, C] each
    stem: Tensor | None = None  # [B, _STEM - 1, N, C + 1]


@dataclass
class Past:
    """Frames that were read, one behind the other, for as many frames of which each follows those up to its partner.

    Empty until a pass reads its frames into it.
    """

    caches: list[PastCache]  # of the time layers
    state: tuple[Tensor, Tensor] | None = None  # mean and variance of the linear estimate, [B, T, N, C] each
    stem: Tensor | None = None  # [B, T, _STEM - 1, N, C + 1], what the stem has seen with each frame

    def rows(self, which: Tensor) -> Past:
        """That of some rows, bool [B]; no gradient passes."""
        assert self.state is not None
        assert self.stem is not None
        mean, variance = (part[which].detach() for part in self.state)
        rows, caches = len(which), []
        for cache in self.caches:
            assert cache.read is not None
            key, value = (part.detach().unflatten(0, (rows, -1))[which].flatten(0, 1) for part in cache.read)
            caches.append(PastCache(cache.window, cache.device, (key, value)))
        return Past(caches, (mean, variance), self.stem[which].detach())


class Dynamics(Loadable):
    """Denoiser of token windows, steered by actions.

    A frame's tokens are: its noised video and sound tokens, the registers, one token of its signal level tau and step
    size d, one of its action. A token without action gets a learned embedding only, so unlabelled recordings train
    too. Agent tokens, where they are given, see everything of their frame and their own past; nothing sees them.

    Tokens are standardised by means and deviations of the training latents, per stream and channel, so that unit
    noise matches their scale; all of `forward`'s token tensors are in standardised units (`standardise`, `restore`).

    Beside the layers that attend over time, the stem is a convolution over three frames, and over the grid of video
    tokens, so motion to a neighbouring token is seen from the first layer on and learned for all places at once;
    signal level, step size and action are added to every token of their frame as well.

    Layers over time forget what lies further back than their window. Of one frame, the scene, what a second convolution
    reads is added to every frame: what stands still there for ever, and how things look, is told for as long as wanted.

    The network reads and corrects a linear estimate (`linear_estimate`) instead of the noised tokens, in units of that
    estimate's deviation (as Karras et al. 2022, "Elucidating the design space", scale outputs to what is unknown).
    Nothing is lost by it, noise that tells nothing is taken out, training starts at persistence instead of having to
    find it, and what is known already, by a clean past or a high signal level, is hardly touched.

    Args:
        config: its section.
        shapes: {"video": tokens a frame, "grid": whether they lie on a square grid, "audio": tokens a frame, 0 for
            recordings without sound, "channels": C, "action": {"kind": "continuous" | "discrete", "size": numbers or
            choices} or None for recordings that have no actions}.
    """

    mean: Tensor
    deviation: Tensor
    change: Tensor

    Config = DynamicsConfig
    kind = "dynamics"

    def __init__(self, config: DynamicsConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        video, audio, channels = int(shapes["video"]), int(shapes["audio"]), int(shapes["channels"])
        self.streams = {"video": video, "audio": audio} if audio else {"video": video}
        self.tokens, self.channels, self.dim = video + audio, channels, config.dim
        self.window = config.window
        dim = config.dim
        for name, value in {"mean": 0.0, "deviation": 1.0, "change": 1.0}.items():
            self.register_buffer(name, torch.full((self.tokens, channels), value))
        self.grid = math.isqrt(video) if shapes["grid"] else 0
        if self.grid**2 != video and self.grid:
            raise ValueError(f"video is {video} tokens: it must be a square, for they lie on a grid")
        self._side = (self.grid, self.grid) if self.grid else (1, video)
        across = 3 if self.grid else 1
        self.read_video = nn.Conv3d(channels + 1, dim, (_STEM, across, across), padding=(0, across // 2, across // 2))
        self.read_audio = nn.Conv2d(channels + 1, dim, (_STEM, 1)) if audio else None
        self.read_scene = nn.Conv2d(channels, dim, across, padding=across // 2, bias=False)
        nn.init.zeros_(self.read_scene.weight)  # nothing is remembered at first
        self.places = nn.Parameter(0.02 * torch.randn(self.tokens + config.registers + 2, dim))
        self.signal = nn.Sequential(nn.Linear(2 * _SIGNAL_WAVES, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.sizes = nn.Embedding(int(math.log2(STEPS)) + 1, dim)
        nn.init.normal_(self.sizes.weight, std=0.02)
        self.action = action_embedding(shapes["action"], dim)
        self.no_action = nn.Parameter(0.02 * torch.randn(dim))
        self.over_time = [(layer + 1) % config.time_every == 0 for layer in range(config.layers)]
        self.blocks = nn.ModuleList(
            Block(
                dim, config.heads, key_heads=config.key_heads, causal=over_time, rotary=over_time,
                window=config.window, soft_cap=config.soft_cap,
            )
            for over_time in self.over_time
        )  # fmt: skip
        self.norm = RMSNorm(dim, eps=1e-6)
        self.read_out = nn.Linear(dim, channels)
        nn.init.zeros_(self.read_out.weight)  # so that the first prediction is the linear estimate
        nn.init.zeros_(self.read_out.bias)

    def describe(self, mean: Tensor, deviation: Tensor, change: Tensor) -> None:
        """Set what is known of the training tokens, [N, C] each: mean, deviation, and mean squared change a frame."""
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
        self.change.copy_(change / deviation.square())

    def standardise(self, tokens: Tensor) -> Tensor:
        """Tokens as the tokenizers make them [..., N, C] -> about zero mean and unit deviation."""
        return (tokens.float() - self.mean) / self.deviation

    def restore(self, tokens: Tensor) -> Tensor:
        """The inverse of `standardise`."""
        return tokens * self.deviation + self.mean

    def split(self, tokens: Tensor) -> dict[str, Tensor]:
        """Tokens [..., N, C] -> stream -> [..., tokens of the stream, C]."""
        parts = tokens.split(list(self.streams.values()), dim=-2)
        return dict(zip(self.streams, parts, strict=True))

    def remember(self) -> Memory:
        """An empty memory, for a stream that begins."""
        return Memory([RingCache(self.window, self.places.device) for over_time in self.over_time if over_time])

    def begin_past(self) -> Past:
        """An empty past, for frames that are to be read at once."""
        return Past([PastCache(self.window, self.places.device) for over_time in self.over_time if over_time])

    def look(self, frame: Tensor) -> Tensor:
        """What `forward` is to remember of a scene, [B, N, D].

        Args:
            frame: [B, n, C], tokens of a frame as the tokenizers make them, video first; sound is not listened to.
        """
        count = self.streams["video"]
        video = (frame[:, :count].float() - self.mean[:count]) / self.deviation[:count]
        seen = self.read_scene(video.movedim(-1, 1).unflatten(2, self._side)).flatten(2).transpose(1, 2)
        return F.pad(seen, (0, 0, 0, self.tokens - count))

    def forward(
        self,
        tokens: Tensor,
        tau: Tensor,
        size: Tensor,
        action: Tensor | None,
        labelled: Tensor | None = None,
        agent: Tensor | None = None,
        memory: Memory | None = None,
        keep: int = 0,
        past: Past | None = None,
        scene: Tensor | None = None,
    ) -> tuple[Tensor | None, Tensor | None]:
        """Prediction of the clean tokens; frame t depends on frames and actions up to t only.

        Training denoises every frame of a window after its own past in two passes: one reads the frames into a past,
        the next denoises as many, of which frame t follows frames 0 ... t of the past. It is told what a dream would
        tell, one frame after the other (`PastCache`), and several passes may follow the same past.

        Args:
            tokens: [B, T, N, C], standardised, each frame noised to its own level.
            tau: [B, T], signal level in [0, 1]; 1 is clean.
            size: [B, T], step size d of the sampler, 1/64, 1/32, ... 1; the finest means plain flow matching.
            action: [B, T, ...] float or int64 [B, T], action[t] led to frame t; None where there are no actions.
            labelled: bool [B]; windows that are False are treated as having no actions.
            agent: [A, D], embeddings of agent tokens; None: none.
            memory: the frames follow those in it.
            keep: how many of the first frames the memory is to keep; without an agent, nothing is told of them.
            past: an empty one reads the frames; otherwise each of them follows those up to its partner there.
            scene: [B, N, D], what `look` saw in a frame of this world; None: none is remembered.

        Returns:
            the prediction [B, T, N, C], standardised, of all frames that are not only read, or None if there are no
            others; and what the agent tokens have read, [B, T, A, D] or None.
        """
        batch, time = tokens.shape[:2]
        moves = self.no_action.expand(batch, time, -1)
        if action is not None and self.action is not None:
            steered = self.action(action) + self.no_action
            moves = steered if labelled is None else torch.where(labelled[:, None, None], steered, moves)
        levels = self.signal(_waves(tau)) + self.sizes(-torch.log2(size).round().long())
        only_read = time if past and past.state is None else keep if agent is None else 0
        estimate, variance, read = self._told(tokens, tau, past) if past else self._known(tokens, tau, memory, keep)
        if scene is not None:
            read = read + scene[:, None]
        registers = self.places.new_zeros(batch, time, len(self.places) - self.tokens - 2, self.dim)
        hidden = torch.cat([read, registers, levels[:, :, None], moves[:, :, None]], dim=2)
        hidden = hidden + self.places + (levels + moves)[:, :, None]
        visible = None
        if agent is not None:
            hidden = torch.cat([hidden, agent.expand(batch, time, -1, -1)], dim=2)
            visible = torch.ones(hidden.shape[2], hidden.shape[2], dtype=torch.bool, device=tokens.device)
            visible[: len(self.places), len(self.places) :] = False
        caches: Sequence[Cache] = past.caches if past else memory.rings if memory else []
        of_layers = iter(caches)
        for block, over_time in zip(self.blocks, self.over_time, strict=True):
            if over_time:
                cache = next(of_layers, None)
                if only_read and cache is caches[-1]:  # what follows looks at no later layer of these frames
                    assert isinstance(block, Block)
                    block.read(hidden[:, :only_read].transpose(1, 2), cache)
                    cache.keep(only_read)
                    if only_read == time:
                        return None, None
                    hidden, estimate, variance = (part[:, only_read:] for part in (hidden, estimate, variance))
                    keep = 0
                hidden = block(hidden.transpose(1, 2), cache=cache).transpose(1, 2)
                if cache is not None:
                    cache.keep(keep)
            else:
                hidden = block(hidden, visible)
        hidden = self.norm(hidden)
        prediction = estimate + variance.sqrt() * self.read_out(hidden[:, :, : self.tokens]).float()
        return prediction, hidden[:, :, len(self.places) :] if agent is not None else None

    def _known(self, tokens: Tensor, tau: Tensor, memory: Memory | None, keep: int) -> tuple[Tensor, Tensor, Tensor]:
        """The linear estimate and its variance, [B, T, N, C] each, and what the stem reads there, [B, T, N, D]."""
        estimate, variance = self._estimate(tokens, tau, memory, keep)
        return estimate, variance, self._read(estimate, tau, memory, keep)

    def _told(self, tokens: Tensor, tau: Tensor, past: Past) -> tuple[Tensor, Tensor, Tensor]:
        """The same of frames that a past takes in, or of which each remembers it up to its partner."""
        if past.state is None:
            known = self._known(tokens, tau, None, 0)
            seen = _with_level(known[0], tau)
            seen = torch.cat([seen.new_zeros(len(seen), _STEM - 2, *seen.shape[2:]), seen], dim=1)
            past.state, past.stem = known[:2], seen.unfold(1, _STEM - 1, 1).movedim(-1, 2)
            return known
        assert past.stem is not None
        mean, variance = (part.flatten(0, 1) for part in past.state)
        memory = Memory([], (mean, variance), past.stem.flatten(0, 1))
        known = self._known(tokens.flatten(0, 1)[:, None], tau.reshape(-1, 1), memory, 0)
        estimate, variance, read = (part.reshape(*tokens.shape[:3], -1) for part in known)
        return estimate, variance, read

    def _estimate(self, tokens: Tensor, tau: Tensor, memory: Memory | None, keep: int) -> tuple[Tensor, Tensor]:
        estimates, variances = linear_estimate(tokens, tau, self.change, memory.state if memory else None)
        if memory and keep:
            memory.state = estimates[:, keep - 1], variances[:, keep - 1]
        return estimates, variances

    def _read(self, tokens: Tensor, tau: Tensor, memory: Memory | None, keep: int) -> Tensor:
        """Each token with its neighbours and the frames before; [B, T, N, C] -> [B, T, N, D]."""
        known = _with_level(tokens, tau)
        past = memory.stem if memory else None
        if past is None:
            past = known.new_zeros(known.shape[0], _STEM - 1, *known.shape[2:])
        known = torch.cat([past, known], dim=1)  # only frames before: causal
        if memory and keep:
            memory.stem = known[:, keep : keep + _STEM - 1]
        parts = self.split(known)
        video = parts["video"].unflatten(2, self._side).movedim(-1, 1)
        read = [self.read_video(video).flatten(3).permute(0, 2, 3, 1)]
        if self.read_audio is not None:
            read.append(self.read_audio(parts["audio"].movedim(-1, 1)).permute(0, 2, 3, 1))
        return torch.cat(read, dim=2)


def linear_estimate(
    noised: Tensor, tau: Tensor, change: Tensor, state: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Clean tokens from the noised ones of a frame and of all before it: a Kalman filter for a random walk.

    With z~ = (1 - tau) z0 + tau z1 and z1 ~ N(m, p) the posterior mean is m + k (z~ - tau m), where
    k = tau p / ((1 - tau)^2 + tau^2 p), and the posterior variance p (1 - k tau). The first frame has the prior
    N(0, 1); a later one the posterior of the frame before it, with its variance grown by `change`, up to 1.

    Args:
        noised: [B, T, N, C], standardised.
        tau: [B, T], signal levels.
        change: [N, C], mean squared change of a standardised token from frame to frame.
        state: posterior mean and variance [B, N, C] of the frame before the first; None: there is none.

    Returns:
        posterior means and variances, [B, T, N, C] each: clean frames as they are, pure noise replaced by what the
        frames before it tell.
    """
    mean, variance = state or (torch.zeros_like(noised[:, 0]), torch.ones_like(noised[:, 0]))
    estimates, variances = [], []
    for frame, level in zip(noised.unbind(1), tau.float()[..., None, None].unbind(1), strict=True):
        prior = (variance + change).clamp(max=1)
        gain = level * prior / ((1 - level).square() + level.square() * prior).clamp_min(1e-8)
        mean = mean + gain * (frame - level * mean)
        variance = (prior * (1 - gain * level)).clamp_min(0)  # rounding must not make it negative
        estimates.append(mean)
        variances.append(variance)
    return torch.stack(estimates, dim=1), torch.stack(variances, dim=1)


def action_embedding(action: dict[str, Any] | None, dim: int) -> nn.Module | None:
    """What turns an action into a vector [..., dim], by what the recordings' manifest says of actions; None: none."""
    if action is None:
        return None  # recordings of a world that nobody steers
    if action["kind"] == "discrete":
        return nn.Embedding(int(action["size"]), dim)
    if action["kind"] == "continuous":
        return nn.Linear(int(action["size"]), dim)
    raise ValueError(f"action kind is {action['kind']!r}: it must be continuous or discrete")


def _with_level(tokens: Tensor, tau: Tensor) -> Tensor:
    """Tokens [B, T, N, C] with their frame's signal level as one more channel."""
    return torch.cat([tokens, tau[..., None, None].expand(*tokens.shape[:3], 1)], dim=-1)


def _waves(tau: Tensor) -> Tensor:
    """Signal levels [...] -> sines and cosines of half a turn to many turns, [..., 2 * _SIGNAL_WAVES]."""
    frequencies = torch.pi * 2 ** torch.linspace(-1, 4, _SIGNAL_WAVES, device=tau.device)
    angles = tau.float()[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
