"""Loss terms on one scale, whatever their units: each is divided by its own running root mean square."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

_DECAY = 0.99
_SMALLEST = 1e-12  # of a mean square: a term that was zero throughout must not turn into a division by zero


class RunningScale(nn.Module):
    """Sum over terms of weight * term / sqrt(m), with m the running mean square of the term in steps before this one.

    m is an exponential average without the bias of its start (Kingma and Ba 2015, arXiv:1412.6980, section 3), and 1
    as long as nothing was observed. Because m comes from earlier steps, the loss of a step neither depends on
    the micro-batch nor on the number of ranks. Its state is made of buffers, so checkpoints of a learner carry it.

    Args:
        weights: name -> weight of each term.
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
        """The terms, as they were given."""
        return tuple(self._weights)

    def scales(self) -> Tensor:
        """sqrt(m) of each term, float32 [terms]."""
        known = self.observations > 0
        squares = self.squares / (1 - _DECAY**self.observations).where(known, self.squares.new_ones(()))
        return squares.clamp_min(_SMALLEST).sqrt().where(known, squares.new_ones(()))

    def forward(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Scalars of some or all of the terms -> a scalar.

        Raises:
            KeyError: for a term that was not named at the start.
        """
        scales = dict(zip(self._weights, self.scales(), strict=True))
        return torch.stack([self._weights[name] * term.float() / scales[name] for name, term in terms.items()]).sum()

    @torch.no_grad()
    def observe(self, means: Mapping[str, float | Tensor]) -> None:
        """Take in the terms' means over all rows of one step; once a step, after it was made."""
        for index, name in enumerate(self._weights):
            if name in means:
                value = torch.as_tensor(means[name], dtype=torch.float32, device=self.squares.device)
                self.squares[index].lerp_(value.square(), 1 - _DECAY)
                self.observations[index] += 1
