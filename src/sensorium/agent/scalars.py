"""Real numbers as distributions over bins: symlog, symexp and two-hot codes (Dreamer 3, arXiv:2301.04104)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

BINS = 255
REACH = 20.0  # symlog of the largest number that a code can represent: about 4.9e8


def symlog(x: Tensor) -> Tensor:
    """sign(x) ln(1 + |x|)."""
    return x.sign() * x.abs().log1p()


def symexp(x: Tensor) -> Tensor:
    """sign(x) (exp(|x|) - 1), the inverse of `symlog`."""
    return x.sign() * x.abs().expm1()


def symexp_bins(device: torch.device | None = None) -> Tensor:
    """Centres of the bins for rewards and values, float32 [BINS]: evenly spaced in symlog, so narrow near zero."""
    half = symexp(torch.linspace(0, REACH, BINS // 2 + 1, device=device, dtype=torch.float64))
    return torch.cat([-half[1:].flip(0), half]).float()  # exactly symmetric, with a bin at zero


def two_hot(values: Tensor, bins: Tensor) -> Tensor:
    """Weights of the two bins around each number, such that sum(weights * bins) is the number.

    The weights are linear in the number itself, not in its symlog. So a network that is trained on codes of a random
    number predicts a code of its mean, as returns need.

    Args:
        values: [...]; numbers beyond the outermost bins are clipped to them.
        bins: ascending [K].

    Returns:
        float32 [..., K], whose rows sum to one.
    """
    values = values.float().clamp(bins[0], bins[-1])
    upper = torch.searchsorted(bins, values.contiguous(), right=True).clamp(1, len(bins) - 1)
    low, high = bins[upper - 1], bins[upper]
    share = ((values - low) / (high - low))[..., None]
    return F.one_hot(upper, len(bins)) * share + F.one_hot(upper - 1, len(bins)) * (1 - share)


def expected_value(logits: Tensor, bins: Tensor) -> Tensor:
    """Mean [...] of the distributions over bins with logits [..., K].

    The bins are symmetric about a bin at zero and are summed in pairs, so equal weights on a huge bin and its mirror
    image cancel exactly.
    """
    weighted, half = logits.float().softmax(-1) * bins, len(bins) // 2
    return (weighted[..., half + 1 :] + weighted[..., :half].flip(-1)).sum(-1)


def code_loss(logits: Tensor, values: Tensor, bins: Tensor) -> Tensor:
    """Cross-entropy [...] between the codes of `values` [...] and the distributions with logits [..., K]."""
    return -(two_hot(values, bins) * logits.float().log_softmax(-1)).sum(-1)
