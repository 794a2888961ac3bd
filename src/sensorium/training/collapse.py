"""Measures of collapse: how little the representations of different inputs differ."""

from __future__ import annotations

import torch
from torch import Tensor


def effective_rank(features: Tensor) -> float:
    """Number of dimensions that the features use: exp of the entropy of their normalised singular values.

    Roy & Vetterli 2007, "The effective rank", definition 1, on centred features.

    Args:
        features: [N, D], N >= 2.

    Returns:
        From 1 (all on one line) to min(N - 1, D); 0 if all features are equal; NaN if one is not finite.
    """
    features = features.detach().float()
    centred = features - features.mean(0)
    if not bool(torch.isfinite(centred).all()):
        return float("nan")
    values = torch.linalg.svdvals(centred)
    scale = features.norm() + 1e-12
    if float(values.sum() / scale) < 1e-5:  # rounding noise would look like many dimensions
        return 0.0
    shares = values / values.sum()
    return float(torch.exp(-(shares * torch.log(shares.clamp_min(1e-12))).sum()))


def relative_std(features: Tensor) -> float:
    """Standard deviation over the batch, averaged over dimensions, relative to the features' root mean square.

    Args:
        features: [N, D].

    Returns:
        0 for equal features, about 1 for centred ones.
    """
    features = features.detach().float()
    return float(features.std(0).mean() / features.square().mean().sqrt().clamp_min(1e-12))


def mean_difference(features: Tensor) -> float:
    """1 minus the mean cosine similarity of two different rows.

    Args:
        features: [N, D], N >= 2.

    Returns:
        0 if all rows point in the same direction, about 1 for unrelated rows.
    """
    unit = torch.nn.functional.normalize(features.detach().float(), dim=-1)
    count = len(unit)
    total = unit.sum(0).square().sum() - unit.square().sum()  # sum over pairs i != j of cosines
    return float(1 - total / (count * (count - 1)))
