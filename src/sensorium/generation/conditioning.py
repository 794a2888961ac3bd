"""What the denoising of frames is conditioned on.

Layouts: B windows, T frames. tau is the signal level: 0 noise, 1 clean.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

STEPS = 64  # of the finest sampler; step sizes are 1/64, 1/32, ... 1
FINEST = 1 / STEPS  # step size of plain flow matching
FREQUENCIES = 16  # of the embedding of the signal level


@dataclass(frozen=True)
class Conditioning:
    """What the denoising of frames is conditioned on.

    Attributes:
        tau: signal level of each frame, in [0, 1], 0 noise and 1 clean, [B, T].
        step_size: step size d of the sampler, 1/64, 1/32, ... 1, [B, T].
        action: the action that led to each frame, float [B, T, ...] or int64 [B, T]; None: there are no actions.
        labelled: bool [B], windows whose actions are used; None: all.
        scene: of an earlier frame of the recording (`encode_scene`), [B, ...]; None: there is no scene.
    """

    tau: Tensor
    step_size: Tensor
    action: Tensor | None = None
    labelled: Tensor | None = None
    scene: Tensor | None = None

    def commands(self, size: int) -> Tensor:
        """The actions as numbers, [B, T, size]: choices as one-hot vectors, zeros where no action is used."""
        if self.action is None or not size:
            return self.tau.new_zeros(*self.tau.shape, size)
        discrete = not self.action.is_floating_point()
        numbers = F.one_hot(self.action, size).to(self.tau) if discrete else self.action.to(self.tau)
        return numbers if self.labelled is None else numbers * self.labelled[:, None, None]


def fourier(tau: Tensor) -> Tensor:
    """Signal levels [...] -> sines and cosines of half a turn to many turns, [..., 2 * FREQUENCIES]."""
    frequencies = torch.pi * 2 ** torch.linspace(-1, 4, FREQUENCIES, device=tau.device)
    angles = tau.float()[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
