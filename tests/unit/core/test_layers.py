"""Transformer blocks: against a naive float64 reference; causality, relative positions, gradients."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from sensorium.models import kernels
from sensorium.models.cache import RingCache, causal_mask
from sensorium.models.kernels import attend, lay_by_columns
from sensorium.models.layers import Attention, Block, RMSNorm, SwiGLU, rotary_angles, rotate


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


def test_blocks_compute_the_same_without_gradients_and_stored_by_columns() -> None:
    torch.manual_seed(0)
    block, x = Block(32, 4, causal=True), torch.randn(2, 10, 32)
    trained = block(x)
    with torch.no_grad():
        torch.testing.assert_close(block(x), trained, atol=1e-6, rtol=1e-5)
        lay_by_columns(block)
        torch.testing.assert_close(block(x), trained, atol=1e-6, rtol=1e-5)
    assert block.feed.contract.weight.shape == (32, 88)
    assert block.feed.contract.weight.stride() == (1, 32)


def test_the_gradient_of_the_norm_is_that_of_torch() -> None:
    torch.manual_seed(0)
    norm, exact = RMSNorm(16, eps=1e-6), torch.nn.RMSNorm(16, eps=1e-6).double()
    with torch.no_grad():
        exact.weight.copy_(norm.weight.normal_())
    for x in (torch.randn(5, 16), torch.randn(2, 16, 3, 4).movedim(1, -1), 1e-4 * torch.randn(3, 2, 16)):
        inputs, pull = [x.clone().requires_grad_(), x.double().requires_grad_()], torch.randn(x.shape)
        for layer, given in zip((norm, exact), inputs, strict=True):
            layer.zero_grad()
            (layer(given) * pull).sum().backward()
        torch.testing.assert_close(norm(inputs[0]), norm(x), rtol=0, atol=0)  # what is trained is what is run
        for ours, true in ((norm.weight.grad, exact.weight.grad), (inputs[0].grad, inputs[1].grad)):
            torch.testing.assert_close(ours.double(), true, rtol=1e-4, atol=1e-6 * float(true.abs().max()))


def test_rotary_products_depend_on_distance_alone() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(16), torch.randn(16)
    angles = rotary_angles(torch.arange(12), 16)
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
    with pytest.raises(ValueError, match="key_heads is 3"):
        Attention(32, 4, key_heads=3)


def naive(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, visible: torch.Tensor, cap: float):
    """One query at a time, in float64."""
    query, key, value = query.double(), key.double(), value.double()
    mixed = torch.zeros_like(query)
    group = query.shape[1] // key.shape[1]
    for row in range(query.shape[0]):
        for head in range(query.shape[1]):
            for place in range(query.shape[2]):
                seen = visible[place]
                logits = key[row, head // group, seen] @ query[row, head, place] / query.shape[-1] ** 0.5
                logits = cap * torch.tanh(logits / cap) if cap else logits
                mixed[row, head, place] = logits.softmax(0) @ value[row, head // group, seen]
    return mixed


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize("kernel", ["plain", "fused"])
@pytest.mark.parametrize("key_heads", [4, 2, 1])
@pytest.mark.parametrize("cap", [0.0, 2.0])
def test_attention_against_a_naive_reference(kernel, key_heads, cap) -> None:
    torch.manual_seed(0)
    query, key, value = (3 * torch.randn(2, heads, 9, 8) for heads in (4, key_heads, key_heads))
    visible = causal_mask(torch.arange(9), torch.arange(9), 4)
    if kernel == "fused":  # what CUDA runs; here without compilation
        mixed = kernels._attend_fused(query, key, value, visible, cap or 1e6)
    else:
        mixed = attend(query, key, value, visible, cap)
    torch.testing.assert_close(mixed.double(), naive(query, key, value, visible, cap), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("key_heads", [4, 2])
def test_the_gradients_of_attention_are_those_of_the_naive_reference(key_heads) -> None:
    torch.manual_seed(0)
    ours = [torch.randn(2, heads, 9, 8).requires_grad_() for heads in (4, key_heads, key_heads)]
    exact = [x.detach().double().requires_grad_() for x in ours]
    visible, pull = causal_mask(torch.arange(9), torch.arange(9), 4), torch.randn(2, 4, 9, 8)
    (attend(*ours, visible, 2.0) * pull).sum().backward()
    (naive(*exact, visible, 2.0) * pull).sum().backward()
    for x, true in zip(ours, exact, strict=True):
        torch.testing.assert_close(x.grad.double(), true.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("compiling", "channels", "cap", "expected"),
    [
        (True, 64, 50.0, "fused"),
        (False, 64, 50.0, "products"),  # dream, play, evaluations; a machine without a compiler
        (True, 8, 50.0, "products"),  # the fused kernel refuses so few channels
        (True, 64, 0.0, "torch"),
        (False, 64, 0.0, "torch"),
    ],
)
def test_the_fused_kernel_runs_on_cuda_only_where_it_is_compiled(
    monkeypatch, compiling, channels, cap, expected
) -> None:
    tensor = SimpleNamespace(is_cuda=True, shape=(2, 4, 9, channels))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: compiling)
    for owner, name, kernel in (
        (kernels, "_attend_fused", "fused"),
        (kernels, "_attend_by_products", "products"),
        (kernels.F, "scaled_dot_product_attention", "torch"),
    ):
        monkeypatch.setattr(owner, name, lambda *args, kernel=kernel, **kwargs: kernel)
    assert attend(tensor, tensor, tensor, None, cap) == expected


def test_a_soft_cap_costs_no_precision_in_bfloat16() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 4, 9, 8, dtype=torch.bfloat16) for _ in range(3))
    visible = causal_mask(torch.arange(9), torch.arange(9), 9)
    capped = attend(query, key, value, visible, 50.0)
    assert capped.dtype == torch.bfloat16
    torch.testing.assert_close(capped.double(), naive(query, key, value, visible, 50.0), atol=0.02, rtol=0.02)


def test_a_position_sees_itself_and_the_last_before() -> None:
    seen = causal_mask(torch.arange(2, 5), torch.arange(1, 5), window=2)
    assert seen.int().tolist() == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]


@pytest.mark.parametrize("prefill", [1, 2, 3, 20])
def test_a_ring_is_the_window(prefill) -> None:
    """Position by position through a ring, with a pass in between that is not kept, equals all at once."""
    torch.manual_seed(0)
    attention = Attention(32, 4, key_heads=2, causal=True, window=5, soft_cap=3.0)
    x, strangers = torch.randn(2, 60, 32), torch.randn(2, 60, 32)
    ring = RingCache(5, x.device)
    seen = [attention(x[:, :prefill], cache=ring)]
    ring.keep(prefill)
    for place in range(prefill, 60, 2):
        attention(strangers[:, place : place + 2], cache=ring)  # forgotten
        seen.append(attention(x[:, place : place + 2], cache=ring))
        ring.keep(seen[-1].shape[1])
    torch.testing.assert_close(torch.cat(seen, 1), attention(x), atol=1e-5, rtol=1e-5)


def test_a_ring_in_use_takes_few_positions_at_once() -> None:
    ring, x = RingCache(5, torch.device("cpu")), torch.randn(1, 4, 32)
    attention = Attention(32, 4, causal=True, window=5)
    attention(x, cache=ring)
    with pytest.raises(ValueError, match="4 positions"):
        attention(x, cache=ring)
