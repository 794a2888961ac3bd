"""Quantisers: closed forms, gradients that pass straight through, dead codes that come back, use counted over a set."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from sensorium.models.quantisers.binary import BinaryQuantiser
from sensorium.models.quantisers.codebook import VectorQuantiser
from sensorium.models.quantisers.moving import MovingQuantiser
from sensorium.models.quantisers.quantiser import Quantiser
from sensorium.models.quantisers.residual import ResidualQuantiser
from sensorium.models.quantisers.scalar import ScalarQuantiser
from sensorium.models.quantisers.usage import Usage
from sensorium.training.code_usage import LEAST_SHARE, usage_gates
from sensorium.training.health import UnhealthyError, Verdict


def made() -> dict[str, Quantiser]:
    torch.manual_seed(0)
    return {
        "VQ": VectorQuantiser(4, 10),
        "VQ by moving averages": MovingQuantiser(4, 10),
        "FSQ": ScalarQuantiser([8, 5, 5, 10]),
        "FSQ, clamped": ScalarQuantiser([10, 3, 2, 7], bound="clamp"),
        "LFQ": BinaryQuantiser(4),
        "BSQ": BinaryQuantiser(4, spherical=True),
        "residual VQ": ResidualQuantiser([VectorQuantiser(4, 10) for _ in range(3)]),
        "residual FSQ": ResidualQuantiser([ScalarQuantiser([5] * 4, "clamp") for _ in range(3)], shrink=4.0),
    }


@pytest.mark.parametrize("name", made())
def test_codes_alone_give_the_vectors_back(name: str) -> None:
    quantiser = made()[name]
    found = quantiser(torch.randn(7, 6, 4))
    torch.testing.assert_close(quantiser.decode(found.codes), found.vectors.detach(), atol=1e-6, rtol=0)
    assert found.codes.dtype == torch.int64
    assert found.codes.min() >= 0
    assert found.bits == pytest.approx(math.log2(quantiser.size))
    assert found.loss.shape == ()


@pytest.mark.parametrize("name", sorted(made().keys() - {"FSQ", "residual VQ"}))  # tanh bends; greedy stages may swap
def test_what_is_quantised_again_keeps_its_codes(name: str) -> None:
    quantiser = made()[name]
    words = quantiser(torch.randn(50, 4)).vectors.detach()
    again = quantiser(words).vectors.detach()
    torch.testing.assert_close(again, words, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["VQ", "VQ by moving averages", "LFQ", "residual VQ", "residual FSQ"])
def test_gradients_pass_straight_through(name: str) -> None:
    vectors, weights = torch.randn(5, 4, requires_grad=True), torch.randn(5, 4)
    (made()[name](vectors).vectors * weights).sum().backward()
    torch.testing.assert_close(vectors.grad, weights)


def test_gradients_of_levels_are_those_of_their_bound() -> None:
    vectors = torch.tensor([[0.3], [-1.7]], requires_grad=True)
    ScalarQuantiser([10])(vectors).vectors.sum().backward()
    torch.testing.assert_close(vectors.grad, 1 - vectors.detach().tanh().square())
    inside = torch.tensor([[0.3], [-1.7]], requires_grad=True)
    ScalarQuantiser([10], "clamp")(inside).vectors.sum().backward()
    assert inside.grad is not None
    assert inside.grad.tolist() == [[1.0], [0.0]]


@pytest.mark.parametrize("levels", [2, 3, 9, 10])
def test_levels_are_even_symmetric_and_in_order(levels: int) -> None:
    quantiser = ScalarQuantiser([levels], "clamp")
    words = quantiser.decode(torch.arange(levels))[:, 0]
    torch.testing.assert_close(words, torch.linspace(-1, 1, levels))
    nearest = torch.linspace(-1.2, 1.2, 241)
    codes = quantiser(nearest[:, None]).codes
    assert (codes.diff() >= 0).all()
    assert codes[0] == 0
    assert codes[-1] == levels - 1
    distance = (nearest[:, None] - words).abs()
    torch.testing.assert_close(distance.gather(1, codes[:, None])[:, 0], distance.min(1).values, atol=1e-6, rtol=0)


def test_words_of_a_codebook_are_the_nearest_and_both_losses_count() -> None:
    quantiser = VectorQuantiser(2, 3, commitment=0.5)
    quantiser.codebook.data = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    found = quantiser(torch.tensor([[0.9, 0.2], [0.1, 1.5]]))
    assert found.codes.tolist() == [1, 2]
    error = (0.01 + 0.04 + 0.01 + 0.25) / 4
    assert found.loss.item() == pytest.approx(1.5 * error, rel=1e-5)
    found.loss.backward()  # the codebook is pulled, by the vectors of each word alone
    wanted = torch.tensor([[0.0, 0.0], [0.1, -0.2], [-0.1, 0.5]]) * 2 / 4
    torch.testing.assert_close(quantiser.codebook.grad, wanted, atol=1e-6, rtol=0)


def test_moving_averages_do_not_depend_on_how_a_step_was_divided() -> None:
    vectors = torch.randn(60, 4)
    torch.manual_seed(0)
    whole = MovingQuantiser(4, 10)
    parts = copy.deepcopy(whole)
    before = whole.codebook.clone()
    codes = whole(vectors).codes
    whole.update(whole.statistics(vectors, codes), vectors, torch.Generator().manual_seed(1))
    pieces = [parts.statistics(*piece) for piece in zip(vectors.split(25), codes.split(25), strict=True)]
    parts.update(pieces[0] + pieces[1] + pieces[2], vectors, torch.Generator().manual_seed(1))
    torch.testing.assert_close(whole.codebook, parts.codebook)
    assert not torch.equal(whole.codebook, before)


def test_words_move_to_the_mean_of_their_vectors() -> None:
    quantiser = MovingQuantiser(2, 2, decay=0.5, dead=0)
    quantiser.codebook.copy_(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))
    quantiser.sums.copy_(quantiser.codebook)
    vectors = torch.tensor([[-2.0, 1.0], [-4.0, 3.0], [3.0, 0.0]])
    quantiser.update(quantiser.statistics(vectors, quantiser(vectors).codes), vectors)
    torch.testing.assert_close(quantiser.codebook, torch.tensor([[-7 / 3, 4 / 3], [2.0, 0.0]]), atol=1e-4, rtol=0)


def test_dead_words_come_back() -> None:
    """Of ten words six stand far from all vectors; within 200 steps every word has its share again."""
    generator, quantiser = torch.Generator().manual_seed(0), MovingQuantiser(3, 10)
    quantiser.codebook[:6] = 1e3
    quantiser.sums.copy_(quantiser.codebook)
    for _ in range(200):
        vectors = torch.randn(64, 3, generator=generator)
        quantiser.update(quantiser.statistics(vectors, quantiser(vectors).codes), vectors, generator)
    usage = Usage.of(quantiser(torch.randn(4000, 3, generator=generator)).codes, 10)
    assert usage.shares.min() > 0.01
    assert usage.perplexity > 8


def test_without_revival_they_stay_dead() -> None:
    generator, quantiser = torch.Generator().manual_seed(0), MovingQuantiser(3, 10, dead=0)
    quantiser.codebook[:6] = 1e3
    quantiser.sums.copy_(quantiser.codebook)
    for _ in range(200):
        vectors = torch.randn(64, 3, generator=generator)
        quantiser.update(quantiser.statistics(vectors, quantiser(vectors).codes), vectors, generator)
    assert (Usage.of(quantiser(torch.randn(4000, 3, generator=generator)).codes, 10).counts == 0).sum() == 6


def test_k_means_finds_clusters_that_lie_apart() -> None:
    centres = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    vectors = (centres[:, None] + 0.1 * torch.randn(3, 50, 2, generator=torch.Generator().manual_seed(3))).flatten(0, 1)
    quantiser = MovingQuantiser(2, 3)
    best = math.inf
    for seed in range(5):
        quantiser.start(vectors, torch.Generator().manual_seed(seed))
        best = min(best, float((quantiser(vectors).vectors - vectors).square().mean()))
        torch.testing.assert_close(quantiser.sums / quantiser.counts[:, None], quantiser.codebook)
    assert best == pytest.approx(0.01, rel=0.2)
    with pytest.raises(ValueError, match="2 vectors for 3 words"):
        quantiser.start(vectors[:2])


def test_entropies_of_bits_in_closed_form() -> None:
    quantiser = BinaryQuantiser(2, temperature=4.0)
    vectors = torch.tensor([[0.0, 1.0], [0.0, -1.0]])
    sure, even = quantiser.entropies(vectors)
    one = 1 / (1 + math.exp(-1))  # sigmoid(4 * 1 / 4)
    own = -one * math.log(one) - (1 - one) * math.log(1 - one)
    assert float(sure) == pytest.approx(math.log(2) + own, rel=1e-5)
    assert float(even) == pytest.approx(2 * math.log(2), rel=1e-5)


def test_words_on_the_sphere_have_length_one() -> None:
    words = BinaryQuantiser(9, spherical=True)(5 * torch.randn(20, 9)).vectors
    torch.testing.assert_close(words.norm(dim=-1), torch.ones(20))


@pytest.mark.parametrize("name", ["residual VQ", "residual FSQ"])
def test_each_stage_codes_what_the_ones_before_left(name: str) -> None:
    quantiser, vectors = made()[name], torch.rand(200, 4) * 2 - 1
    if name == "residual VQ":
        vectors = vectors / 10  # where words begin
    codes = quantiser(vectors).codes
    errors = [float((quantiser.decode(codes[:, :n]) - vectors).square().mean()) for n in (1, 2, 3)]
    assert errors[0] > errors[1] > errors[2]
    if name == "residual FSQ":  # 5 levels each, the range shrinks by 4: half a step of the last is 1 / 64
        assert float((quantiser(vectors).vectors - vectors).abs().max()) <= 1 / 64 + 1e-6


def test_use_is_counted_over_the_set() -> None:
    """Two batches that each use one code: every batch has perplexity 1, the set has 2."""
    first, second = (Usage.of(torch.full((50,), code), 4) for code in (0, 3))
    assert first.perplexity == second.perplexity == 1
    assert (first + second).perplexity == pytest.approx(2)
    assert (first + second).counts.tolist() == [50, 0, 0, 50]
    even = Usage.of(np.arange(900).reshape(30, 30) % 10, 10)
    assert even.perplexity == pytest.approx(10)
    assert even.entropy == pytest.approx(math.log2(10))


@pytest.mark.parametrize("codes", [torch.tensor([0, 4]), torch.tensor([-1]), torch.tensor([], dtype=torch.int64)])
def test_codes_that_there_are_not_are_refused(codes: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="expected codes from 0 to 3"):
        Usage.of(codes, 4)


@pytest.mark.parametrize(
    ("counts", "fault"),
    [
        ([100] * 10, ""),
        ([10_000] * 9 + [round(9e4 * LEAST_SHARE / 2)], "code_share"),
        ([100_000, *[150] * 9], "code_perplexity"),
    ],
)
def test_a_collapsed_quantiser_is_not_exported(counts: list[int], fault: str) -> None:
    verdict = Verdict({}, usage_gates(Usage(np.array(counts))))
    if not fault:
        verdict.check()
        return
    with pytest.raises(UnhealthyError, match=fault) as error:
        verdict.check()
    assert error.value.exit_code == 70


@pytest.mark.parametrize("levels", [[], [10, 1]])
def test_levels_that_code_nothing_are_refused(levels: list[int]) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        ScalarQuantiser(levels)


def test_vectors_of_another_width_are_refused() -> None:
    for name in ("VQ", "FSQ", "BSQ", "VQ by moving averages"):
        with pytest.raises(ValueError, match="3 numbers"):
            made()[name](torch.zeros(2, 3))
