"""Muon: momentum whose singular values are made about equal (Jordan et al. 2024, kellerjordan.github.io/posts/muon)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of x, x^3 and x^5: steepest at 0, and about 1 from there to 1
ITERATIONS = 5
SMALLEST = 1e-7  # norm by which an update is divided


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov's momentum and decoupled weight decay, scaled to AdamW's root mean square.

    It differs from `torch.optim.Muon` in the numbers that the iteration is computed with: bfloat16 on CUDA as there,
    float32 on a CPU, where processors without matrix units for bfloat16 are some twenty times slower with it.

    Args:
        parameters: matrices [n, m], or kernels of convolutions [n, ...], which are seen as matrices.
        lr: learning rate; the scale is that of Liu et al. 2025, arXiv:2502.16982, section 2.2.
        weight_decay: share of a weight that a step of learning rate 1 takes away.
        momentum: share of the past in the mean gradient.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step for every matrix that has a gradient."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._update(matrix, matrix.grad, group["lr"], group["weight_decay"], group["momentum"])

    def _update(self, matrix: Tensor, gradient: Tensor, lr: float, weight_decay: float, momentum: float) -> None:
        state = self.state[matrix]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        average = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        update = orthogonalised(gradient.lerp(average, momentum).flatten(1))
        matrix.mul_(1 - lr * weight_decay)
        matrix.add_(update.reshape(matrix.shape), alpha=-0.2 * lr * math.sqrt(max(update.shape)))


def orthogonalised(matrix: Tensor) -> Tensor:
    """A matrix [n, m] with the same singular vectors and singular values near 1 (0.7 to 1.2), of the same dtype.

    Newton and Schulz's iteration, here by a polynomial of the fifth degree that does not converge to 1 but comes near
    in few steps.
    """
    a, b, c = COEFFICIENTS
    x = matrix.bfloat16() if matrix.is_cuda else matrix.float()
    wide = x if x.shape[0] <= x.shape[1] else x.T
    wide = wide / wide.norm().clamp(min=SMALLEST)
    for _ in range(ITERATIONS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return (wide if x.shape[0] <= x.shape[1] else wide.T).to(matrix.dtype)
