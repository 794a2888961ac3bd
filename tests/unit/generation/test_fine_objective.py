"""What training asks of a fine path: parts of frames first, then frames after its own dreams."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from toy_generation import awake, fine_dynamics

from sensorium.generation import fine_objective
from sensorium.generation.conditioning import FINEST, Conditioning
from sensorium.generation.config import LAST_FRAMES, FineConfig
from sensorium.generation.dynamics_learner import DynamicsLearner
from sensorium.generation.fine_objective import crop_of, draw_crops, guided
from sensorium.generation.fine_path import Crop
from sensorium.randomness import Draw


def learner(crops: float) -> tuple[DynamicsLearner, dict[str, torch.Tensor]]:
    torch.manual_seed(1)
    made, batch = fine_dynamics(crops)
    awake(made)
    return made, batch


def test_crops_are_drawn_where_something_moves():
    config, clean = FineConfig(pool=2, crop=4), torch.zeros(1, 400, 64, 12)
    clean.view(1, 400, 8, 8, 12)[:, ::2, 6:, 6:] = 1  # the last corner blinks
    places = draw_crops(config, clean, Draw(0, 0, 0, 1, 1, torch.device("cpu")))
    crop = crop_of(config, places)
    assert places.shape == (1, 400, 2)
    assert int(crop.top.min()) >= 0
    assert int(crop.top.max()) + crop.side == 8
    corner = (places[0, 1:] == 2).all(1).float().mean()
    assert corner == pytest.approx(0.27 / (0.27 + 8 * 0.02), abs=0.08)  # a quarter of that crop changes by 1


def test_a_dream_is_put_right_only_where_it_has_left_the_truth():
    truth = 0.1 * torch.randn(1, 16, 12)
    dream = truth.clone()
    dream[0, 0] += 4  # far off, at one corner
    dream[0, -1] += 0.01
    mended, left = guided(learner(crops=0.0)[0].dynamics.fine, dream, truth)
    assert torch.equal(mended[0, 0], truth[0, 0])
    assert torch.equal(mended[0, -1], dream[0, -1])
    assert left.shape == (1, 16)
    assert left[0, 0]
    assert not left[0, -1]


def contexts(made: DynamicsLearner, batch: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> list:
    """The video tokens of the frames that a step reads as context, and of the true ones."""
    seen, read = [], made.dynamics.read

    def watch(frames: torch.Tensor, given: Conditioning) -> object:
        seen.append(frames[:, :, :16].clone())
        return read(frames, given)

    monkeypatch.setattr(made.dynamics, "read", watch)
    made(batch, Draw(0, 0, 0, len(batch["latent"]), len(batch["latent"]), torch.device("cpu")))
    return seen


def test_training_on_crops_asks_the_fine_path_alone(monkeypatch):
    """About the true frame there, after the true frames before it; sound and transformer are left as they are."""
    made, batch = learner(crops=1.0)
    seen, ask = [], made.dynamics.denoise_crops

    def watch(crops: torch.Tensor, recent: torch.Tensor, given: Conditioning, crop: Crop) -> object:
        seen.append((crops, recent, given, crop))
        return ask(crops, recent, given, crop)

    monkeypatch.setattr(made.dynamics, "denoise_crops", watch)
    rows = len(batch["latent"])
    loss, metrics = made(batch, Draw(0, 0, 0, rows, rows, torch.device("cpu")))
    loss.backward()
    ((crops, recent, given, crop),) = seen
    true = made.dynamics.standardise(torch.cat([batch["latent"], batch["sound"]], 2).float())[:, :, :16]
    for number in range(recent.shape[1]):
        assert torch.equal(recent[:, number], true[:, number : number + LAST_FRAMES])
    assert torch.equal(given.action, batch["action"][:, LAST_FRAMES:])
    level = given.tau.flatten()[:, None, None]
    there = crop.cut_tokens(true[:, LAST_FRAMES:].flatten(0, 1))
    noise = (crops.flatten(0, 1) - level * there) / (1 - level)
    assert noise.std() == pytest.approx(1, abs=0.1)
    assert abs(float(torch.corrcoef(torch.stack([noise.flatten(), there.flatten()]))[0, 1])) < 0.1
    trained = {name for name, p in made.dynamics.named_parameters() if p.grad is not None and p.grad.any()}
    assert {name.split(".")[0] for name in trained} <= {"paths", "signal", "sizes", "action", "no_action"}
    assert not any("filtered" in name for name in trained)
    assert "paths.fine.choose.weight" in trained
    assert "audio" not in metrics  # so its scale stays as it is


def test_dynamics_that_were_trained_need_no_crops(monkeypatch):
    """A clone goes on with them: its first step is one after dreams."""
    made, batch = learner(crops=1.0)
    further = DynamicsLearner(made.dynamics, made.config, made._decoder[0], trained=True)
    (loss, _), (other, _) = (
        each(batch, Draw(0, 0, 0, len(batch["latent"]), len(batch["latent"]), torch.device("cpu")))
        for each in (made, further)
    )
    assert further._on_crops == 0
    assert (loss - other).abs() > 1e-3


def test_training_walks_through_its_own_dreams(monkeypatch):
    """Each dreamed frame is what a stream dreams after the frames that were read before it."""
    monkeypatch.setattr(fine_objective, "_OFF", 1e9)  # never put right
    made, batch = learner(crops=0.0)
    true = made.dynamics.standardise(torch.cat([batch["latent"], batch["sound"]], 2).float())[:, :, :16].flatten(0, 1)
    read = torch.cat([frames.flatten(0, 1) for frames in contexts(made, batch, monkeypatch)])
    dreamed = torch.stack([(true - frame).abs().amax((1, 2)).min() > 1e-3 for frame in read])
    assert 0.1 < dreamed.float().mean() < 0.6


def test_the_walk_is_the_stream(monkeypatch):
    monkeypatch.setattr(fine_objective, "_OFF", 1e9)
    made, batch = learner(crops=0.0)
    dynamics, rows = made.dynamics, len(batch["latent"])
    clean = dynamics.standardise(torch.cat([batch["latent"], batch["sound"]], 2).float())
    draw = Draw(0, 0, 0, rows, rows, torch.device("cpu"))
    alone = torch.zeros(rows, dtype=torch.bool)
    clips = made._windows(clean, batch, draw, alone)
    clips = replace(clips, context_tau=torch.ones_like(clips.context_tau), dreamed=torch.ones_like(clips.dreamed))
    walked, _ = made._context_frames(clips)
    memory, scene = dynamics.remember(), dynamics.encode_scene(batch["scene"])
    assert torch.equal(walked[:, :LAST_FRAMES], clean[:, :LAST_FRAMES])
    assert not torch.equal(walked[:, LAST_FRAMES], clean[:, LAST_FRAMES])
    for number in range(1, clean.shape[1] - 1):
        pair = slice(number - 1, number + 1)
        levels = torch.tensor([[1.0, 0.0]]).expand(rows, -1)
        given = Conditioning(
            levels, torch.full_like(levels, FINEST), batch["action"][:, pair], clips.labelled[:, 0], scene
        )
        frames = torch.cat([walked[:, [number - 1]], clips.dream_noise[:, [number]]], 1)
        made_frame = dynamics.stream(frames, given, memory, keep=1).tokens
        if number >= LAST_FRAMES:
            torch.testing.assert_close(walked[:, [number]], made_frame, atol=1e-5, rtol=1e-4)
