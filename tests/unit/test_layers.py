"""Transformer blocks: causality, relative positions, gradients."""

from __future__ import annotations

import pytest
import torch

from sensorium.models.layers import Attention, Block, SwiGLU, rotary_angles, rotate


def test_causal_block_never_sees_the_future() -> None:
    torch.manual_seed(0)
    block = Block(32, 4, causal=True)
    x = torch.randn(2, 10, 32)
    changed = x.clone()
    changed[:, 6:] += 1
    assert torch.equal(block(x)[:, :6], block(changed)[:, :6])
    assert not torch.allclose(block(x)[:, 6:], block(changed)[:, 6:])


def test_block_without_causality_sees_everything() -> None:
    torch.manual_seed(0)
    block = Block(32, 4)
    x = torch.randn(1, 10, 32)
    changed = x.clone()
    changed[:, 9] += 1
    assert not torch.allclose(block(x)[:, 0], block(changed)[:, 0])


def test_rotary_products_depend_on_distance_alone() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(16), torch.randn(16)
    angles = rotary_angles(12, 16, torch.device("cpu"))
    products = rotate(query.expand(12, 16), angles) @ rotate(key.expand(12, 16), angles).T
    for distance in (-3, 0, 5):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=1e-4)
    assert (products[0] - products[0, 0]).abs().max() > 0.1


def test_attention_without_rotary_treats_positions_as_a_set() -> None:
    torch.manual_seed(0)
    x, order = torch.randn(3, 8, 32), torch.randperm(8)
    as_set, in_order = Attention(32, 4, rotary=False), Attention(32, 4)
    torch.testing.assert_close(as_set(x[:, order]), as_set(x)[:, order], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(in_order(x[:, order]), in_order(x)[:, order], atol=1e-3)


def test_leading_dimensions_are_batches() -> None:
    torch.manual_seed(0)
    block = Block(32, 2, causal=True)
    x = torch.randn(2, 3, 5, 32)
    torch.testing.assert_close(block(x)[1, 2], block(x[1, 2]), atol=1e-5, rtol=1e-4)


def test_every_weight_gets_a_gradient() -> None:
    torch.manual_seed(0)
    block = Block(32, 4)
    block(torch.randn(2, 6, 32)).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in block.parameters())


def test_swiglu_is_gated() -> None:
    feed = SwiGLU(16)
    assert feed(torch.zeros(2, 16)).abs().max() == 0
    assert feed.contract.in_features % 8 == 0


def test_odd_heads_are_refused() -> None:
    with pytest.raises(ValueError, match="heads is 3"):
        Attention(32, 3)
