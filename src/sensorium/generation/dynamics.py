"""Dynamics model: a space-time transformer that denoises video and sound tokens, given actions and earlier frames.

After Dreamer 4 (Hafner et al. 2025, arXiv:2509.24527), sections 3.2 and 3.4. Attention is factorised: some layers
attend over the tokens of one frame, the others over the frames of one token place, causally.

Layouts: B windows, T frames, N tokens a frame (video first, then sound, then the body sense), C channels, D width,
A agent tokens, S = N + registers + 2 tokens of the transformer a frame, M tokens of the body sense.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.generation.conditioning import FREQUENCIES, STEPS, Conditioning, fourier
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.fine_path import Crop, FinePath
from sensorium.generation.memory import Carry, Context, Memory
from sensorium.generation.passes import Prediction, Seen
from sensorium.generation.paths import Paths
from sensorium.models.cache import Cache, ContextCache, RingCache
from sensorium.models.layers import Block, RMSNorm, action_embedding
from sensorium.models.load import Loadable
from sensorium.models.recompute import through


class Dynamics(Loadable):
    """Denoiser of frames of tokens. Frame t depends on frames and actions up to t only.

    There are three kinds of passes. `denoise` predicts the clean frames of a window, or of frames that each have a
    context of their own; `read` makes these contexts from earlier frames; `stream` continues from a memory.

    A frame consists of tokens of its video and sound, the registers, one token of signal level tau and step size d,
    and one of its action. Level, step size and action are also added to all tokens of their frame. The action token
    of an unlabelled window is a learned embedding only, so recordings without actions train too. Agent tokens see all
    tokens of their frame and their own past; no other token sees them.

    Layers over time see the last `window` frames. The scene, one earlier frame, is shown beside all frames, so the
    model knows the static parts of the world for as long as a stream lasts.

    Tokens come into the transformer by a filter (`FilteredPath`): the network sees their posterior under a random walk
    and corrects the posterior's mean in units of its standard deviation (as Karras et al. 2022, "Elucidating the
    design space", scale outputs to the uncertainty). The posterior keeps all information, training starts at
    persistence, and tokens that a clean context or a high signal level determines are hardly changed. With path
    `fine`, video tokens have a path of their own (`FinePath`): blocks on their own grid, and a head that copies.

    Tokens in all passes are standardised by the training latents (`standardise`), so unit noise has their scale.

    Args:
        config: its section.
        shapes: {"video": tokens a frame, "grid": whether they form a square grid, "audio": tokens a frame, 0 for
            recordings without sound, "channels": C, "pixels": rows and columns of pixels in a video token whose
            channels are its pixels, else 1 (it may be missing), "action": {"kind": "continuous" | "discrete", "size":
            numbers or choices} or None for recordings without actions, "body": numbers of the body sense, "flag":
            channel of the onset flag in sound tokens of bands; either may be missing, a fine path may dream both}.

    Raises:
        ValueError: if video tokens on a grid are no square, or do not suit the fine path.
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
        self.body = int(shapes.get("body", 0)) if config.fine_path and config.fine.body else 0
        if self.body:
            self.streams["body"] = -(-self.body // channels)
        self.tokens, self.channels, self.dim = sum(self.streams.values()), channels, config.dim
        self.window, dim = config.window, config.dim
        for name, value in {"mean": 0.0, "deviation": 1.0, "change": 1.0}.items():
            self.register_buffer(name, torch.full((self.tokens, channels), value))
        grid = math.isqrt(video) if shapes["grid"] else 0
        if grid**2 != video and (grid or config.fine_path):
            raise ValueError(f"video is {video} tokens: on a grid their number must be a square")
        actions, flag = int(shapes["action"]["size"]) if shapes["action"] else 0, int(shapes.get("flag", 0))
        self.paths = Paths(config, self.streams, grid, channels, int(shapes.get("pixels", 1)), actions, flag)
        self.places = nn.Parameter(0.02 * torch.randn(self.paths.count + config.registers + 2, dim))
        self.signal = nn.Sequential(nn.Linear(2 * FREQUENCIES, dim), nn.SiLU(), nn.Linear(dim, dim))
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
        self.read_out = nn.Linear(dim, channels) if self.paths.reads_out else None
        for parameter in self.read_out.parameters() if self.read_out else ():
            nn.init.zeros_(parameter)  # the first prediction is the mean of the posterior

    def describe(self, mean: Tensor, std: Tensor, change: Tensor) -> None:
        """Set the statistics of the training tokens: mean, standard deviation, mean squared change a frame, [N, C]."""
        self.mean.copy_(mean)
        self.deviation.copy_(std)
        self.change.copy_(change / std.square())
        if self.paths.onsets is not None:
            self.paths.onsets.describe(mean[self.streams["video"]], std[self.streams["video"]])

    def describe_pixels(self, colour: Tensor, mean: Tensor) -> None:
        """Tell the fine path what tokens look like: pixels are colour [C, C] times the token, plus mean [C].

        Raises:
            ValueError: if there is no fine path.
        """
        if self.fine is None:
            raise ValueError("only a fine path looks at pixels: set dynamics.path to fine")
        self.fine.describe(colour * self.deviation[0], mean + colour @ self.mean[0])

    def standardise(self, tokens: Tensor) -> Tensor:
        """Tokens of the tokenizers [..., N, C] -> about zero mean and unit standard deviation."""
        return (tokens.float() - self.mean) / self.deviation

    def restore(self, tokens: Tensor) -> Tensor:
        """The inverse of `standardise`."""
        return tokens * self.deviation + self.mean

    @property
    def fine(self) -> FinePath | None:
        """The path of the video tokens' own, if they have one."""
        return self.paths.fine

    def split(self, tokens: Tensor) -> dict[str, Tensor]:
        """Tokens [..., N, C] -> stream -> [..., tokens of the stream, C]."""
        return self.paths.split(tokens)

    def encode_scene(self, frame: Tensor) -> Tensor:
        """What `Conditioning.scene` shows of a frame, [B, ...].

        Args:
            frame: tokens of the tokenizers, [B, n, C], video first; sound is ignored and may be missing.
        """
        count = self.streams["video"]
        return self.paths.encode_scene((frame[:, :count].float() - self.mean[:count]) / self.deviation[:count])

    def blur(self, frames: Tensor, noise: Tensor, tau: Tensor | float) -> Tensor:
        """Earlier frames as a pass reads them: with a share of noise, for dreamed ones are not to be trusted."""
        return self.paths.blur(frames, noise, tau)

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
        seen, condition = self._see(frames, given, None, 1.0, keep=frames.shape[1])
        hidden = self._embed(seen.tokens, condition)
        caches = {layer: ContextCache(self.window, self.places.device) for layer in self._layers_over_time()}
        last = list(caches)[-1]
        self._read_at(last, self._transform(hidden, range(last), caches), caches[last])
        return Context(caches, self.paths.after_each(seen))

    def denoise(
        self,
        frames: Tensor,
        given: Conditioning,
        context: Context | None = None,
        agent: Tensor | None = None,
        sharpness: float = 1.0,
    ) -> Prediction:
        """Predict the clean tokens of all frames.

        Without a context, the frames form a window and frame t sees frames 0 ... t. With one, frame t sees itself and
        context frames 0 ... t, as the newest frame of a stream does; several passes may use the same context.

        Args:
            frames: [B, T, N, C], each noised to its own level.
            given: of these frames.
            context: as many context frames (`read`); None: there are none.
            agent: embeddings of agent tokens, [A, D]; None: there are none. A context has none.
            sharpness: of what the fine path copies (`FinePath.predict`).
        """
        carry, caches = (context.carry, context.caches) if context else (None, {})
        seen, condition = self._see(frames, given, carry, sharpness, 0, single=context is not None)
        hidden = self._transform(self._embed(seen.tokens, condition, agent), range(len(self.blocks)), caches)
        return self._predict(hidden, seen, given.tau, 0, sharpness)

    def denoise_crops(
        self, crops: Tensor, recent: Tensor, given: Conditioning, crop: Crop, felt: Tensor | None = None
    ) -> Prediction:
        """Predict the clean video tokens of parts of frames by the fine path alone, which sees the last frames.

        Args:
            crops: [B, T, side^2, C], each noised to its own level.
            recent: tokens of the frames before each, video and body sense, [B, T, LAST_FRAMES, N, C].
            given: of these frames.
            crop: where the parts are, [B T].
            felt: the body sense, noised to the same levels, [B, T, M, C]; None if it is not dreamed.

        Returns:
            the tokens of the parts, and behind them those of the body sense.
        """
        fine = self.fine
        assert fine is not None
        shape, (levels, moves), bodies, body, expected = crops.shape[:2], self._condition(given), None, None, None
        scene = None if given.scene is None else given.scene.repeat_interleave(shape[1], dim=0)
        noised, tau, before = (part.flatten(0, 1) for part in (crops, given.tau, recent))
        video, last = before[:, :, : self.streams["video"]], before[:, -1, self.streams["video"] :]
        if fine.body is not None and felt is not None:
            led = self.paths.led(moves, given).flatten(0, 1)
            body, expected = self.paths.feel_after(before, led, self.change, felt.flatten(0, 1), tau)
            bodies, expected = (last, body.detach()), expected.map(lambda part: part.unflatten(0, shape))
            moves = moves + fine.body.condition(*bodies).view_as(moves)
        looked = fine.look(noised, video, scene, (levels + moves).flatten(0, 1), crop, bodies)
        tokens, mixture = fine.predict(looked, None, tau)
        tokens = tokens if body is None else torch.cat([tokens, body], dim=1)
        return Prediction(tokens.unflatten(0, shape), crops.new_zeros(*shape, 0, self.dim), mixture, expected)

    def watch(self, frames: Tensor, given: Conditioning, agent: Tensor) -> Tensor:
        """States of agent tokens at the frames of a window, [B, T, A, D], as they are where a stream keeps frames.

        Args:
            frames: [B, T, N, C], each noised to its own level.
            given: of these frames.
            agent: embeddings of agent tokens, [A, D].
        """
        seen, condition = self._see(frames, given, None, 1.0, keep=frames.shape[1])
        hidden = self._transform(self._embed(seen.tokens, condition, agent), range(len(self.blocks)), {})
        return self.norm(hidden)[:, :, len(self.places) :]

    def stream(
        self,
        frames: Tensor,
        given: Conditioning,
        memory: Memory,
        keep: int = 0,
        agent: Tensor | None = None,
        sharpness: float = 1.0,
    ) -> Prediction:
        """Predict the clean tokens of frames that follow a memory, which keeps the first `keep` of them as its past.

        Args:
            frames: [B, T, N, C], each noised to its own level.
            given: of these frames.
            memory: the frames before; updated in place.
            keep: number of frames to keep. Kept frames are context: their tokens are not predicted.
            agent: embeddings of agent tokens, [A, D]; None: there are none. A stream has them always or never.
            sharpness: of what the fine path copies (`FinePath.predict`).

        Returns:
            the clean tokens of the frames that are not kept, [B, T - keep, N, C]; the agent states of all frames.
        """
        seen, condition = self._see(frames, given, memory.carry, sharpness, keep)
        if keep:
            memory.carry = self.paths.after(seen, keep)
        hidden = self._embed(seen.tokens, condition, agent)
        if agent is not None:
            hidden = self._transform(hidden, range(len(self.blocks)), memory.caches, keep)
            states = self.norm(hidden)[:, :, len(self.places) :]
            return self._predict(hidden[:, keep:], seen, given.tau, keep, sharpness)._replace(agent=states)
        last = list(memory.caches)[-1] if memory.caches else 0  # later layers do not look at kept frames
        hidden = self._transform(hidden, range(last), memory.caches, keep)
        if keep and memory.caches:
            self._read_at(last, hidden[:, :keep], memory.caches[last])
        if keep == frames.shape[1]:
            return Prediction(frames[:, keep:], hidden[:, keep:, len(self.places) :])
        hidden = self._transform(hidden[:, keep:], range(last, len(self.blocks)), memory.caches)
        return self._predict(hidden, seen, given.tau, keep, sharpness)

    def compile(self, *args: Any, **options: Any) -> None:
        """Have torch.compile replace `stream`, the pass that a dream repeats."""
        self.stream = torch.compile(self.stream, *args, **options)  # type: ignore[method-assign]

    def _layers_over_time(self) -> list[int]:
        return [layer for layer, over_time in enumerate(self.over_time) if over_time]

    def _condition(self, given: Conditioning) -> tuple[Tensor, Tensor]:
        """Embeddings of level and step size, and of the action, of each frame: [B, T, D] each."""
        moves = self.no_action.expand(*given.tau.shape, -1)
        if given.action is not None and self.action is not None:
            steered = self.action(given.action) + self.no_action
            labelled = given.labelled
            moves = steered if labelled is None else torch.where(labelled[:, None, None], steered, moves)
        return self.signal(fourier(given.tau)) + self.sizes(-torch.log2(given.step_size).round().long()), moves

    def _see(
        self, frames: Tensor, given: Conditioning, carry: Carry | None, power: float, keep: int, single: bool = False
    ) -> tuple[Seen, tuple[Tensor, Tensor]]:
        """What the transformer sees of frames [B, T, N, C] (`Paths.see`), and their condition, with what is felt."""
        levels, moves = self._condition(given)
        felt = self.paths.feel(frames, given, moves, self.change, carry, keep, single, power)
        if felt is not None and self.fine is not None and self.fine.body is not None:
            moves = moves + self.fine.body.condition(felt.before, felt.tokens)
        how = (given.scene, self.change, carry, keep, single, felt)
        return self.paths.see(frames, given.tau, levels + moves, *how), (levels, moves)

    def _embed(self, seen: Tensor, condition: tuple[Tensor, Tensor], agent: Tensor | None = None) -> Tensor:
        """Tokens of the transformer [B, T, S + A, D] from those of the streams [B, T, n, D]."""
        (batch, time), (levels, moves) = seen.shape[:2], condition
        registers = self.places.new_zeros(batch, time, len(self.places) - self.paths.count - 2, self.dim)
        hidden = torch.cat([seen, registers, levels[:, :, None], moves[:, :, None]], dim=2)
        hidden = hidden + self.places + (levels + moves)[:, :, None]
        return hidden if agent is None else torch.cat([hidden, agent.expand(batch, time, -1, -1)], dim=2)

    def _transform(self, hidden: Tensor, layers: Iterable[int], caches: Mapping[int, Cache], keep: int = 0) -> Tensor:
        """Some of the layers, [B, T, S + A, D] -> same; caches keep the first `keep` frames."""
        visible = self._visible(hidden)
        for layer in layers:
            block, cache = self.blocks[layer], caches.get(layer)
            if not self.over_time[layer]:
                hidden = through(block, hidden, visible)
                continue
            hidden = through(block, hidden.transpose(1, 2), cache=cache).transpose(1, 2)
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

    def _predict(self, hidden: Tensor, seen: Seen, tau: Tensor, keep: int, sharpness: float) -> Prediction:
        """Of the frames that are not kept: hidden [B, T - keep, S + A, D]."""
        hidden = self.norm(hidden)
        states = hidden[:, :, : self.paths.count]
        tokens, mixture, heard = self.paths.predict(states, self.read_out, seen, tau, keep, sharpness)
        expected = None if seen.felt is None else seen.felt.expected
        return Prediction(tokens, hidden[:, :, len(self.places) :], mixture, expected, heard)
