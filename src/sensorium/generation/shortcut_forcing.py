"""Shortcut forcing: signal levels, noised frames, the weights of their losses, and the bootstrap to long steps.

Convention of Dreamer 4 (Hafner et al. 2025, arXiv:2509.24527): the signal level tau is 0 for noise and 1 for
clean. Each frame has its own level (Chen et al. 2024, arXiv:2407.01392) and its own step size d (Frans et al. 2024,
"One step diffusion via shortcut models"). Layouts: B windows, T frames, N tokens, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sensorium.generation.conditioning import FINEST, STEPS
from sensorium.randomness import Draw

_CONTEXT_SIGNAL = 0.8  # lowest signal level of a context frame
_FROM_NOISE = 0.7  # share of denoised frames that are pure noise

Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]  # noised [B, T, N, C], tau [B, T], d [B, T] -> clean


def corrupt(clean: Tensor, noise: Tensor, tau: Tensor) -> Tensor:
    """z~ = (1 - tau) z0 + tau z1 (Dreamer 4, flow matching), with noise z0 and data z1 [B, T, N, C], tau [B, T]."""
    tau = tau[..., None, None]
    return (1 - tau) * noise + tau * clean


def ramp_weight(tau: Tensor) -> Tensor:
    """Loss weight w = 0.9 tau + 0.1 (Dreamer 4): levels with more signal contain more to learn."""
    return 0.9 * tau + 0.1


@dataclass(frozen=True)
class Levels:
    """Levels that frames are denoised at, [B, T] each.

    Attributes:
        tau: signal level, on the grid 0, d, ... 1 - d of the step size.
        step_size: step size d.
    """

    tau: Tensor
    step_size: Tensor

    @property
    def bootstrapped(self) -> Tensor:
        """Frames that take long steps, bool [B, T]."""
        return self.step_size > FINEST

    def map(self, function: Callable[[Tensor], Tensor]) -> Levels:
        """Both, each after a change of shape or a selection."""
        return Levels(function(self.tau), function(self.step_size))


def context_signal(draw: Draw, frames: int) -> Tensor:
    """Signal levels of context frames, [B, T]: nearly clean, because dreamed frames are not perfect (Dreamer 4)."""
    return _CONTEXT_SIGNAL + (1 - _CONTEXT_SIGNAL) * draw.uniform("signal", frames)


def signal_levels(draw: Draw, frames: int, bootstrap: Tensor, from_noise: float = _FROM_NOISE) -> Levels:
    """Signal levels and step sizes of denoised frames.

    Levels are independent for every frame (diffusion forcing), but not uniform: most frames are pure noise, as each
    dreamed frame is at first; the others are uniform on the grid of their step size.

    Args:
        draw: of the windows.
        frames: T.
        bootstrap: bool [B], windows whose frames have long steps: 1/32, 1/16, ... 1 with equal chances (Dreamer 4:
            uniform in log d). The step size of the others is 1/64, which is plain flow matching.
        from_noise: share of frames that are pure noise.
    """
    start, level = draw.uniform("start", frames), draw.uniform("tau", frames)
    long = torch.exp2(-draw.integers("size", STEPS.bit_length() - 1, frames).float())
    step_size = torch.where(bootstrap[:, None].to(long.device, non_blocking=True), long, FINEST)
    return Levels(torch.where(start < from_noise, 0.0, (level / step_size).floor() * step_size), step_size)


@torch.no_grad()
def bootstrap_target(denoise: Denoiser, noised: Tensor, levels: Levels) -> Tensor:
    """Target of one step of size d: the end of two steps of d / 2 (shortcut forcing, Dreamer 4).

    With velocities b' = (f(z~, tau, d/2) - z~) / (1 - tau) and, at z' = z~ + b' d/2,
    b'' = (f(z', tau + d/2, d/2) - z') / (1 - tau - d/2), the paper's loss (1 - tau)^2 |(x - z~) / (1 - tau) - (b' +
    b'') / 2|^2 equals |x - (z~ + (1 - tau) (b' + b'') / 2)|^2. In this form the student is never divided by a small
    number, and the denominators of the teacher are at least d / 2.

    Returns:
        [B, T, N, C], standardised.
    """
    half = levels.step_size / 2
    rest, later = ((1 - level)[..., None, None] for level in (levels.tau, levels.tau + half))
    first = (denoise(noised, levels.tau, half) - noised) / rest
    between = noised + first * half[..., None, None]
    second = (denoise(between, levels.tau + half, half) - between) / later
    return noised + rest * (first + second) / 2
