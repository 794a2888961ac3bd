"""Losses of different scales on one: each has a set share of the gradient at the output (Défossez et al. 2022).

The balancer of EnCodec (arXiv:2210.13438, section 3.4). The weight of a loss is its share over the root mean square of
its gradients' norms over rows and past steps. `observe` receives them, as means over the whole batch, and keeps them in
buffers: weights depend neither on the micro-batch nor on the number of ranks, and a resumed run has them too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

DECAY = 0.98  # of the moving averages: they remember about 50 steps


class GradientShares(nn.Module):
    """Weights of losses.

    Args:
        shares: name of each loss -> share of the gradient; only their ratios matter, and 0 leaves a loss out.
    """

    squares: Tensor
    seen: Tensor

    def __init__(self, shares: Mapping[str, float]) -> None:
        super().__init__()
        total = sum(shares.values())
        self.shares = {name: share / total for name, share in shares.items() if share}
        self.register_buffer("squares", torch.ones(len(self.shares)))
        self.register_buffer("seen", torch.zeros(()))

    @property
    def observed(self) -> tuple[str, ...]:
        """Names of the metrics from which the weights are made."""
        return tuple(f"gradient_{name}" for name in self.shares)

    def weights(self) -> Tensor:
        """Of each loss, in order: share over the root mean square of its gradients."""
        return torch.tensor(list(self.shares.values()), device=self.squares.device) / self.squares.sqrt()

    def combine(
        self, output: Tensor, losses: Callable[[Tensor], Mapping[str, Tensor]]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One loss whose gradient is the balanced one.

        Args:
            output: what the losses judge, [B, ...].
            losses: output -> losses by name, [B] each, of which row i depends on row i alone.

        Returns:
            the mean of the losses by their shares, a scalar; the losses' means, and with gradients the mean squared
            norms that `observe` wants.
        """
        leaf = output.detach().requires_grad_(torch.is_grad_enabled())
        found = losses(leaf)
        metrics = {name: value.detach().mean() for name, value in found.items()}
        value = torch.stack([share * metrics[name] for name, share in self.shares.items()]).sum()
        if not leaf.requires_grad:
            return value, metrics
        carried = torch.zeros_like(leaf)
        for name, weight in zip(self.shares, self.weights(), strict=True):
            gradient = torch.autograd.grad(found[name].sum(), leaf, retain_graph=True)[0]
            metrics[f"gradient_{name}"] = gradient.flatten(1).square().sum(1).mean()
            carried += weight * gradient
        surrogate = (output * carried).sum() / len(output)
        return value + surrogate - surrogate.detach(), metrics

    def observe(self, metrics: Mapping[str, Tensor]) -> None:
        """Take the mean squared norms of a step over the whole batch into the averages."""
        new = torch.stack([metrics[name].to(self.squares) for name in self.observed])
        self.squares.lerp_(new, torch.maximum(1 / (self.seen + 1), torch.full_like(self.seen, 1 - DECAY)))
        self.seen += 1
