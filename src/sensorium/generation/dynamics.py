"""Dynamics model: a space-time transformer that denoises video and sound tokens, given actions and earlier frames.

After Dreamer 4 (Hafner et al. 2025, arXiv:2509.24527), sections 3.2 and 3.4. Attention is factorised: some layers
attend over the tokens of one frame, the others over the frames of one token place, causally.

Layouts: B windows, T frames, N tokens a frame (video first, then sound), C channels, D width, A agent tokens,
S = N + registers + 2 tokens of the transformer a frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.generation.config import DynamicsConfig
from sensorium.generation.kalman import Gaussian, kalman_filter
from sensorium.generation.memory import Carry, Context, Memory
from sensorium.models.cache import Cache, ContextCache, RingCache
from sensorium.models.layers import Block, RMSNorm, action_embedding
from sensorium.models.load import Loadable

STEPS = 64  # of the finest sampler; step sizes are 1/64, 1/32, ... 1
FINEST = 1 / STEPS  # step size of plain flow matching
_FREQUENCIES = 16  # of the embedding of the signal level
_STEM_FRAMES = 3  # that the stem reads: a frame and those before it


@dataclass(frozen=True)
class Conditioning:
    """What the denoising of frames is conditioned on.

    Attributes:
        tau: signal level of each frame, in [0, 1], 0 noise and 1 clean, [B, T].
        step_size: step size d of the sampler, 1/64, 1/32, ... 1, [B, T].
        action: the action that led to each frame, float [B, T, ...] or int64 [B, T]; None: there are no actions.
        labelled: bool [B], windows whose actions are used; None: all.
        scene: features of an earlier frame of the recording (`encode_scene`), [B, N, D]; None: there is no scene.
    """

    tau: Tensor
    step_size: Tensor
    action: Tensor | None = None
    labelled: Tensor | None = None
    scene: Tensor | None = None


class Prediction(NamedTuple):
    """Output of a pass: clean tokens [B, T, N, C], standardised, and states of the agent tokens [B, T, A, D]."""

    tokens: Tensor
    agent: Tensor


class Dynamics(Loadable):
    """Denoiser of frames of tokens. Frame t depends on frames and actions up to t only.

    There are three kinds of passes. `denoise` predicts the clean frames of a window, or of frames that each have a
    context of their own; `read` makes these contexts from earlier frames; `stream` continues from a memory.

    A frame consists of its noised video and sound tokens, the registers, one token of signal level tau and step size
    d, and one of its action. Level, step size and action are also added to all tokens of their frame. The action token
    of an unlabelled window is a learned embedding only, so recordings without actions train too. Agent tokens see all
    tokens of their frame and their own past; no other token sees them.

    Layers over time see the last `window` frames. The scene, one earlier frame, is added to all frames through a
    convolution, so the model knows the static parts of the world for as long as a stream lasts. Before the layers, the
    stem, a convolution over three frames and the grid of video tokens, detects motion at all places alike.

    The network does not see the noised tokens but their posterior under a random walk (`kalman_filter`), and it
    corrects the posterior's mean in units of its standard deviation (as Karras et al. 2022, "Elucidating the design
    space", scale outputs to the uncertainty). The posterior keeps all information, training starts at persistence, and
    tokens that a clean context or a high signal level determines are hardly changed.

    Tokens in all passes are standardised by the training latents (`standardise`), so unit noise has their scale.

    Args:
        config: its section.
        shapes: {"video": tokens a frame, "grid": whether they form a square grid, "audio": tokens a frame, 0 for
            recordings without sound, "channels": C, "action": {"kind": "continuous" | "discrete", "size": numbers or
            choices} or None for recordings without actions}.

    Raises:
        ValueError: if video tokens on a grid are no square.
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
        self.window, dim = config.window, config.dim
        for name, value in {"mean": 0.0, "deviation": 1.0, "change": 1.0}.items():
            self.register_buffer(name, torch.full((self.tokens, channels), value))
        self.grid = math.isqrt(video) if shapes["grid"] else 0
        if self.grid**2 != video and self.grid:
            raise ValueError(f"video is {video} tokens: on a grid their number must be a square")
        self._side = (self.grid, self.grid) if self.grid else (1, video)
        across = 3 if self.grid else 1
        kernel, padding = (_STEM_FRAMES, across, across), (0, across // 2, across // 2)
        self.read_video = nn.Conv3d(channels + 1, dim, kernel, padding=padding)
        self.read_audio = nn.Conv2d(channels + 1, dim, (_STEM_FRAMES, 1)) if audio else None
        self.read_scene = nn.Conv2d(channels, dim, across, padding=across // 2, bias=False)
        nn.init.zeros_(self.read_scene.weight)  # training starts without a scene
        self.places = nn.Parameter(0.02 * torch.randn(self.tokens + config.registers + 2, dim))
        self.signal = nn.Sequential(nn.Linear(2 * _FREQUENCIES, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.sizes = nn.Embedding(int(math.log2(STEPS)) + 1, dim)
        nn.init.normal_(self.sizes.weight, std=0.02)
        self.action = action_embedding(shapes["action"], dim)
        self.no_action = nn.Parameter(0.02 * torch.randn(dim))
        self.over_time = [(layer + 1) % config.time_every == 0 for layer in range(config.layers)]
        shared = {"key_heads": config.key_heads, "window": config.window, "soft_cap": config.soft_cap}
        self.blocks = nn.ModuleList(
            Block(dim, config.heads, causal=over_time, rotary=over_time, **shared) for over_time in self.over_time
        )
        self.norm = RMSNorm(dim, eps=1e-6)
        self.read_out = nn.Linear(dim, channels)
        nn.init.zeros_(self.read_out.weight)  # the first prediction is the mean of the posterior
        nn.init.zeros_(self.read_out.bias)

    def describe(self, mean: Tensor, std: Tensor, change: Tensor) -> None:
        """Set the statistics of the training tokens: mean, standard deviation, mean squared change a frame, [N, C]."""
        self.mean.copy_(mean)
        self.deviation.copy_(std)
        self.change.copy_(change / std.square())

    def standardise(self, tokens: Tensor) -> Tensor:
        """Tokens of the tokenizers [..., N, C] -> about zero mean and unit standard deviation."""
        return (tokens.float() - self.mean) / self.deviation

    def restore(self, tokens: Tensor) -> Tensor:
        """The inverse of `standardise`."""
        return tokens * self.deviation + self.mean

    def split(self, tokens: Tensor) -> dict[str, Tensor]:
        """Tokens [..., N, C] -> stream -> [..., tokens of the stream, C]."""
        parts = tokens.split(list(self.streams.values()), dim=-2)
        return dict(zip(self.streams, parts, strict=True))

    def encode_scene(self, frame: Tensor) -> Tensor:
        """Features of a frame for `Conditioning.scene`, [B, N, D]; zero at sound tokens.

        Args:
            frame: tokens of the tokenizers, [B, n, C], video first; sound is ignored and may be missing.
        """
        count = self.streams["video"]
        video = (frame[:, :count].float() - self.mean[:count]) / self.deviation[:count]
        features = self.read_scene(video.movedim(-1, 1).unflatten(2, self._side)).flatten(2).transpose(1, 2)
        return F.pad(features, (0, 0, 0, self.tokens - count))

    def remember(self) -> Memory:
        """An empty memory for a new stream."""
        return Memory({layer: RingCache(self.window, self.places.device) for layer in self._layers_over_time()})

    def read(self, frames: Tensor, given: Conditioning) -> Context:
        """Read context frames. Nothing is predicted of them, so the work ends at the last layer over time.

        Args:
            frames: [B, T, N, C], each noised to its own level.
            given: of these frames.

        Returns:
            the context for T frames, of which frame t follows context frames 0 ... t.
        """
        posterior, inputs = self._filter(frames, given.tau)
        hidden = self._embed(self._stem(inputs), given)
        stem = inputs[:, 1:].unfold(1, _STEM_FRAMES - 1, 1).movedim(-1, 2)  # of each frame and the one before
        carry = Carry(posterior.map(lambda part: part.flatten(0, 1)), stem.flatten(0, 1))
        caches = {layer: ContextCache(self.window, self.places.device) for layer in self._layers_over_time()}
        last = list(caches)[-1]
        self._read_at(last, self._transform(hidden, range(last), caches), caches[last])
        return Context(caches, carry)

    def denoise(
        self, frames: Tensor, given: Conditioning, context: Context | None = None, agent: Tensor | None = None
    ) -> Prediction:
        """Predict the clean tokens of all frames.

        Without a context, the frames form a window and frame t sees frames 0 ... t. With one, frame t sees itself and
        context frames 0 ... t, as the newest frame of a stream does; several passes may use the same context.

        Args:
            frames: [B, T, N, C], each noised to its own level.
            given: of these frames.
            context: as many context frames (`read`); None: there are none.
            agent: embeddings of agent tokens, [A, D]; None: there are none. A context has none.
        """
        if context is None:
            posterior, inputs = self._filter(frames, given.tau)
            seen = self._stem(inputs)
        else:  # windows of one frame, each after its own carry
            single, tau = frames.flatten(0, 1)[:, None], given.tau.reshape(-1, 1)
            posterior, inputs = self._filter(single, tau, context.carry)
            posterior = posterior.map(lambda part: part.reshape(frames.shape))
            seen = self._stem(inputs).reshape(*frames.shape[:3], -1)
        hidden = self._embed(seen, given, agent)
        hidden = self._transform(hidden, range(len(self.blocks)), context.caches if context else {})
        return self._predict(hidden, posterior)

    def stream(
        self, frames: Tensor, given: Conditioning, memory: Memory, keep: int = 0, agent: Tensor | None = None
    ) -> Prediction:
        """Predict the clean tokens of frames that follow a memory, which keeps the first `keep` of them as its past.

        Args:
            frames: [B, T, N, C], each noised to its own level.
            given: of these frames.
            memory: the frames before; updated in place.
            keep: number of frames to keep. Kept frames are context: their tokens are not predicted.
            agent: embeddings of agent tokens, [A, D]; None: there are none. A stream has them always or never.

        Returns:
            the clean tokens of the frames that are not kept, [B, T - keep, N, C]; the agent states of all frames.
        """
        posterior, inputs = self._filter(frames, given.tau, memory.carry)
        if keep:
            last_kept = posterior.map(lambda part: part[:, keep - 1])
            memory.carry = Carry(last_kept, inputs[:, keep : keep + _STEM_FRAMES - 1])
        hidden = self._embed(self._stem(inputs), given, agent)
        if agent is not None:
            hidden = self._transform(hidden, range(len(self.blocks)), memory.caches, keep)
            tokens, states = self._predict(hidden, posterior)
            return Prediction(tokens[:, keep:], states)
        last = list(memory.caches)[-1] if memory.caches else 0  # later layers do not look at kept frames
        hidden = self._transform(hidden, range(last), memory.caches, keep)
        if keep and memory.caches:
            self._read_at(last, hidden[:, :keep], memory.caches[last])
        if keep == frames.shape[1]:
            return Prediction(frames[:, keep:], hidden[:, keep:, len(self.places) :])
        hidden = self._transform(hidden[:, keep:], range(last, len(self.blocks)), memory.caches)
        return self._predict(hidden, posterior.map(lambda part: part[:, keep:]))

    def compile(self, *args: Any, **options: Any) -> None:
        """Have torch.compile replace `stream`, the pass that a dream repeats."""
        self.stream = torch.compile(self.stream, *args, **options)  # type: ignore[method-assign]

    def _layers_over_time(self) -> list[int]:
        return [layer for layer, over_time in enumerate(self.over_time) if over_time]

    def _filter(self, frames: Tensor, tau: Tensor, carry: Carry | None = None) -> tuple[Gaussian, Tensor]:
        """Posterior of the clean tokens, and the input of the stem: its mean and tau, [B, 2 + T, N, C + 1]."""
        posterior = kalman_filter(frames, tau, self.change, carry.posterior if carry else None)
        level = tau[..., None, None].expand(*frames.shape[:3], 1)
        inputs = torch.cat([posterior.mean, level], dim=-1)
        before = inputs.new_zeros(len(inputs), _STEM_FRAMES - 1, *inputs.shape[2:]) if carry is None else carry.stem
        return posterior, torch.cat([before, inputs], dim=1)

    def _stem(self, inputs: Tensor) -> Tensor:
        """Features of each token, its neighbours and the frames before, [B, 2 + T, N, C + 1] -> [B, T, N, D]."""
        parts = self.split(inputs)
        video = parts["video"].unflatten(2, self._side).movedim(-1, 1)
        features = [self.read_video(video).flatten(3).permute(0, 2, 3, 1)]
        if self.read_audio is not None:
            features.append(self.read_audio(parts["audio"].movedim(-1, 1)).permute(0, 2, 3, 1))
        return torch.cat(features, dim=2)

    def _embed(self, seen: Tensor, given: Conditioning, agent: Tensor | None = None) -> Tensor:
        """Tokens of the transformer [B, T, S + A, D] from the features of the stem [B, T, N, D]."""
        batch, time = seen.shape[:2]
        moves = self.no_action.expand(batch, time, -1)
        if given.action is not None and self.action is not None:
            steered = self.action(given.action) + self.no_action
            labelled = given.labelled
            moves = steered if labelled is None else torch.where(labelled[:, None, None], steered, moves)
        levels = self.signal(_fourier(given.tau)) + self.sizes(-torch.log2(given.step_size).round().long())
        if given.scene is not None:
            seen = seen + given.scene[:, None]
        registers = self.places.new_zeros(batch, time, len(self.places) - self.tokens - 2, self.dim)
        hidden = torch.cat([seen, registers, levels[:, :, None], moves[:, :, None]], dim=2)
        hidden = hidden + self.places + (levels + moves)[:, :, None]
        return hidden if agent is None else torch.cat([hidden, agent.expand(batch, time, -1, -1)], dim=2)

    def _transform(self, hidden: Tensor, layers: Iterable[int], caches: Mapping[int, Cache], keep: int = 0) -> Tensor:
        """Some of the layers, [B, T, S + A, D] -> same; caches keep the first `keep` frames."""
        visible = self._visible(hidden)
        for layer in layers:
            block, cache = self.blocks[layer], caches.get(layer)
            if not self.over_time[layer]:
                hidden = block(hidden, visible)
                continue
            hidden = block(hidden.transpose(1, 2), cache=cache).transpose(1, 2)
            if cache is not None:
                cache.keep(keep)
        return hidden

    def _read_at(self, layer: int, hidden: Tensor, cache: Cache) -> None:
        """Add all frames to the cache of one layer over time, without output."""
        block = self.blocks[layer]
        assert isinstance(block, Block)
        block.read(hidden.transpose(1, 2), cache)
        cache.keep(hidden.shape[1])

    def _visible(self, hidden: Tensor) -> Tensor | None:
        """Which token of a frame sees which, bool [S + A, S + A]: all but the agent tokens, which see everything."""
        count, own = hidden.shape[2], len(self.places)
        if count == own:
            return None
        visible = torch.ones(count, count, dtype=torch.bool, device=hidden.device)
        visible[:own, own:] = False
        return visible

    def _predict(self, hidden: Tensor, posterior: Gaussian) -> Prediction:
        hidden = self.norm(hidden)
        correction = self.read_out(hidden[:, :, : self.tokens]).float()
        tokens = posterior.mean + posterior.variance.sqrt() * correction
        return Prediction(tokens, hidden[:, :, len(self.places) :])


def _fourier(tau: Tensor) -> Tensor:
    """Signal levels [...] -> sines and cosines of half a turn to many turns, [..., 2 * _FREQUENCIES]."""
    frequencies = torch.pi * 2 ** torch.linspace(-1, 4, _FREQUENCIES, device=tau.device)
    angles = tau.float()[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
