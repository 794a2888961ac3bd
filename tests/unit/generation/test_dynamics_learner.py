"""The learner of the dynamics: what clips see and become, and what it learns of a world that moves by its actions."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sensorium.generation.conditioning import Conditioning
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dream import dream
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.dynamics_learner import DynamicsLearner
from sensorium.generation.passes import Prediction
from sensorium.generation.shortcut_forcing import ramp_weight
from sensorium.generation.tokenizer_config import VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.models.recompute import recompute_layers
from sensorium.randomness import Draw
from sensorium.training import execution


def draw(rows: int, step: int = 0) -> Draw:
    return Draw(0, step, 0, rows, rows, torch.device("cpu"))


def watched(model: DynamicsLearner) -> list[dict[str, Any]]:
    """What the dynamics denoise from now on, the context that they have read for it, and whether a gradient follows."""
    dynamics, calls, contexts = model.dynamics, [], {}
    read, denoise = dynamics.read, dynamics.denoise

    def watch_read(frames, given):
        context = read(frames, given)
        contexts[id(context)] = {"tokens": frames, "given": given, "context": context}  # kept, so its id stays its own
        return context

    def watch_denoise(frames, given, context=None, **others):
        prediction = denoise(frames, given, context, **others)
        call = {"tokens": frames, "given": given, "past": contexts.get(id(context))}
        calls.append(call | {"trained": torch.is_grad_enabled(), "made": prediction.tokens.detach()})
        return prediction

    dynamics.read, dynamics.denoise = watch_read, watch_denoise
    return calls


def test_every_frame_but_the_first_is_denoised_after_its_own_past():
    """In clips of two frames the context is the first one, nearly clean, and the second one is denoised."""
    batch, model = moving(8), learner(dreamed=0)
    model.config = model.config.model_copy(update={"bootstrap": 0.0})
    calls = watched(model)
    model(batch, draw(8))
    clean = torch.cat([batch["latent"], batch["sound"]], 2).float()[:7].unflatten(1, (2, 2))  # the last is alone
    alone, after = calls
    past = after["past"]
    assert (alone["past"], alone["tokens"].shape[:2]) == (None, (4, 1))
    assert (past["tokens"].shape[:2], after["tokens"].shape[:2]) == ((14, 1), (14, 1))
    assert past["given"].tau.min() >= 0.8
    assert (past["given"].step_size == 1 / 64).all()
    assert (after["given"].step_size == 1 / 64).all()
    for frame, call in enumerate((past, after)):
        tau = call["given"].tau[..., None, None]
        noise = call["tokens"] - tau * clean[:, :, [frame]].flatten(0, 1)
        assert 0.8 < (noise / (1 - tau)).std() < 1.2
        action = batch["action"][:7].unflatten(1, (2, 2))[:, :, [frame]]
        assert torch.equal(call["given"].action, action.flatten(0, 1))


def test_every_clip_has_its_own_scene():
    """In single frames, contexts and denoised frames, of the student and of the teacher."""
    batch, model = moving(8), learner(dreamed=1.0)
    batch["scene"] = torch.randn_like(batch["scene"])
    torch.nn.init.normal_(model.dynamics.paths.filtered.read_scene.weight)
    calls = watched(model)
    model(batch, draw(8))
    scene = model.dynamics.encode_scene(batch["scene"])
    sizes = set()
    for made in (made for call in calls for made in (call, call["past"]) if made is not None):
        rows = made["given"].scene[:, None].isclose(scene).all((2, 3)).int()
        assert (rows.sum(1) == 1).all()
        clean = torch.cat([batch["latent"], batch["sound"]], 2).float()
        for row, noised, tau in zip(rows.argmax(1), made["tokens"][:, 0], made["given"].tau[:, 0], strict=True):
            if tau > 0.75:  # nearly clean: it must lie near some frame of the scene's own window
                assert (clean - noised).square().mean((2, 3)).min(1).values.argmin() == row
        sizes.add(len(rows))
    assert {4, 14} <= sizes


def test_the_context_of_some_windows_is_what_those_windows_would_have_read():
    """Teachers use the context of their students, and send no gradient into it."""
    dynamics, (past, noised) = learner().dynamics, torch.randn(2, 5, 4, 6, 3)
    torch.nn.init.normal_(dynamics.read_out.weight)
    signal, tau, action = torch.rand(5, 4), torch.rand(5, 4), torch.randn(5, 4, 2)
    size, which = torch.full((5, 4), 1 / 64), torch.tensor([True, False, False, True, True])
    everything = dynamics.read(past, Conditioning(signal, size, action)).windows(which)
    some = dynamics.read(past[which], Conditioning(signal[which], size[which], action[which]))
    given = Conditioning(tau[which], size[which], action[which])
    chosen, expected = (dynamics.denoise(noised[which], given, context).tokens for context in (everything, some))
    torch.testing.assert_close(chosen, expected, atol=1e-6, rtol=1e-5)
    (gradient,) = torch.autograd.grad(chosen.sum(), dynamics.paths.filtered.read_video.weight)
    assert all(not part.requires_grad for cache in everything.caches.values() for part in cache.context)
    assert gradient.abs().max() > 0


def test_dreamed_frames_are_made_from_noise_and_read_in_place_of_true_ones():
    """Without a gradient; the denoised frames are those of a window that does not dream."""
    batch, step, found = moving(8), 1, []
    for dreamed in (0.0, 1.0):
        model = learner(dreamed=dreamed)
        model.config = model.config.model_copy(update={"bootstrap": 0.0, "images": 0.0})
        torch.nn.init.normal_(model.model.read_out.weight)
        calls = watched(model)
        model(batch, draw(8, step))
        found.append(calls)
    (plain,), (dreaming, trained) = found
    assert (dreaming["trained"], trained["trained"]) == (False, True)
    read, past, noised = plain["past"]["tokens"], dreaming["past"]["tokens"], dreaming["tokens"]
    rows = (read[:, None, 0] - past[:, 0]).abs().amax((2, 3)).argmin(0)  # windows that dream some frame
    assert torch.equal(past, read[rows])
    assert (dreaming["given"].tau == 0).all()
    assert (dreaming["given"].step_size == 1 / 64).all()
    assert 0.9 < noised.std() < 1.1  # it contains nothing of the truth
    assert abs(torch.corrcoef(torch.stack([noised.flatten(), plain["tokens"][rows].flatten()]))[0, 1]) < 0.2
    assert torch.equal(trained["tokens"], plain["tokens"])
    changed = (trained["past"]["tokens"] - read)[rows, 1:]
    signal = plain["past"]["given"].tau[rows, 1:, None, None]
    clean = torch.cat([batch["latent"], batch["sound"]], 2)[rows, 1:3]
    made = (dreaming["made"][:, :2] - clean) * signal
    replaced = changed.abs().amax((2, 3)) > 0
    assert 0.3 < replaced.float().mean() < 0.8
    assert torch.allclose(changed[replaced], made[replaced], atol=1e-5)
    assert torch.equal(trained["past"]["tokens"][:, 0], read[:, 0])


def test_every_target_has_the_weight_of_its_level():
    """Bootstrapped ones as well: with an error of one everywhere, what is left of the loss is the ramp."""
    batch, model, seen = moving(8), learner(dreamed=0), []
    model.config = model.config.model_copy(update={"bootstrap": 0.5, "images": 0.0})
    nothing = lambda x, *levels: seen.append(levels) or Prediction(torch.zeros_like(x), torch.empty(0))  # noqa: E731
    model._denoiser = lambda *_: nothing
    model._targets = lambda _clips, noised, *_: torch.ones_like(noised)
    metrics = model(batch, draw(8))[1]
    ((tau, step_size),) = seen
    assert {True, False} == set((step_size > 1 / 64).flatten().tolist())
    assert metrics["video"] * batch["latent"].shape[:2].numel() == pytest.approx(float(ramp_weight(tau).sum()))


def learner(unlabelled: float = 0.0, dreamed: float = 0.5) -> DynamicsLearner:
    torch.manual_seed(0)
    config = DynamicsConfig(
        dim=16, heads=2, layers=2, time_every=2, registers=1, frames=2, window=3, long_frames=4, long_every=2,
        images=0.125, unlabelled=unlabelled, dreamed=dreamed,
    )  # fmt: skip
    tokenizer = VideoTokenizer(VideoTokenizerConfig(width=4, channels=3), {"size": 16})
    shapes = {"video": 4, "grid": True, "audio": 2, "channels": 3, "action": {"kind": "continuous", "size": 2}}
    return DynamicsLearner(Dynamics(config, shapes), config, tokenizer)


def moving(rows: int, step: int = 0) -> dict[str, torch.Tensor]:
    """Tokens that move by their actions, so the actions are all there is to know."""
    generator = torch.Generator().manual_seed(step)
    action = torch.randn(rows, 4, 2, generator=generator)
    start = torch.randn(rows, 1, 6, 3, generator=generator)
    tokens = (0.3 * (start + torch.cat([action, -action[..., :1]], -1).cumsum(1)[:, :, None])).half()
    return {"latent": tokens[:, :, :4], "sound": tokens[:, :, 4:], "action": action, "scene": tokens[:, 0, :4]}


@pytest.mark.parametrize("step", [0, 1], ids=("short", "long"))
def test_loss_does_not_depend_on_the_micro_batch(step):
    model, batch = learner(0.3), moving(8)
    torch.nn.init.normal_(model.model.read_out.weight)
    whole = model(batch, draw(8, step))[0]
    parts = []
    for start in range(0, 8, 2):
        part = {name: value[start : start + 2] for name, value in batch.items()}
        parts.append(model(part, draw(8, step).rows(start, start + 2))[0])
    assert torch.allclose(whole, torch.stack(parts).mean(), atol=1e-6)


@torch._dynamo.config.patch(recompile_limit=8, fail_on_recompile_limit_hit=True)
def test_compiled_it_learns_the_same_and_every_kind_of_pass_stays_compiled(monkeypatch):
    """As the front end of the compiler takes it apart. Beyond the limit passes would run uncompiled.

    Layers that recompute their activations, from the middle on, do so in their compiled form.
    """
    plain, compiled, kinds, front = learner(), learner(), [], torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, options: front(module, backend=keep))
    monkeypatch.setattr(execution, "_can_compile", lambda *_: True)

    def keep(graph, _inputs):
        kinds.append(graph)
        return graph.forward

    execution.Execution(compile="on").compile_modules(compiled.compiled(), torch.device("cpu"))
    for step in range(16):
        if step == 12:
            assert recompute_layers(compiled) == len(compiled.compiled())
            known = len(kinds)
        losses = [model(moving(8, step), draw(8, step))[0] for model in (plain, compiled)]
        sum(losses).backward()
        gradients = [[p.grad for p in model.parameters() if p.grad is not None] for model in (plain, compiled)]
        torch.testing.assert_close([losses[1], *gradients[1]], [losses[0], *gradients[0]])
    assert 0 < len(kinds) == known


def test_unlabelled_windows_do_not_see_their_actions():
    batch = moving(64)
    other = batch | {"action": -batch["action"]}
    for unlabelled, differs in ((0.999999, False), (0.0, True)):
        model = learner(unlabelled)
        torch.nn.init.normal_(model.model.read_out.weight)
        assert (model(batch, draw(64))[0] != model(other, draw(64))[0]) == differs


def test_the_tokenizer_is_neither_trained_nor_saved():
    model = learner()
    assert all(name.startswith(("dynamics.", "scale.")) for name in model.state_dict())
    assert all(name.startswith("dynamics.") for name, _ in model.named_parameters())


def test_each_stream_has_its_own_scale():
    model, batch = learner(), moving(8)
    before, metrics = model(batch, draw(8))
    model.observe(metrics)
    after = model(batch, draw(8))[0]
    assert torch.allclose(before, metrics["video"] + metrics["audio"])
    assert torch.allclose(after, torch.tensor(2.0), atol=1e-4)


def test_it_learns_what_actions_do_and_only_then_passes_its_gates():
    model = learner()
    model.model.describe(torch.zeros(6, 3), torch.full((6, 3), 0.6), torch.full((6, 3), 0.09))
    test = moving(64, 1_000_000)
    assert not all(gate.passed for gate in model.eval().gates(test))
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(400):
        loss, metrics = model(moving(64, step), draw(64, step))
        model.observe(metrics)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert [gate.name for gate in model.gates(test) if not gate.passed] == []
    latent, action = torch.cat([test["latent"], test["sound"]], 2).float(), test["action"]
    true, shuffled = (dream(model.model, latent[:, :2], moves, 2) for moves in (action, action.roll(1, 0)))
    still = latent[:, 1:2].expand(-1, 2, -1, -1)
    errors = [(dreamt - latent[:, 2:]).square().mean() for dreamt in (true, shuffled, still)]
    assert errors[0] < 0.5 * errors[1]
    assert errors[0] < 0.5 * errors[2]
    assert model.show(test)["dream"].pixels.shape == (3, 2 * 4 * 16, 4 * 16)
