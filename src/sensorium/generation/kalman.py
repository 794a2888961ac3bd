"""The Kalman filter of a random walk: what noised frames say about the clean tokens, before any network looks.

Source: Kalman 1960, "A new approach to linear filtering and prediction problems", for independent scalars.
Layouts: B windows, T frames, N tokens a frame, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Gaussian(NamedTuple):
    """Independent Gaussians: means and variances, of one shape."""

    mean: Tensor
    variance: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> Gaussian:
        """Means and variances, each after a change of shape or a selection."""
        return Gaussian(function(self.mean), function(self.variance))


def kalman_filter(noised: Tensor, tau: Tensor, change: Tensor, before: Gaussian | None = None) -> Gaussian:
    """Posterior of the clean tokens x_t of each frame, given the noised tokens of that frame and of all before it.

    The model of a token is a random walk that is observed through noise of a known level:

        x_t = x_{t-1} + w_t             w_t ~ N(0, change)    x_0 ~ N(0, 1)
        z_t = tau x_t + (1 - tau) e_t   e_t ~ N(0, 1)

    From the posterior N(m, v) of frame t - 1 the filter predicts the prior N(m, p), with p = min(v + change, 1), for
    a standardised token varies no more than 1. It then corrects the prior by the observation:

        k = tau p / ((1 - tau)^2 + tau^2 p)    gain
        m <- m + k (z_t - tau m)
        v <- p (1 - k tau)

    Clean frames (tau = 1) stay as they are; pure noise (tau = 0) is replaced by the prediction from earlier frames.

    Args:
        noised: z, [B, T, N, C], standardised.
        tau: signal levels, [B, T].
        change: variance of w, the mean squared change of a standardised token from frame to frame, [N, C].
        before: posterior of the frame before the first, [B, N, C]; None: there is none.

    Returns:
        posteriors, [B, T, N, C].
    """
    mean, variance = before or (torch.zeros_like(noised[:, 0]), torch.ones_like(noised[:, 0]))
    means, variances = [], []
    for frame, level in zip(noised.unbind(1), tau.float()[..., None, None].unbind(1), strict=True):
        prior = (variance + change).clamp(max=1)
        gain = level * prior / ((1 - level).square() + level.square() * prior).clamp_min(1e-8)
        mean = mean + gain * (frame - level * mean)
        variance = (prior * (1 - gain * level)).clamp_min(0)  # rounding must not make it negative
        means.append(mean)
        variances.append(variance)
    return Gaussian(torch.stack(means, dim=1), torch.stack(variances, dim=1))
