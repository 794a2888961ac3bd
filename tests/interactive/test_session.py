"""A dream frame by frame, without sockets."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from dream_world import CLIPS, CONSOLE, SAMPLES, TOKENIZER, open_world, write_world

from sensorium.artifacts import ArtifactError
from sensorium.config import ConfigurationError
from sensorium.interactive.senses import Senses
from sensorium.interactive.session import Session, usual_doubt
from sensorium.models.dream import dream
from sensorium.models.dynamics import Dynamics
from sensorium.randomness import stable_seed
from sensorium.training import execution

SETTINGS = {"context": 5, "denoising_steps": 2, "seed": 3}
MOVES = np.random.default_rng(0).uniform(-1, 1, (12, 2)).astype(np.float32)


def frames(world, moves=MOVES, **changed) -> np.ndarray:
    session = Session(world, "toy-2", **{**SETTINGS, **changed})
    return np.stack([session.step(move).picture for move in moves])


def test_a_compiled_dream_is_the_same(world, monkeypatch):
    """As the compiler's front end takes it apart; what its back end makes of that is torch's to test."""
    plain, compiled = frames(world), []

    def compile_(dynamics, options):
        assert options == {"cpp_wrapper": True}
        compiled.append(dynamics)
        torch.nn.Module.compile(dynamics, backend="eager")

    monkeypatch.setattr(Dynamics, "compile", compile_)
    monkeypatch.setattr(execution, "_can_compile", lambda *_: True)  # the front end needs no compiler of C++
    fast = open_world("--compile")
    assert compiled == [fast.dynamics]
    assert np.abs(frames(fast) - plain).max() < 0.1
    open_world()
    assert len(compiled) == 1


@pytest.mark.parametrize("config", [TOKENIZER, CLIPS], ids=lambda config: config.kind)
def test_a_session_is_a_dream(tmp_path, monkeypatch, config):
    """Frame by frame as all at once, also through tokenizers that look back; to be seen and to be heard."""
    monkeypatch.chdir(write_world(tmp_path, heard=True, config=config))
    world = open_world()
    session = Session(world, "toy-2", **SETTINGS)
    moments = [session.step(move) for move in MOVES]
    begun = session.beginning
    actions = torch.cat([begun.actions, torch.from_numpy(MOVES)[None]], 1)
    dreamed = dream(
        world.dynamics, begun.tokens, actions, len(MOVES), denoising_steps=2, seed=stable_seed(3, "dream")
    )  # fmt: skip
    streams = world.dynamics.split(torch.cat([begun.tokens, dreamed], 1)[0])
    with torch.no_grad():
        images = world.tokenizer.decode(streams["video"])[5:].clamp(0, 1)
        whole = world.hearing.decode(streams["audio"][None])[0, 5 * SAMPLES :]
    pictures = (255 * images.permute(0, 2, 3, 1)).numpy()
    assert np.abs(np.stack([moment.picture for moment in moments]) - pictures).max() <= 0.51
    sound = np.concatenate([moment.sound for moment in moments])
    assert sound.dtype == np.int16
    assert np.abs(sound - 32768 * whole.numpy()).max() <= 1
    assert np.abs(sound).max() > 100  # or silence would do
    shown = world.senses().show(streams)
    assert np.allclose(shown.doubts[5:], [moment.doubt for moment in moments], rtol=1e-3)


def test_dynamics_without_sound_are_silent(world):
    session = Session(world, "toy-2", **SETTINGS)
    assert session.beginning.sound is None
    assert session.step(MOVES[0]).sound is None


def test_a_beginning_sounds_as_recorded(loud_world):
    sound = Session(loud_world, "toy-2", **SETTINGS).beginning.sound
    assert np.array_equal(sound, loud_world.recordings.field("toy-2", "audio")[: 5 * SAMPLES])


def test_another_sound_tokenizer_is_refused(loud_place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(loud_place / "results", "results")
    manifest = Path("results/tokenizers/audio/manifest.json")
    manifest.write_text(manifest.read_text() + "\n")
    with pytest.raises(ArtifactError, match=r"not made from results/tokenizers/audio/manifest\.json"):
        open_world()
    manifest.unlink()
    with pytest.raises(ArtifactError, match=r"audio/manifest\.json: not there"):
        open_world()


def test_stillness_reaches_the_dream_and_cannot_be_negative(world, capsys):
    assert not np.array_equal(frames(world, stillness=3.0), frames(world))
    with pytest.raises(SystemExit):
        open_world("--stillness", "-1")
    assert "argument --stillness: -1 is not 0 or more" in capsys.readouterr().err


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


def test_doubt_is_what_the_round_trip_changes():
    """A tokenizer that can show no more than half of a token's range."""
    narrow = SimpleNamespace(
        decode=lambda tokens, memory: torch.stack([(tokens.clamp(-0.5, 0.5) + 1) / 2] * 3, 1),
        encode=lambda images, memory: 2 * images[:, 0] - 1,
        remember=list,
    )
    tokens = torch.zeros(3, 4, 3)
    tokens[1], tokens[2, :2] = 0.9, -0.9
    doubts = Senses(narrow, torch.full((4, 3), 0.5), None).show({"video": tokens}).doubts
    assert doubts == pytest.approx([0, 0.8, 0.8 / np.sqrt(2)], abs=1e-5)


def test_the_measure_of_doubt_is_that_of_true_frames(world):
    usual = usual_doubt(world, 0)
    tokens = world.begin("toy-1", 16).tokens[0]  # the one for validation
    assert usual == pytest.approx(np.median(world.senses().show({"video": tokens}).doubts))
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
