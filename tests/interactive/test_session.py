"""A dream frame by frame, without sockets."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from dream_world import CONSOLE, open_world, write_world

from sensorium.artifacts import ArtifactError
from sensorium.config import ConfigurationError
from sensorium.interactive.session import Session, usual_doubt
from sensorium.models.dream import dream
from sensorium.randomness import stable_seed

SETTINGS = {"context": 5, "denoising_steps": 2, "seed": 3}
MOVES = np.random.default_rng(0).uniform(-1, 1, (12, 2)).astype(np.float32)


def frames(world, moves=MOVES, **changed) -> np.ndarray:
    session = Session(world, "toy-2", **{**SETTINGS, **changed})
    return np.stack([session.step(move).picture for move in moves])


def test_a_session_is_a_dream(world):
    begun = world.begin("toy-2", 5)
    actions = torch.cat([begun.actions, torch.from_numpy(MOVES)[None]], 1)
    tokens = dream(
        world.dynamics, begun.tokens, actions, len(MOVES), denoising_steps=2, seed=stable_seed(3, "dream")
    )  # fmt: skip
    assert np.array_equal(frames(world), world.show(tokens[0])[0])


def test_equal_seeds_and_actions_give_equal_dreams(world):
    assert np.array_equal(frames(world), frames(world))
    assert not np.array_equal(frames(world), frames(world, seed=4))


def test_an_action_shows_from_its_frame_on(world):
    other = MOVES.copy()
    other[6] *= -1
    differs = np.any(frames(world) != frames(world, other), axis=(1, 2, 3))
    assert not differs[:6].any()
    assert differs[6:].all()


@pytest.mark.parametrize("action", [CONSOLE, None])
def test_other_actions(tmp_path, monkeypatch, action):
    monkeypatch.chdir(write_world(tmp_path, action))
    world = open_world()
    moves = [None if action is None else np.array(k) for k in (0, 3, 17)]
    shown = frames(world, moves)
    assert shown.shape == (3, 16, 16, 3)
    if action:
        assert not np.array_equal(shown, frames(world, [np.array(4)] * 3))


def test_it_begins_with_what_was_recorded(world):
    beginning = Session(world, "toy-3", **SETTINGS).beginning
    assert np.array_equal(beginning.pictures, world.recordings.field("toy-3", "video")[:5])
    assert beginning.tokens.shape == (1, 5, 4, 3)


@pytest.mark.parametrize(("name", "context", "named"), [("joy", 5, "'joy'.*toy-2"), ("toy-2", 21, "has 20 frames")])
def test_a_beginning_that_there_is_none_of(world, name, context, named):
    with pytest.raises(ConfigurationError, match=named):
        Session(world, name, **{**SETTINGS, "context": context})


def test_doubt_is_what_the_round_trip_changes(world):
    """A tokenizer that can show no more than half of a token's range."""
    narrow = SimpleNamespace(
        decode=lambda tokens: torch.stack([(tokens.clamp(-0.5, 0.5) + 1) / 2] * 3, 1),
        encode=lambda images: 2 * images[:, 0] - 1,
    )
    world = replace(world, tokenizer=narrow)
    world.dynamics.deviation.fill_(0.5)
    tokens = torch.zeros(3, 4, 3)
    tokens[1], tokens[2, :2] = 0.9, -0.9
    _, doubts = world.show(tokens)
    assert doubts == pytest.approx([0, 0.8, 0.8 / np.sqrt(2)], abs=1e-5)


def test_the_measure_of_doubt_is_that_of_true_frames(world):
    usual = usual_doubt(world, 0)
    latent = torch.from_numpy(world.latents.field("toy-1", "latent").astype(np.float32))  # the one for validation
    assert usual == pytest.approx(np.median(world.show(latent)[1]), rel=0.2)
    assert usual == usual_doubt(world, 0)


def test_what_does_not_belong_together_is_refused(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(place / "results", "results")
    manifest = Path("results/tokenizers/video/manifest.json")
    manifest.write_text(manifest.read_text() + "\n")
    with pytest.raises(ArtifactError, match=r"not made from results/tokenizers/video/manifest\.json"):
        open_world()
    shutil.rmtree("results/data")
    with pytest.raises(ArtifactError, match="--data"):
        open_world()
    with pytest.raises(ArtifactError, match="not found; make it with"):
        open_world("--latents", "nowhere.json")
