"""Muon makes singular values about equal, in full precision on a CPU, and steps as torch's own does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sensorium.training.muon import COEFFICIENTS, ITERATIONS, Muon, orthogonalised


def randomly(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(6, 10), (10, 6), (8, 8)])
def test_the_iteration_acts_on_singular_values_alone(shape: tuple[int, int]) -> None:
    """As the polynomial on numbers does; singular vectors stay."""
    matrix = randomly(*shape)
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    wanted = values / values.norm()
    for _ in range(ITERATIONS):
        wanted = sum(factor * wanted**power for factor, power in zip(COEFFICIENTS, (1, 3, 5), strict=True))
    assert ((wanted > 0.6) & (wanted < 1.3)).all()
    expected = left @ wanted.diag() @ right
    assert torch.allclose(orthogonalised(matrix).double(), expected, atol=1e-4)  # bfloat16 is off by 1e-2
    assert not torch.allclose(expected.bfloat16().double(), expected, atol=1e-4)


def test_a_matrix_of_zeros_stays_one() -> None:
    assert torch.equal(orthogonalised(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_steps_are_those_of_torch_up_to_its_rounding() -> None:
    """Torch's iteration is in bfloat16, whose numbers are right to 1 in 256; everything else is the same."""
    ours, theirs = (nn.Parameter(randomly(24, 40)) for _ in range(2))
    optimisers = (
        Muon([ours], lr=0.02, weight_decay=0.1),
        torch.optim.Muon([theirs], 0.02, 0.1, adjust_lr_fn="match_rms_adamw"),
    )
    began = ours.detach().clone()
    for step in range(5):
        for matrix, optimiser in zip((ours, theirs), optimisers, strict=True):
            matrix.grad = randomly(24, 40, seed=step + 1)
            optimiser.step()
    moved = (ours - began).norm()
    assert (ours - theirs).norm() < 0.02 * moved
    assert torch.equal(optimisers[0].state[ours]["momentum_buffer"], optimisers[1].state[theirs]["momentum_buffer"])
