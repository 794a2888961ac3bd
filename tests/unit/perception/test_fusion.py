"""Fusion: time order, missing senses, objective by hand, learning, and a collapse that the gates must see."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sensorium.config import Training
from sensorium.perception.config import FusionConfig
from sensorium.perception.fusion import Fusion
from sensorium.perception.fusion_learner import FusionLearner, hidden_senses, symmetric_info_nce
from sensorium.randomness import Draw

CONFIG = FusionConfig(dim=32, layers=2, heads=2, frames=8, offsets=(-1, 2), training=Training(steps=100, lr=3e-3))
SHAPES = {"vision": 12, "audio": 10, "body": 4}
BODILESS = SHAPES | {"body": 0}
CPU = torch.device("cpu")


def senses(rows: int = 16, frames: int = 10, seed: int = 0) -> dict[str, Tensor]:
    """One hidden wave for each row, observed by each sense through a different linear map; stds of about 1."""
    generator = torch.Generator().manual_seed(seed)
    speed = 0.2 + torch.rand(rows, 1, 3, generator=generator)
    wave = torch.sin(speed * torch.arange(frames)[None, :, None] + 6 * torch.rand(rows, 1, 3, generator=generator))
    weights = torch.Generator().manual_seed(99)
    return {
        "vision_embedding": wave @ torch.randn(3, 12, generator=weights) + 3,
        "audio_embedding": wave @ torch.randn(3, 10, generator=weights),
        "body": wave @ torch.randn(3, 4, generator=weights),
    }


def draw(step: int = 0, rows: int = 16) -> Draw:
    return Draw(0, step, 0, rows, rows, CPU)


def test_state_never_sees_the_future() -> None:
    torch.manual_seed(0)
    fusion, values = Fusion(CONFIG, SHAPES), senses()
    before = fusion(*values.values())
    assert before.shape == (16, 10, 32)
    for name in values:
        changed = {key: value.clone() for key, value in values.items()}
        changed[name][:, 5:] += 1
        after = fusion(*changed.values())
        assert torch.equal(after[:, :5], before[:, :5])
        assert not torch.allclose(after[:, 5], before[:, 5], atol=1e-3)


def test_senses_may_be_missing_and_hidden_ones_leave_no_trace() -> None:
    torch.manual_seed(0)
    fusion = Fusion(CONFIG, SHAPES)
    vision, audio, body = senses().values()
    deaf = torch.tensor([True, False, True]).expand(16, 3)
    torch.testing.assert_close(fusion(vision, audio, body, present=deaf), fusion(vision, None, body))
    torch.testing.assert_close(fusion(vision, audio + 5, body, present=deaf), fusion(vision, audio, body, present=deaf))
    assert not torch.allclose(fusion(vision, audio, body), fusion(vision, None, body), atol=1e-3)
    with pytest.raises(ValueError, match="no sense is given"):
        fusion()
    bodiless = Fusion(CONFIG, BODILESS)
    assert bodiless(vision, audio).shape == (16, 10, 32)


def test_sight_may_be_lost_for_a_while() -> None:
    """Frames with hidden vision do not change the state; vision before them does."""
    torch.manual_seed(0)
    fusion, (vision, audio, body) = Fusion(CONFIG, SHAPES), senses().values()
    present = torch.ones(16, 10, 3, dtype=torch.bool)
    present[:, 6:, 0] = False
    state = fusion(vision, audio, body, present=present)
    torch.testing.assert_close(state[:, :6], fusion(vision, audio, body)[:, :6])
    hidden, seen = vision.clone(), vision.clone()
    hidden[:, 6:] += 5
    seen[:, :6] += 5
    torch.testing.assert_close(fusion(hidden, audio, body, present=present), state)
    assert (fusion(seen, audio, body, present=present)[:, 9] - state[:, 9]).abs().max() > 1e-3


def test_one_sense_always_stays_and_sight_is_lost_in_stretches() -> None:
    config = CONFIG.model_copy(update={"mask": 0.5, "occlusion": 0.5})
    present = hidden_senses(config, 3, draw(rows=4000))
    assert present.shape == (4000, 8, 3)
    whole = present.all(1)
    assert whole.any(1).float().mean() > 0.7
    assert present[:, 0].any(1).all()  # nothing is lost by a stretch before something was seen
    assert (present[..., 1:] == present[:, :1, 1:]).all()  # sound and body come or stay away for a whole window
    lost = ~present[..., 0] & present[:, :1, 0]
    assert lost.any(1).float().mean() == pytest.approx(0.5 * (0.5 + 0.5 / 3), abs=0.04)
    assert lost.sum(1).max() == 4
    edges = (lost[:, 1:] != lost[:, :-1]).sum(1)
    assert edges.max() <= 2  # a stretch, not holes
    torch.testing.assert_close(hidden_senses(config, 3, draw(rows=4000).rows(7, 9)), present[7:9])


def test_window_embeddings_are_unit_vectors_that_depend_on_timing() -> None:
    torch.manual_seed(0)
    fusion, values = Fusion(CONFIG, SHAPES), senses()
    images = fusion.image_embedding(values["vision_embedding"][:, :8])
    torch.testing.assert_close(images.norm(dim=-1), torch.ones(16))
    event = torch.zeros(1, 8, 10)
    early, late = event.clone(), event.clone()
    early[:, 1], late[:, 6] = 3, 3
    assert (fusion.sound_embedding(early) - fusion.sound_embedding(late)).norm() > 0.05
    same = fusion.sound_embedding(late + 5) @ fusion.sound_embedding(late).T
    assert same.item() == pytest.approx(1, abs=1e-5)  # a constant offset of a window is removed


def test_calibration_standardises_and_is_exported() -> None:
    fusion, values = Fusion(CONFIG, SHAPES), senses()["vision_embedding"]
    flat = values.flatten(0, 1)
    flat[:, 0] = 3.0  # a dimension that never changes must not become infinite
    fusion.calibrate("vision", flat.mean(0), flat.T.cov())
    standard = fusion.calibrated("vision", flat)
    torch.testing.assert_close(standard[:, 1:].std(0), torch.ones(11), atol=1e-3, rtol=0)
    assert standard.mean(0).abs().max() < 1e-4
    assert {"vision_mean", "vision_basis"} <= set(fusion.state_dict())


def test_a_wide_sense_keeps_its_leading_components() -> None:
    """Three waves span twelve dimensions: four components keep them all, in proportion."""
    narrow = FusionConfig.model_validate({**CONFIG.model_dump(), "components": 4})
    fusion, flat = Fusion(narrow, SHAPES), senses(rows=64)["vision_embedding"].flatten(0, 1)
    fusion.calibrate("vision", flat.mean(0), flat.T.cov())
    kept = fusion.calibrated("vision", flat)
    assert kept.shape == (640, 4)
    assert float(kept.square().mean()) == pytest.approx(1, abs=0.01)
    rebuilt = kept @ torch.linalg.pinv(fusion.vision_basis) + fusion.vision_mean
    torch.testing.assert_close(rebuilt, flat, atol=1e-3, rtol=1e-3)
    assert fusion(flat[None, :8]).shape == (1, 8, 32)


def test_errors_of_changes_by_hand() -> None:
    """Predicting no change has the mean square of the change as its error, in units of its scale."""
    torch.manual_seed(0)
    learner, batch = FusionLearner(CONFIG, BODILESS), senses()
    torch.nn.init.zeros_(learner.prediction_heads.heads.weight)
    torch.nn.init.zeros_(learner.prediction_heads.heads.bias)
    learner.prediction_heads.change.fill_(2.0)
    errors = learner.embed(batch, draw())[:, 2 * learner.fusion.window_width :]
    seen, heard = batch["vision_embedding"], batch["audio_embedding"]

    def square(values: Tensor) -> Tensor:
        return values.square().mean((1, 2))

    torch.testing.assert_close(errors[:, 0], square(seen[:, :8]) / 2 + square(heard[:, :8]) / 2)
    for column, (later, earlier) in enumerate(((slice(0, 7), slice(1, 8)), (slice(2, 10), slice(0, 8))), 1):
        changes = [square((values[:, later] - values[:, earlier]) / 2) for values in (seen, heard)]
        torch.testing.assert_close(errors[:, column], sum(changes) / 2)


def test_info_nce_by_hand() -> None:
    unit = torch.eye(4)
    assert float(symmetric_info_nce(unit, unit, 0.5)) == pytest.approx(math.log(math.exp(2) + 3) - 2, rel=1e-5)
    same = torch.ones(4, 4) / 2
    assert float(symmetric_info_nce(same, same, 0.5)) == pytest.approx(math.log(4), rel=1e-5)
    one_sound = torch.tensor([[1.0, 0.0], [1.0, 0.0]])  # no picture tells which; each sound prefers the first picture
    by_sounds = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(2))) / 2
    both = (math.log(2) + by_sounds) / 2
    assert float(symmetric_info_nce(torch.eye(2), one_sound, 0.5)) == pytest.approx(both, rel=1e-5)


def test_micro_batches_embed_the_same() -> None:
    torch.manual_seed(0)
    learner, batch = FusionLearner(CONFIG, SHAPES), senses()
    whole = learner.embed(batch, draw())
    assert whole.shape == (16, 2 * learner.fusion.window_width + 3)
    parts = [
        learner.embed({name: value[i : i + 4] for name, value in batch.items()}, draw().rows(i, i + 4))
        for i in range(0, 16, 4)
    ]
    torch.testing.assert_close(whole, torch.cat(parts), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shapes", [SHAPES, BODILESS])
def test_learns_to_predict_and_to_pair(shapes: dict[str, int]) -> None:
    torch.manual_seed(0)
    learner = FusionLearner(CONFIG, shapes)
    for number, (sense, values) in enumerate(zip(("vision", "audio", "body"), senses(rows=512).values(), strict=True)):
        if shapes[sense]:
            learner.fusion.calibrate(sense, values.flatten(0, 1).mean(0), values.flatten(0, 1).T.cov())
            known = learner.fusion.calibrated(sense, values)
            for index, lag in enumerate((1, 2)):
                learner.prediction_heads.change[number, index] = (
                    (known[:, lag:] - known[:, :-lag]).square().mean().sqrt()
                )
    optimiser = torch.optim.AdamW(learner.parameters(), 3e-3)
    for step in range(150):
        loss, metrics = learner(senses(rows=64, seed=step), draw(step, 64))
        optimiser.zero_grad()
        loss.backward()
        if step == 0:
            assert all(w.grad is not None and w.grad.abs().max() > 0 for w in learner.parameters())
        optimiser.step()
    assert metrics["error_change_+2"] < 0.5  # predicting no change has an error of 1
    fresh = senses(rows=64, seed=10**6)
    with torch.no_grad():
        images = learner.fusion.image_embedding(fresh["vision_embedding"][:, :8])
        found = images @ learner.fusion.sound_embedding(fresh["audio_embedding"][:, :8]).T
        assert (found.argmax(1) == torch.arange(64)).float().mean() > 10 / 64  # chance is 1 / 64
        gates = learner.eval().gates(fresh)
        assert all(gate.passed for gate in gates), gates
        assert learner.show(fresh)["similarity"].pixels.shape == (3, 128, 128)


def test_gates_see_collapse() -> None:
    torch.manual_seed(0)
    learner = FusionLearner(CONFIG, SHAPES)
    for parameter in learner.fusion.project.parameters():
        if parameter.dim() > 1:
            torch.nn.init.zeros_(parameter)
    failed = {gate.name for gate in learner.gates(senses()) if not gate.passed}
    assert {"embedding_std", "effective_rank", "output_difference", "predicted_variance"} <= failed
