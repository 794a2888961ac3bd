"""Quantisers beside vector-quantize-pytorch: same codes and same vectors for the same input.

It brings five more packages for this one comparison, so it is not among the pinned ones. To run it: `uv pip install
--no-deps --target FOLDER vector-quantize-pytorch==1.32.0 einx einops torch-einops-utils frozendict loguru`, and FOLDER
at the end of PYTHONPATH. Elsewhere these tests are skipped.
"""

from __future__ import annotations

import pytest
import torch

from sensorium.models.quantisers.binary import BinaryQuantiser
from sensorium.models.quantisers.codebook import VectorQuantiser
from sensorium.models.quantisers.moving import MovingQuantiser
from sensorium.models.quantisers.residual import ResidualQuantiser
from sensorium.models.quantisers.scalar import ScalarQuantiser

oracle = pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")


@pytest.fixture
def vectors() -> torch.Tensor:
    return torch.randn(3, 40, 4, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("levels", [[8, 5, 5, 5], [10, 10, 10, 10], [2, 3, 9, 10]])
@pytest.mark.parametrize("bound", ["tanh", "clamp"])
def test_finite_scalar_quantisation(levels, bound, vectors) -> None:
    other = oracle.FSQ(levels, preserve_symmetry=True, bound_hard_clamp=bound == "clamp")
    words, codes = other(vectors)
    found = ScalarQuantiser(levels, bound)(vectors)
    assert torch.equal(found.codes, codes.long())
    torch.testing.assert_close(found.vectors, words)


@pytest.mark.parametrize("spherical", [False, True])
def test_binary_quantisation(spherical, vectors) -> None:
    other = oracle.LFQ(dim=4, spherical=spherical).train()
    quantiser = BinaryQuantiser(4, spherical)
    (words, codes, _), parts = other(vectors, return_loss_breakdown=True)
    found = quantiser(vectors)
    assert torch.equal(found.codes, codes.long())
    torch.testing.assert_close(found.vectors, words)
    seen = torch.nn.functional.normalize(vectors, dim=-1) if spherical else vectors
    torch.testing.assert_close(quantiser.entropies(seen)[0], parts.per_sample_entropy, atol=1e-3, rtol=0.02)


def test_vector_quantisation_with_the_same_book(vectors) -> None:
    other = oracle.VectorQuantize(dim=4, codebook_size=10, kmeans_init=False).eval()
    quantiser = VectorQuantiser(4, 10)
    quantiser.codebook.data = other.codebook.detach().clone()
    words, codes, _ = other(vectors)
    found = quantiser(vectors)
    assert torch.equal(found.codes, codes)
    torch.testing.assert_close(found.vectors.detach(), words)


def test_a_step_of_the_moving_averages(vectors) -> None:
    other = oracle.VectorQuantize(dim=4, codebook_size=10, decay=0.8, threshold_ema_dead_code=0).train()
    book = other._codebook
    quantiser = MovingQuantiser(4, 10, decay=0.8, dead=0)
    quantiser.codebook.copy_(book.embed[0])
    quantiser.counts.copy_(book.cluster_size[0])
    quantiser.sums.copy_(book.embed_avg[0])
    for _ in range(3):
        other(vectors)
        quantiser.update(quantiser.statistics(vectors, quantiser(vectors).codes), vectors.flatten(0, 1))
    torch.testing.assert_close(quantiser.codebook, book.embed[0], atol=1e-5, rtol=1e-4)


def test_residual_quantisation(vectors) -> None:
    other = oracle.ResidualVQ(dim=4, codebook_size=10, num_quantizers=3, kmeans_init=False).eval()
    stages = [VectorQuantiser(4, 10) for _ in range(3)]
    for stage, layer in zip(stages, other.layers, strict=True):
        stage.codebook.data = layer.codebook.detach().clone()
    words, codes, _ = other(vectors)
    found = ResidualQuantiser(stages)(vectors)
    assert torch.equal(found.codes, codes)
    torch.testing.assert_close(found.vectors.detach(), words, atol=1e-5, rtol=1e-4)
