"""The optimiser's state survives a save whatever the memory layout of the weights; Muon has the matrices of blocks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sensorium.config import ConfigurationError, Training
from sensorium.schedules import average_decay, learning_rate
from sensorium.training.optimiser import Optimiser

TRAINING = Training(steps=10, warmup=1, lr=0.1, ema=0.5)


def make_steps(model: nn.Module, optimiser: Optimiser, first: int, last: int) -> None:
    for step in range(first, last):
        images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        optimiser.clear()
        model(images).square().mean().backward()
        optimiser.update(step, optimiser.norms())


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


class Stack(nn.Module):
    """A stem, two blocks of a matrix and a vector each, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 8), nn.Linear(8, 8)
        self.blocks = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.stem(images).flatten(1)
        for block in self.blocks:
            hidden = hidden + torch.tanh(block(hidden))
        return self.head(hidden)


def stack(muon: float) -> tuple[nn.Module, Optimiser]:
    torch.manual_seed(0)
    model = Stack()
    return model, Optimiser(model, TRAINING.model_copy(update={"muon": muon, "weight_decay": 0.0}))


def test_muon_goes_on_with_the_same_bits() -> None:
    model, optimiser = stack(2.0)
    make_steps(model, optimiser, 0, 3)
    kept = (model.state_dict(), optimiser.tensors())
    weights, saved = ({name: value.clone() for name, value in tensors.items()} for tensors in kept)
    make_steps(model, optimiser, 3, 6)
    resumed, restored = stack(2.0)
    resumed.load_state_dict(weights)
    restored.restore(saved)
    make_steps(resumed, restored, 3, 6)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), resumed.parameters(), strict=True))
    assert any("momentum_buffer" in name for name in saved)
    assert any("exp_avg_sq" in name for name in saved)


def test_muon_moves_the_matrices_of_blocks_in_all_directions_alike_and_nothing_else() -> None:
    first, steps = dict(stack(0.0)[0].named_parameters()), {}
    for muon in (0.0, 1.0, 2.0):
        model, optimiser = stack(muon)
        for parameter in model.parameters():
            gradient = torch.randn(parameter.shape)
            if gradient.shape == (8, 8):  # one direction is asked for forty times as much as another
                left, _, right = torch.linalg.svd(gradient)
                gradient = left @ torch.diag(torch.linspace(0.1, 4.0, 8)) @ right
            parameter.grad = gradient
        optimiser.update(0, optimiser.norms())
        steps[muon] = {name: (p - first[name]).detach() for name, p in model.named_parameters()}
    for name, moved in steps[1.0].items():
        if name.startswith("blocks") and name.endswith("weight"):
            values = torch.linalg.svdvals(moved)
            assert values.max() < 2 * values.min()  # Newton-Schulz brings them to about 0.7 to 1.2 of one another
            adamw = torch.linalg.svdvals(steps[0.0][name])
            assert adamw.max() > 4 * adamw.min()
            torch.testing.assert_close(steps[2.0][name], 2 * moved, rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(moved.square().mean().sqrt(), torch.tensor(0.2 * TRAINING.lr), rtol=0.2, atol=0)
        else:
            assert torch.equal(moved, steps[0.0][name])


def test_muon_without_blocks_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"training.muon is 2.0"):
        Optimiser(nn.Linear(4, 4), TRAINING.model_copy(update={"muon": 2.0}))


@pytest.mark.parametrize(("clip", "ema"), [(0.01, 0.5), (1e9, 0.0)])
def test_without_rivals_it_is_one_adamw_with_one_clip_norm_to_the_bit(clip: float, ema: float) -> None:
    training = TRAINING.model_copy(update={"clip": clip, "ema": ema, "weight_decay": 0.1})
    torch.manual_seed(0)
    model, plain = Stack(), Stack()
    plain.load_state_dict(model.state_dict())
    make_steps(model, optimiser := Optimiser(model, training), 0, 8)

    weights = list(plain.parameters())
    groups = [
        {"params": [p for p in weights if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in weights if p.dim() < 2], "weight_decay": 0.0},
    ]
    adamw, averages = torch.optim.AdamW(groups, lr=0.1, fused=True), [p.detach().clone() for p in weights]
    for step in range(8):
        images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        adamw.zero_grad()
        plain(images).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(weights, clip)
        for group in adamw.param_groups:
            group["lr"] = learning_rate(step, steps=10, warmup=1, peak=0.1, final=0.05)
        adamw.step()
        for average, weight in zip(averages, weights, strict=True):
            average.lerp_(weight.detach(), 1 - average_decay(step, ema))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), plain.parameters(), strict=True))
    with optimiser.averaged():
        kept = averages if ema else weights
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), kept, strict=True))
