"""What holds for every learner: losses in float32, steps that read nothing back from a GPU, bits of recomputation."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from toy_learners import LEARNERS, ROWS

from sensorium.models.layers import Block
from sensorium.models.recompute import recompute_layers
from sensorium.perception.contrastive_learner import covariance_term, nt_xent
from sensorium.randomness import Draw
from sensorium.training.learner import Batch, Learner

CPU, META = torch.device("cpu"), torch.device("meta")
# Steps that pass through layers of a transformer; those on crops don't.
TRANSFORMERS = ("fusion", "joint", "tokenizer of patches", "dynamics", "dynamics after their dreams", "cloning")


def draw(device: torch.device = CPU) -> Draw:
    return Draw(0, 0, 0, ROWS, ROWS, device)


def gradient(learner: Learner, batch: Batch, bf16: bool) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
    """Loss, metrics and the whole gradient of one step."""
    learner.train().zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        loss, metrics = learner(batch, draw())
    loss.backward()
    parts = [p.grad.flatten() for p in learner.parameters() if p.grad is not None]
    return loss.detach(), metrics, torch.cat(parts)


@pytest.mark.parametrize("name", LEARNERS)
def test_losses_and_logits_are_float32_under_bfloat16(name, monkeypatch) -> None:
    learner, batch = LEARNERS[name]()
    logits, cross_entropy = [], torch.nn.functional.cross_entropy

    def noted(x: torch.Tensor, *args: object, **words: object) -> torch.Tensor:
        logits.append(x.dtype)
        return cross_entropy(x, *args, **words)

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", noted)
    exact, _, wanted = gradient(learner, batch, bf16=False)
    loss, metrics, found = gradient(learner, batch, bf16=True)
    assert {loss.dtype, *(value.dtype for value in metrics.values()), *logits} == {torch.float32}
    torch.testing.assert_close(loss, exact, rtol=0.03, atol=0.03)
    assert torch.nn.functional.cosine_similarity(found, wanted, dim=0) > 0.98


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_recomputed_activations_give_the_same_bits(name, bf16) -> None:
    learner, batch = LEARNERS[name]()
    with torch.no_grad():
        for parameter in learner.parameters():  # some begin at zero, and with them the gradients of the layers
            parameter += 0.05 * torch.randn_like(parameter)
    kept, passes = gradient(learner, batch, bf16), []
    assert recompute_layers(learner) > 0

    def count(module: torch.nn.Module, given: object) -> None:
        if isinstance(module, Block) and torch.is_grad_enabled():
            passes.append(module)

    with torch.nn.modules.module.register_module_forward_pre_hook(count):
        recomputed = gradient(learner, batch, bf16)
    assert torch.equal(recomputed[0], kept[0])
    assert torch.equal(recomputed[2], kept[2])
    half = len(passes) // 2
    assert half > 0
    assert sorted(passes[:half], key=id) == sorted(passes[half:], key=id)  # each layer twice: backwards again
    assert all(p.grad.count_nonzero() for layer in set(passes) for p in layer.parameters())


def test_a_contrast_of_bfloat16_numbers_is_exact() -> None:
    views = torch.randn(32, 2, 16).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = nt_xent(views, 0.1), covariance_term(views[:, 0])
    for value, exact in zip(found, (nt_xent(views.double(), 0.1), covariance_term(views[:, 0].double())), strict=True):
        torch.testing.assert_close(value.double(), exact.double(), rtol=1e-6, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("name", LEARNERS)
def test_a_step_does_not_wait_for_the_gpu(name) -> None:
    learner, batch = LEARNERS[name]()
    cuda = torch.device("cuda")
    learner, batch = learner.to(cuda).train(), {field: values.to(cuda) for field, values in batch.items()}
    learner(batch, draw(cuda))[0].backward()  # libraries are loaded in the first step
    torch.cuda.set_sync_debug_mode("error")
    try:
        learner(batch, draw(cuda))[0].backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("name", LEARNERS)
def test_a_step_reads_nothing_back_from_the_device(name, monkeypatch) -> None:
    """On the meta device there are no numbers: whoever asks for one raises. On a GPU they would wait for it."""
    learner, batch = LEARNERS[name]()
    made = Draw._generator
    monkeypatch.setattr(Draw, "_generator", lambda self, use: None if self.device == META else made(self, use))
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which does not know that device
    batch = {field: values.to(META) for field, values in batch.items()}
    loss, _ = learner.to(META).train()(batch, draw(META))
    loss.backward()
    assert loss.device == META
