"""Dreaming: frames after a context, denoised one after the other, for ever in constant memory.

Layouts: B windows, T frames, N tokens, C channels. tau is the signal level: 0 noise, 1 clean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sensorium.generation.dynamics import STEPS, Dynamics, Memory
from sensorium.randomness import Draw, stable_seed


def euler_step(noised: Tensor, prediction: Tensor, tau: float, target: float) -> Tensor:
    """One step of the flow from signal level tau to a higher one.

    The velocity of the predicted trajectory is v = (x - z) / (1 - tau) and z' = z + (target - tau) v (Dreamer 4,
    flow matching with x-prediction). So the noise that z implies is kept: z' = (1 - target) z0 + target x with
    z0 = (z - tau x) / (1 - tau); fresh noise would leave the trajectory that the model was trained on.

    Raises:
        ValueError: if not 0 <= tau < target <= 1.
    """
    if not 0 <= tau < target <= 1:
        raise ValueError(f"tau is {tau}, target {target}: 0 <= tau < target <= 1 is needed")
    return noised + (target - tau) * (prediction - noised) / (1 - tau)


class Dreamer:
    """Dreams one frame a call, in constant memory, seeing exactly the window that training saw.

    Frames that are there are corrupted a little, and labelled so, for dreamed ones are not perfect and must not be
    trusted as if they were (as Dreamer 4 does). A frame's corruption is drawn once, when the frame is kept.

    K denoising steps take K passes: keeping frame t and the first step of frame t + 1 share one.

    The first frame is the scene, which a dream remembers for as long as it lasts (`Dynamics.look`).

    Most of what is seen stands still, but small errors add up frame by frame. So a video token that changes by less
    than `stillness` times what it usually does may be left as it was: keep or kill by blocks, as of wavelet
    coefficients (Hall, Kerkyacharian and Picard 1998, "Block threshold rules for curve estimation").

    Args:
        dynamics: the model, in eval mode.
        denoising_steps: K, Euler steps a frame: 1, 2, 4, ... 64.
        context_noise: noise share of the frames that are there.
        stillness: change of a token, root mean square in units of its usual change, below which it is none; 0: none is.
        seed: of the noise; equal seeds give equal noise for any actions. A draw gives each row its own, whatever
            other rows are dreamed beside it.
        agent: [A, D], embeddings of agent tokens, for a policy that reads `keep`'s result.

    Raises:
        ValueError: if denoising_steps is no power of two up to 64, context_noise not in [0, 1), or stillness negative.
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
    ) -> None:
        if denoising_steps < 1 or STEPS % denoising_steps:
            raise ValueError(f"denoising_steps is {denoising_steps}: it must be a power of two, {STEPS} at most")
        if not 0 <= context_noise < 1:
            raise ValueError(f"context_noise is {context_noise}: it must be in [0, 1)")
        if stillness < 0:
            raise ValueError(f"stillness is {stillness}: it must be 0 or more")
        self.dynamics, self._stillness = dynamics, stillness
        self._steps, self._signal, self._agent, self._seed = denoising_steps, 1 - context_noise, agent, seed
        self._memory: Memory | None = None
        self._scene: Tensor | None = None
        self._newest: _Frame | None = None  # the last frame, and whether the memory holds it already
        self._number = 0

    @torch.no_grad()
    def begin(self, context: Tensor, actions: Tensor | None) -> None:
        """Start from true frames.

        Args:
            context: [B, T, N, C] tokens as the tokenizers make them, T >= 1.
            actions: [B, T, ...], action[t] led to frame t; None to dream without.
        """
        frames = self.dynamics.standardise(context)
        self._memory, self._scene, corrupted = self.dynamics.remember(), self.dynamics.look(context[:, 0]), []
        for self._number in range(frames.shape[1] - 1):
            corrupted.append(self._corrupted(frames[:, [self._number]]))
        self._number = frames.shape[1] - 1
        if corrupted:
            past = None if actions is None else actions[:, :-1]
            self._pass(torch.cat(corrupted, dim=1), past, [self._signal] * len(corrupted), keep=len(corrupted))
        self._newest = _Frame(frames[:, -1:], None if actions is None else actions[:, -1:])

    @torch.no_grad()
    def keep(self) -> Tensor | None:
        """Take the newest frame into the memory; what the agent tokens read there, [B, A, D], or None without them.

        Only a policy needs it, to see a frame before it acts: `step` does it along with its own first pass.

        Raises:
            ValueError: before `begin`, or if the newest frame was kept already.
        """
        newest = self._last()
        if newest.kept:
            raise ValueError("the newest frame is kept already: call step before keep")
        newest.kept = True
        read = self._pass(self._corrupted(newest.tokens), newest.action, [self._signal], keep=1)[1]
        return None if read is None else read[:, -1]

    @torch.no_grad()
    def step(self, action: Tensor | None) -> Tensor:
        """Dream the next frame.

        Args:
            action: [B, ...], what leads to the new frame; None to dream without.

        Returns:
            [B, 1, N, C] tokens as the tokenizers make them.

        Raises:
            ValueError: before `begin`.
        """
        newest, move = self._last(), None if action is None else action[:, None]
        fused = None if newest.kept else self._corrupted(newest.tokens)
        self._number += 1
        new = self._noise("frame", newest.tokens)
        for step in range(self._steps):
            tau, target = step / self._steps, (step + 1) / self._steps
            if fused is not None and step == 0:
                moves = None if move is None or newest.action is None else torch.cat([newest.action, move], dim=1)
                prediction = self._pass(torch.cat([fused, new], dim=1), moves, [self._signal, tau], keep=1)[0]
            else:
                prediction = self._pass(new, move, [tau], keep=0)[0]
            new = euler_step(new, prediction[:, -1:], tau, target)
        if self._stillness:
            new = self._held(new, newest.tokens)
        self._newest = _Frame(new, move)
        return self.dynamics.restore(new)

    def observe(self, frame: Tensor, action: Tensor | None) -> None:
        """Go on with a true frame, which an action led to, instead of a dreamed one.

        Args:
            frame: [B, 1, N, C] tokens as the tokenizers make them.
            action: [B, ...], what led to it; None without.

        Raises:
            ValueError: before `begin`, or if the newest frame was not kept: it would be forgotten.
        """
        if not self._last().kept:
            raise ValueError("the newest frame is not kept: call keep before observe")
        self._number += 1
        self._newest = _Frame(self.dynamics.standardise(frame), None if action is None else action[:, None])

    def _last(self) -> _Frame:
        if self._newest is None:
            raise ValueError("a dream needs frames to begin with: call begin first")
        return self._newest

    def _held(self, new: Tensor, last: Tensor) -> Tensor:
        """The new frame [B, 1, N, C] with the video tokens that hardly changed as they were in the last one."""
        change = ((new - last).square() / self.dynamics.change.clamp_min(1e-12)).mean(-1, keepdim=True)
        still = change < self._stillness**2
        still[:, :, self.dynamics.streams["video"] :] = False
        return torch.where(still, last, new)

    def _noise(self, purpose: str, like: Tensor) -> Tensor:
        if isinstance(self._seed, Draw):
            return self._seed.normal(f"{purpose} {self._number}", *like.shape[1:]).to(like)
        generator = torch.Generator().manual_seed(stable_seed(self._seed, purpose, self._number))
        return torch.randn(like.shape, generator=generator).to(like)

    def _corrupted(self, frame: Tensor) -> Tensor:
        return self._signal * frame + (1 - self._signal) * self._noise("context", frame)

    def _pass(
        self, frames: Tensor, actions: Tensor | None, levels: list[float], keep: int
    ) -> tuple[Tensor, Tensor | None]:
        """One pass over frames [B, T, N, C] that follow the memory, which keeps the first `keep` of them."""
        tau = torch.tensor(levels, device=frames.device).expand(len(frames), -1)
        sizes = [1 / STEPS] * keep + [1 / self._steps] * (len(levels) - keep)
        size = torch.tensor(sizes, device=frames.device).expand(len(frames), -1)
        return self.dynamics(
            frames, tau, size, actions, agent=self._agent, memory=self._memory, keep=keep, scene=self._scene
        )


@dataclass
class _Frame:
    tokens: Tensor  # [B, 1, N, C], standardised
    action: Tensor | None  # [B, 1, ...]
    kept: bool = False


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
) -> Tensor:
    """Roll out `horizon` frames after a context.

    Args:
        dynamics: the model, in eval mode.
        context: [B, T, N, C] tokens as the tokenizers make them, T >= 1.
        actions: [B, T + horizon, ...], action[t] led to frame t; None to dream without.
        horizon: frames to dream.
        denoising_steps, context_noise, stillness, seed: as for `Dreamer`.

    Returns:
        [B, horizon, N, C] tokens as the tokenizers make them.
    """
    dreamer = Dreamer(
        dynamics, denoising_steps=denoising_steps, context_noise=context_noise, stillness=stillness, seed=seed
    )
    return torch.cat(list(dream_frames(dreamer, context, actions, horizon)), dim=1)
