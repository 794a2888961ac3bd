"""Clips that training walks through: with the second pass and the true body sense, and what the pass learns there."""

from __future__ import annotations

from dataclasses import replace

import torch
from toy_generation import awake, fine_dynamics

from sensorium.generation import fine_objective
from sensorium.generation.clips import Clips
from sensorium.generation.config import LAST_FRAMES, RefinerConfig
from sensorium.generation.dynamics_learner import DynamicsLearner, tokens_of
from sensorium.generation.fine_objective import mending_loss
from sensorium.generation.walk import walk
from sensorium.randomness import Draw

EVERY = 3


def learning(body: int = 5) -> tuple[DynamicsLearner, dict[str, torch.Tensor], Draw]:
    torch.manual_seed(1)
    learner, batch = fine_dynamics(0.0, body, RefinerConfig(every=EVERY, width=8, blocks=1, frames=2))
    awake(learner)
    rows = len(batch["latent"])
    return learner, batch, Draw(0, 0, 0, rows, rows, torch.device("cpu"))


def clips_of(learner: DynamicsLearner, batch: dict[str, torch.Tensor], draw: Draw) -> Clips:
    """All of them dreamed."""
    clean = learner.dynamics.standardise(tokens_of(batch))
    clips = learner._windows(clean, batch, draw, torch.zeros(len(clean), dtype=torch.bool))
    return replace(clips, dreamed=torch.ones_like(clips.dreamed), context_tau=torch.ones_like(clips.context_tau))


def test_every_nth_frame_of_a_walk_goes_through_the_second_pass(monkeypatch):
    monkeypatch.setattr(fine_objective, "_OFF", 1e9)  # never put right
    learner, batch, draw = learning()
    clips, dynamics = clips_of(learner, batch, draw), learner.dynamics
    rows = torch.ones(len(clips.clean), dtype=torch.bool)
    walked, mended = walk(dynamics, clips, rows, clips.clean)
    assert [each.number for each in mended] == [3, 6]
    for each in mended:
        frame = torch.cat([each.dreamed, walked[:, each.number, dynamics.streams["video"] :]], 1)
        wanted = dynamics.paths.refine(frame, dynamics.encode_scene(clips.scene), clips.sharpness)
        assert torch.allclose(walked[:, each.number], wanted, atol=1e-5)
        assert not torch.allclose(walked[:, each.number], frame, atol=1e-2)


def test_a_walk_feels_the_truth_beside_its_dreamed_pictures(monkeypatch):
    monkeypatch.setattr(fine_objective, "_OFF", 1e9)
    learner, batch, draw = learning()
    clips, dynamics = clips_of(learner, batch, draw), learner.dynamics
    walked, _ = walk(dynamics, clips, torch.ones(len(clips.clean), dtype=torch.bool), clips.clean)
    own, true = dynamics.split(walked), dynamics.split(clips.clean)
    assert torch.equal(own["body"], true["body"])
    assert not torch.allclose(own["video"][:, LAST_FRAMES:-1], true["video"][:, LAST_FRAMES:-1], atol=1e-2)


def test_the_second_pass_learns_from_what_is_dreamed(monkeypatch):
    """Even if nothing harmed is shown to it; and no gradient goes from there to what dreams."""
    monkeypatch.setattr("sensorium.generation.dynamics_learner.refining_loss", lambda *args: torch.zeros(1))
    monkeypatch.setattr(fine_objective, "_OFF", 1e9)
    learner, batch, draw = learning()
    seen = []
    learner.scale.forward = lambda losses: seen.append(losses) or sum(losses.values())
    learner(batch, draw)
    fine = learner.dynamics.fine
    ways = torch.autograd.grad(seen[0]["refined"], [fine.refiner.enter.weight, fine.enter.weight], allow_unused=True)
    assert ways[0].any()
    assert ways[1] is None


def test_nothing_is_asked_where_a_dream_has_left_the_truth():
    learner, batch, draw = learning()
    fine, clips = learner.dynamics.fine, clips_of(learner, batch, draw)
    true = learner.dynamics.split(clips.clean[:, 4])
    dreamed, scene = true["video"] + 0.1, learner.dynamics.encode_scene(clips.scene)
    own = torch.ones(dreamed.shape[:2], dtype=torch.bool)
    nothing = mending_loss(fine, dreamed, ~own, true["video"], true["body"], scene)
    assert not nothing.any()
    half = own.clone()
    half[:, :8] = False
    parts = [mending_loss(fine, dreamed, part, true["video"], true["body"], scene) for part in (half, own & ~half)]
    whole = mending_loss(fine, dreamed, own, true["video"], true["body"], scene)
    assert torch.allclose(sum(parts), whole, atol=1e-4)
