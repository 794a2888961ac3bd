"""The optimiser's state survives a save whatever the memory layout of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sensorium.config import Training
from sensorium.training.optimiser import Optimiser

TRAINING = Training(steps=10, warmup=1, lr=0.1, ema=0.5)


def make_steps(model: nn.Module, optimiser: Optimiser, first: int, last: int) -> None:
    for step in range(first, last):
        images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        optimiser.clear()
        model(images).square().mean().backward()
        optimiser.update(step, optimiser.norm())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_restored_optimiser_goes_on_with_the_same_bits(layout: torch.memory_format) -> None:
    def fresh() -> tuple[nn.Module, Optimiser]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 4, 3)).to(memory_format=layout)
        return model, Optimiser(model, TRAINING)

    model, optimiser = fresh()
    make_steps(model, optimiser, 0, 3)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    saved = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in optimiser.tensors().items()}
    make_steps(model, optimiser, 3, 6)

    resumed, restored = fresh()
    resumed.load_state_dict(weights)
    restored.restore(saved)
    make_steps(resumed, restored, 3, 6)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), resumed.parameters(), strict=True))
    assert all(torch.equal(value, restored.tensors()[name]) for name, value in optimiser.tensors().items())
