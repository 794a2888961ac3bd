"""A sum of loss terms in different units: each term is divided by its running root mean square."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

_DECAY = 0.99
_SMALLEST = 1e-12  # mean square; prevents a division by zero where a term was always zero


class RunningScale(nn.Module):
    """Sum over terms of weight * term / sqrt(m), where m is the running mean square of the term in earlier steps.

    m is an exponential average with the bias correction of Adam (Kingma and Ba 2015, arXiv:1412.6980, section 3), and
    1 until the first observation. Because m comes from earlier steps, the loss of a step depends neither on the
    micro-batch nor on the number of ranks. The state is in buffers, so that a learner's checkpoints hold it.

    Args:
        weights: name of each term -> its weight.
    """

    squares: Tensor
    observations: Tensor

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self._weights = dict(weights)
        self.register_buffer("squares", torch.zeros(len(weights)))
        self.register_buffer("observations", torch.zeros(len(weights)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the terms, in the order of the weights."""
        return tuple(self._weights)

    def scales(self) -> Tensor:
        """sqrt(m) of each term, float32 [terms]."""
        known = self.observations > 0
        squares = self.squares / (1 - _DECAY**self.observations).where(known, self.squares.new_ones(()))
        return squares.clamp_min(_SMALLEST).sqrt().where(known, squares.new_ones(()))

    def forward(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Weighted sum of some or all of the terms, a scalar.

        Raises:
            KeyError: for a term without a weight.
        """
        scales = dict(zip(self._weights, self.scales(), strict=True))
        return torch.stack([self._weights[name] * term.float() / scales[name] for name, term in terms.items()]).sum()

    @torch.no_grad()
    def observe(self, means: Mapping[str, float | Tensor]) -> None:
        """Update m with the terms' means over all rows of one step; to be called once after each step."""
        for index, name in enumerate(self._weights):
            if name in means:
                value = torch.as_tensor(means[name], dtype=torch.float32, device=self.squares.device)
                self.squares[index].lerp_(value.square(), 1 - _DECAY)
                self.observations[index] += 1
