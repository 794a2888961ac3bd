"""Dreams: the dynamics model samples one frame after the other, after a context, in constant memory.

Layouts: B windows, T frames, N tokens (video first, then sound, then the body sense), C channels.
tau is the signal level: 0 noise, 1 clean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sensorium.generation.conditioning import FINEST, STEPS, Conditioning
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.memory import Memory
from sensorium.generation.passes import Prediction
from sensorium.models.out_of_memory import in_pieces
from sensorium.randomness import Draw, stable_seed


def euler_step(noised: Tensor, prediction: Tensor, tau: float, target: float) -> Tensor:
    """One step of the flow from signal level tau to a higher one.

    The velocity of the predicted trajectory is v = (x - z) / (1 - tau) and z' = z + (target - tau) v (Dreamer 4,
    flow matching with x-prediction). So the step keeps the noise that z implies: z' = (1 - target) z0 + target x with
    z0 = (z - tau x) / (1 - tau). Fresh noise would leave the trajectory that the model was trained on.

    Args:
        noised: z, of any shape.
        prediction: x, the predicted clean tokens, of the same shape.
        tau, target: signal levels before and after the step.

    Raises:
        ValueError: if not 0 <= tau < target <= 1.
    """
    if not 0 <= tau < target <= 1:
        raise ValueError(f"tau is {tau}, target {target}: 0 <= tau < target <= 1 is needed")
    return noised + (target - tau) * (prediction - noised) / (1 - tau)


class Dreamer:
    """Dreams one frame a call, in constant memory; each frame sees exactly the window of past frames used in training.

    Past frames are corrupted with a little noise, and their signal level says so: dreamed frames are not perfect and
    must not be trusted as if they were (as in Dreamer 4). The noise of a frame is drawn once, when the frame is kept.

    K denoising steps need K passes, because keeping frame t and the first step of frame t + 1 share one.

    The first frame is the scene, which conditions all later frames (`Conditioning.scene`).

    Most of the picture stands still, but small errors add up frame by frame. So a video token that changes by less
    than `stillness` times its usual change may be copied from the last frame: keep or kill by blocks, as for wavelet
    coefficients (Hall, Kerkyacharian and Picard 1998, "Block threshold rules for curve estimation").

    Args:
        dynamics: the model, in eval mode.
        denoising_steps: K, the number of Euler steps a frame: 1, 2, 4, ... 64.
        context_noise: share of noise in past frames.
        stillness: threshold on a token's change, root mean square in units of its usual change; below it the token is
            copied. 0: none is.
        seed: of the noise; equal seeds give equal noise for any actions. With a `Draw`, the noise of a row does not
            depend on the other rows.
        agent: [A, D], embeddings of agent tokens, for a policy that uses the result of `keep`.
        sharpness: of what a fine path copies (`FinePath.predict`); its frames begin with as much less noise, since
            what is drawn token by token is less sharp than one of the copies. Above 1 there is a second pass, if the
            dynamics have one. May be changed between frames.

    Attributes:
        sharpness: as above.

    Raises:
        ValueError: if denoising_steps is no power of two up to 64, context_noise not in [0, 1), stillness negative, or
            sharpness not above 0.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        *,
        denoising_steps: int = 4,
        context_noise: float = 0.1,
        stillness: float = 0.0,
        seed: int | Draw = 0,
        agent: Tensor | None = None,
        sharpness: float = 1.0,
    ) -> None:
        if denoising_steps < 1 or STEPS % denoising_steps:
            raise ValueError(f"denoising_steps is {denoising_steps}: it must be a power of two, {STEPS} at most")
        if not 0 <= context_noise < 1:
            raise ValueError(f"context_noise is {context_noise}: it must be in [0, 1)")
        if stillness < 0:
            raise ValueError(f"stillness is {stillness}: it must be 0 or more")
        if not sharpness > 0:
            raise ValueError(f"sharpness is {sharpness}: it must be above 0")
        self.dynamics, self._stillness = dynamics, stillness
        self._steps, self._signal, self._agent, self._seed = denoising_steps, 1 - context_noise, agent, seed
        self.sharpness = sharpness
        self._memory = dynamics.remember()
        self._scene: Tensor | None = None
        self._newest: _Frame | None = None
        self._number = 0  # of the newest frame

    @torch.no_grad()
    def begin(self, context: Tensor, actions: Tensor | None) -> None:
        """Start from true frames.

        Args:
            context: [B, T, N, C], tokens of the tokenizers, T >= 1.
            actions: [B, T, ...], action[t] led to frame t; None to dream without.
        """
        frames = self.dynamics.standardise(context)
        self._memory, self._scene = self.dynamics.remember(), self.dynamics.encode_scene(context[:, 0])
        self._number = frames.shape[1] - 1
        past = [self._corrupted(frames[:, [number]], number) for number in range(self._number)]
        if past:
            self._memory = self._read(torch.cat(past, dim=1), None if actions is None else actions[:, :-1])
        self._newest = _Frame(frames[:, -1:], None if actions is None else actions[:, -1:])

    def _read(self, past: Tensor, led: Tensor | None) -> Memory:
        """The memory of past frames [B, T, N, C], of all rows in one pass, or in pieces where memory runs out."""
        assert self._scene is not None
        scene, levels = self._scene, [self._signal] * past.shape[1]

        def part(start: int, stop: int) -> Memory:
            memory, rows = self.dynamics.remember(), slice(start, stop)
            moves = None if led is None else led[rows]
            self._pass(past[rows], moves, levels, len(levels), memory, scene[rows])
            return memory

        if isinstance(self._seed, Draw):  # a training, which cuts its rows itself, once for all of its steps
            return part(0, len(past))
        return Memory.joined(in_pieces(part, len(past), len(past), "contexts read"))

    @torch.no_grad()
    def keep(self) -> Tensor | None:
        """Add the newest frame to the memory; return the states of the agent tokens there, [B, A, D], or None.

        Only a policy that sees a frame before it acts needs this: `step` adds the frame in its own first pass.

        Raises:
            ValueError: before `begin`, or if the newest frame is kept already.
        """
        newest = self._last()
        if newest.kept:
            raise ValueError("the newest frame is kept already: call step before keep")
        newest.kept = True
        states = self._pass(self._corrupted(newest.tokens, self._number), newest.action, [self._signal], keep=1).agent
        return None if self._agent is None else states[:, -1]

    @torch.no_grad()
    def step(self, action: Tensor | None) -> Tensor:
        """Dream the next frame.

        Args:
            action: [B, ...], the action that leads to the new frame; None to dream without.

        Returns:
            [B, 1, N, C], tokens of the tokenizers.

        Raises:
            ValueError: before `begin`.
        """
        newest, move = self._last(), None if action is None else action[:, None]
        unkept = None if newest.kept else self._corrupted(newest.tokens, self._number)
        self._number += 1
        new = self._begun(self._noise("frame", self._number, newest.tokens))
        for step in range(self._steps):
            tau, target = step / self._steps, (step + 1) / self._steps
            if unkept is not None and step == 0:
                moves = None if move is None or newest.action is None else torch.cat([newest.action, move], dim=1)
                clean = self._pass(torch.cat([unkept, new], dim=1), moves, [self._signal, tau], keep=1).tokens
            else:
                clean = self._pass(new, move, [tau], keep=0).tokens
            new = euler_step(new, clean, tau, target)
        if self._stillness:
            new = self._stilled(new, newest.tokens)
        # A mean has not the look of the recordings, and the way there would cost it what makes it the mean.
        if self._scene is not None and self.sharpness > 1 and self.dynamics.paths.refines(self._number):
            new = self.dynamics.paths.refine(new[:, 0], self._scene, self.sharpness)[:, None]
        self._newest = _Frame(new, move)
        return self.dynamics.restore(new)

    def observe(self, frame: Tensor, action: Tensor | None) -> None:
        """Continue with a true frame instead of a dreamed one.

        Args:
            frame: [B, 1, N, C], tokens of the tokenizers.
            action: [B, ...], the action that led to it; None to dream without.

        Raises:
            ValueError: before `begin`, or if the newest frame is not kept: it would be forgotten.
        """
        if not self._last().kept:
            raise ValueError("the newest frame is not kept: call keep before observe")
        self._number += 1
        self._newest = _Frame(self.dynamics.standardise(frame), None if action is None else action[:, None])

    def _last(self) -> _Frame:
        if self._newest is None:
            raise ValueError("a dream needs frames to begin with: call begin first")
        return self._newest

    def _stilled(self, new: Tensor, last: Tensor) -> Tensor:
        """The new frame [B, 1, N, C], with video tokens that hardly changed copied from the last one."""
        change = ((new - last).square() / self.dynamics.change.clamp_min(1e-12)).mean(-1, keepdim=True)
        still = change < self._stillness**2
        still[:, :, self.dynamics.streams["video"] :] = False
        return torch.where(still, last, new)

    def _noise(self, purpose: str, number: int, like: Tensor) -> Tensor:
        """Noise of frame `number` in the shape of `like`, [B, 1, N, C]."""
        if isinstance(self._seed, Draw):
            return self._seed.normal(f"{purpose} {number}", *like.shape[1:]).to(like)
        generator = torch.Generator().manual_seed(stable_seed(self._seed, purpose, number))
        return torch.randn(like.shape, generator=generator).to(like, non_blocking=True)

    def _begun(self, noise: Tensor) -> Tensor:
        """The noise that a frame begins with, [B, 1, N, C]: with a fine path less of it where dreams are sharp."""
        if self.dynamics.fine is None or self.sharpness == 1:
            return noise
        parts = self.dynamics.split(noise)
        return torch.cat([part if name == "audio" else part / self.sharpness for name, part in parts.items()], dim=2)

    def _corrupted(self, frame: Tensor, number: int) -> Tensor:
        """A past frame [B, 1, N, C] with its share of noise."""
        return self.dynamics.blur(frame, self._noise("context", number, frame), self._signal)

    def _pass(
        self,
        frames: Tensor,
        actions: Tensor | None,
        levels: list[float],
        keep: int,
        memory: Memory | None = None,
        scene: Tensor | None = None,
    ) -> Prediction:
        """One pass over frames [B, T, N, C] that follow a memory, which keeps the first `keep` of them.

        Memory and scene are the dream's own, unless others are given.
        """
        tau = torch.tensor(levels).to(frames.device, non_blocking=True).expand(len(frames), -1)
        sizes = [FINEST] * keep + [1 / self._steps] * (len(levels) - keep)
        step_size = torch.tensor(sizes).to(frames.device, non_blocking=True).expand(len(frames), -1)
        given = Conditioning(tau, step_size, actions, scene=self._scene if scene is None else scene)
        return self.dynamics.stream(frames, given, memory or self._memory, keep, self._agent, self.sharpness)


@dataclass
class _Frame:
    tokens: Tensor  # [B, 1, N, C], standardised
    action: Tensor | None  # [B, 1, ...], that led to it
    kept: bool = False  # whether the memory contains it


class FrameDreamer(Protocol):
    """Dreams one frame a call: `Dreamer`, or a baseline in its place."""

    def begin(self, context: Tensor, actions: Tensor | None) -> None:
        """Start from true frames, tokens [B, T, N, C], and the actions [B, T, ...] that led to them."""
        ...

    def step(self, action: Tensor | None) -> Tensor:
        """Tokens [B, 1, N, C] of the next frame, which an action [B, ...] leads to."""
        ...


def dream_frames(dreamer: FrameDreamer, context: Tensor, actions: Tensor | None, horizon: int) -> Iterator[Tensor]:
    """Dream under known actions, frame by frame.

    Args:
        dreamer: begins anew.
        context: [B, T, N, C] tokens as the tokenizers make them, T >= 1.
        actions: [B, T + horizon, ...], actions[:, t] led to frame t; None to dream without.
        horizon: frames to dream.

    Yields:
        [B, 1, N, C], tokens of each dreamed frame.
    """
    given = context.shape[1]
    dreamer.begin(context, None if actions is None else actions[:, :given])
    for frame in range(given, given + horizon):
        yield dreamer.step(None if actions is None else actions[:, frame])


def dream(
    dynamics: Dynamics,
    context: Tensor,
    actions: Tensor | None,
    horizon: int,
    *,
    denoising_steps: int = 4,
    context_noise: float = 0.1,
    stillness: float = 0.0,
    seed: int = 0,
    sharpness: float = 1.0,
) -> Tensor:
    """Dream `horizon` frames after a context.

    Args:
        dynamics: the model, in eval mode.
        context: [B, T, N, C], tokens of the tokenizers, T >= 1.
        actions: [B, T + horizon, ...], action[t] led to frame t; None to dream without.
        horizon: number of frames to dream.
        denoising_steps, context_noise, stillness, seed, sharpness: as for `Dreamer`.

    Returns:
        [B, horizon, N, C], tokens of the tokenizers.
    """
    dreamer = Dreamer(
        dynamics,
        denoising_steps=denoising_steps,
        context_noise=context_noise,
        stillness=stillness,
        seed=seed,
        sharpness=sharpness,
    )
    return torch.cat(list(dream_frames(dreamer, context, actions, horizon)), dim=1)
