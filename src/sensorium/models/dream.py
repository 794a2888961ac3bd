"""Dreaming: frames after a context, denoised one after the other.

Layouts: B windows, T frames, N tokens, C channels. tau is the signal level: 0 noise, 1 clean.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sensorium.models.dynamics import Dynamics


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


@torch.no_grad()
def dream(
    dynamics: Dynamics,
    context: Tensor,
    actions: Tensor | None,
    horizon: int,
    *,
    denoising_steps: int = 4,
    context_noise: float = 0.1,
    seed: int = 0,
) -> Tensor:
    """Roll out `horizon` frames after a context.

    Frames already there are corrupted a little, and labelled so, for dreamed ones are not perfect and must not be
    trusted as if they were (as Dreamer 4 does). The window slides and never exceeds the frames trained on.

    Args:
        dynamics: the model, in eval mode.
        context: [B, T, N, C] tokens as the tokenizer makes them, T >= 1.
        actions: [B, T + horizon, A] or [B, T + horizon], action[t] led to frame t; None to dream without.
        horizon: frames to dream.
        denoising_steps: Euler steps a frame.
        context_noise: noise share of the frames already there.
        seed: of the noise; equal seeds give equal noise for every row and any actions.

    Returns:
        [B, horizon, N, C] tokens as the tokenizer makes them.
    """
    generator = torch.Generator().manual_seed(seed)
    frames = dynamics.standardise(context)
    rows, given = frames.shape[:2]
    signal = 1 - context_noise
    for now in range(given, given + horizon):
        first = max(0, now + 1 - dynamics.frames)
        past = frames[:, first:]
        noise = torch.randn(rows, past.shape[1] + 1, *past.shape[2:], generator=generator).to(past)
        past = signal * past + context_noise * noise[:, :-1]
        new = noise[:, -1:]
        tau = torch.full((rows, past.shape[1] + 1), signal, device=past.device)
        moves = None if actions is None else actions[:, first : now + 1]
        for step in range(denoising_steps):
            level, target = step / denoising_steps, (step + 1) / denoising_steps
            tau[:, -1] = level
            prediction = dynamics(torch.cat([past, new], dim=1), tau, moves)[:, -1:]
            new = euler_step(new, prediction, level, target)
        frames = torch.cat([frames, new], dim=1)
    return dynamics.restore(frames[:, given:])
