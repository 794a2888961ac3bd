"""Contrastive objectives against hand-made cases, micro-batches, learning, and a collapse that the gates must see."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from sensorium.config import Training
from sensorium.data.sample_formats import WHITE
from sensorium.perception.config import AudioEncoderConfig, Contrast, VisionEncoderConfig
from sensorium.perception.contrastive_learner import (
    AudioContrast,
    ContrastiveLearner,
    VisionContrast,
    contrast,
    covariance_term,
    nt_xent,
    variance_hinge,
)
from sensorium.randomness import Draw
from sensorium.training.collapse import effective_rank, mean_difference, relative_std

CPU = torch.device("cpu")
SHAPES = {"size": 32, "sample_rate": 16000, "samples_per_frame": 1000}


def vision() -> tuple[ContrastiveLearner, dict[str, Tensor]]:
    torch.manual_seed(0)
    config = VisionEncoderConfig(width=8, dim=32, training=Training(steps=100))
    blobs = torch.rand(16, 1, 4, 4, 3).repeat_interleave(8, 2).repeat_interleave(8, 3).expand(-1, 3, -1, -1, -1)
    return VisionContrast(config, SHAPES), {"video": (blobs * WHITE).byte()}


def audio() -> tuple[ContrastiveLearner, dict[str, Tensor]]:
    torch.manual_seed(0)
    pitch = 200 * 1.25 ** torch.arange(16)[:, None]
    sounds = torch.sin(2 * torch.pi * pitch * torch.arange(4000) / 16000)
    config = AudioEncoderConfig(width=8, dim=32, frames=4)
    return AudioContrast(config, SHAPES), {"audio": (sounds * 9000).short()}


def draw(step: int = 0) -> Draw:
    return Draw(0, step, 0, 16, 16, CPU)


def test_nt_xent_by_hand() -> None:
    same = torch.ones(4, 2, 8)
    assert float(nt_xent(same, 0.5)) == pytest.approx(math.log(7), rel=1e-5)
    apart = torch.eye(4)[:, None].expand(4, 2, 4)  # partners at cosine 1, six others at 0
    assert float(nt_xent(apart, 0.5)) == pytest.approx(math.log(math.exp(2) + 6) - 2, rel=1e-5)
    assert float(nt_xent(3 * apart, 0.5)) == pytest.approx(float(nt_xent(apart, 0.5)), rel=1e-5)
    assert nt_xent(apart.bfloat16(), 0.5).dtype == torch.float32


def test_variance_hinge_punishes_small_stds_only() -> None:
    spread = torch.randn(4096, 8, generator=torch.Generator().manual_seed(0))
    assert float(variance_hinge(2 * spread)) == 0
    assert float(variance_hinge(0.25 * spread)) == pytest.approx(0.75, abs=0.03)
    assert float(variance_hinge(torch.ones(8, 4))) == pytest.approx(0.99, abs=1e-3)


def test_covariance_term_punishes_repetition() -> None:
    spread = torch.randn(4096, 8, generator=torch.Generator().manual_seed(0))
    assert float(covariance_term(spread)) < 0.01
    assert float(covariance_term(spread[:, :1].expand(-1, 8))) == pytest.approx(7, rel=0.1)


def test_vicreg_learns_to_find_pairs() -> None:
    learner, batch = vision()
    learner.contrast = Contrast(objective="vicreg")
    optimiser = torch.optim.AdamW(learner.parameters(), 3e-3)
    found = []
    for step in range(40):
        loss, metrics = learner(batch, draw(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(float(metrics["pairs_found"]))
    assert sum(found[-5:]) / 5 > 0.75
    with torch.no_grad():
        assert all(gate.passed for gate in learner.eval().gates(batch))


def test_vicreg_by_hand() -> None:
    views = torch.zeros(2, 2, 2)
    views[0], views[1] = 1.0, -1.0  # equal views; stds are sqrt(2), covariance of the two dimensions is 2
    assert float(contrast(views, Contrast(objective="vicreg"))[0]) == pytest.approx(2 * (2 * 4 / 2), rel=1e-4)
    views[:, 1] *= -1
    assert float(contrast(views, Contrast(objective="vicreg"))[0]) == pytest.approx(25 * 4 + 8, rel=1e-4)


def test_measures_of_collapse() -> None:
    features = torch.randn(512, 16, generator=torch.Generator().manual_seed(0))
    line = features[:, :1] * torch.ones(16)
    assert effective_rank(features) > 15
    assert effective_rank(line) == pytest.approx(1, abs=1e-2)
    assert effective_rank(torch.ones(64, 16)) == 0
    assert math.isnan(effective_rank(features / 0))
    assert relative_std(features) == pytest.approx(1, abs=0.05)
    assert relative_std(features + 100) < 0.05
    assert mean_difference(features) == pytest.approx(1, abs=0.05)
    assert mean_difference(features + 100) < 0.01


@pytest.mark.parametrize("make", [vision, audio])
def test_micro_batches_embed_the_same(make: object) -> None:
    learner, batch = make()  # type: ignore[operator]
    whole = learner.embed(batch, draw())
    assert whole.shape == (16, 2, 64)
    parts = [
        learner.embed({name: value[i : i + 4] for name, value in batch.items()}, draw().rows(i, i + 4))
        for i in range(0, 16, 4)
    ]
    torch.testing.assert_close(whole, torch.cat(parts), atol=1e-4, rtol=1e-3)
    assert not torch.allclose(whole[:, 0], whole[:, 1], atol=1e-3)


@pytest.mark.parametrize("make", [vision, audio])
def test_learns_to_find_pairs_and_passes_its_gates(make: object) -> None:
    learner, batch = make()  # type: ignore[operator]
    optimiser = torch.optim.AdamW(learner.parameters(), 3e-3)
    first = float(learner(batch, draw())[0].detach())
    for step in range(40):
        loss, metrics = learner(batch, draw(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.6 * first
    assert metrics["pairs_found"] > 0.8
    with torch.no_grad():
        assert all(gate.passed for gate in learner.eval().gates(batch))
        assert learner.show(batch)


class Constant(nn.Module):
    """An encoder that has collapsed: the same output, up to rounding noise, for every input."""

    def forward(self, images: Tensor) -> Tensor:
        return 1 + 1e-6 * images.flatten(1)[:, :32]


def test_gates_see_collapse() -> None:
    _, batch = vision()
    broken = VisionContrast(VisionEncoderConfig(dim=32), SHAPES)
    broken.encoder = Constant()
    gates = broken.gates(batch)
    assert len(gates) == 3
    assert not any(gate.passed for gate in gates)


def test_variance_term_counts() -> None:
    learner, _batch = vision()
    embeddings = torch.full((16, 2, 64), 0.5) + 1e-3 * torch.randn(16, 2, 64)
    with_term = learner.couple(embeddings, draw())[0]
    learner.contrast = Contrast(variance_weight=0.0)
    assert float(with_term - learner.couple(embeddings, draw())[0]) == pytest.approx(0.99, abs=0.01)
