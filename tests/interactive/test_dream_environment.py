"""A dream that is acted in, frame by frame, without sockets."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from dream_results import (
    BODY,
    CLIPS,
    CONSOLE,
    FEELING,
    PATCHES,
    SAMPLES,
    TOKENIZER,
    begin_dream,
    open_parts,
    write_results,
)

from sensorium.artifacts import ArtifactError
from sensorium.config import ConfigurationError
from sensorium.generation.dream import dream
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.observations import ObservationDecoder
from sensorium.interactive.environment import dream_environment, typical_round_trip_error
from sensorium.interactive.film import dream_on
from sensorium.models.streaming import Overlap
from sensorium.randomness import stable_seed
from sensorium.training import execution

SETTINGS = {"context": 5, "denoising_steps": 2, "seed": 3}
MOVES = np.random.default_rng(0).uniform(-1, 1, (12, 2)).astype(np.float32)


def frames(parts, moves=MOVES, **changed) -> np.ndarray:
    environment = begin_dream(parts, "toy-2", **{**SETTINGS, **changed})
    return np.stack([environment.step(move).frame for move in moves])


def test_a_compiled_dream_is_the_same(parts, monkeypatch):
    """As the compiler's front end takes it apart; what its back end makes of that is torch's to test."""
    plain, compiled = frames(parts), []

    def compile_(dynamics, options):
        assert options == {"cpp_wrapper": True}
        compiled.append(dynamics)
        torch.nn.Module.compile(dynamics, backend="eager")

    monkeypatch.setattr(Dynamics, "compile", compile_)
    monkeypatch.setattr(execution, "_can_compile", lambda *_: True)  # the front end needs no compiler of C++
    fast = open_parts("--compile")
    assert compiled == [fast.dynamics]
    assert np.abs(frames(fast) - plain).max() < 0.1
    open_parts()
    assert len(compiled) == 1


@pytest.mark.parametrize("config", [TOKENIZER, CLIPS], ids=lambda config: config.kind)
def test_acting_in_a_dream_gives_the_dream_under_these_actions(tmp_path, monkeypatch, config):
    """Step by step as all at once, in pictures and in sound, also with tokenizers that look back."""
    monkeypatch.chdir(write_results(tmp_path, heard=True, config=config))
    parts = open_parts()
    environment = begin_dream(parts, "toy-2", **SETTINGS)
    observations = [environment.step(move) for move in MOVES]
    begun = environment.beginning
    actions = torch.cat([begun.actions, torch.from_numpy(MOVES)[None]], 1)
    dreamed = dream(
        parts.dynamics, begun.tokens, actions, len(MOVES), denoising_steps=2, seed=stable_seed(3, "dream")
    )  # fmt: skip
    streams = parts.dynamics.split(torch.cat([begun.tokens, dreamed], 1)[0])
    with torch.no_grad():
        images = parts.tokenizer.decode(streams["video"])[5:].clamp(0, 1)
        whole = parts.hearing.decode(streams["audio"][None])[0, 5 * SAMPLES :]
    pictures = (255 * images.permute(0, 2, 3, 1)).numpy()
    assert np.abs(np.stack([observation.frame for observation in observations]) - pictures).max() <= 0.51
    sound = np.concatenate([observation.sound for observation in observations])
    assert sound.dtype == np.int16
    assert np.abs(sound - 32768 * whole.numpy()).max() <= 1
    assert np.abs(sound).max() > 100  # or silence would do
    decoder, tokens = parts.decoder(), torch.cat([begun.tokens, dreamed], 1)
    errors = decoder.step(decoder.remember(), tokens).round_trip_error[5:]
    assert np.allclose(errors, [observation.round_trip_error for observation in observations], rtol=1e-3)


def test_acting_in_a_dream_that_feels_gives_what_is_felt(tmp_path, monkeypatch):
    """From what was felt last, step by step as all at once, and in a film from its first true frame on."""
    monkeypatch.chdir(write_results(tmp_path, config=PATCHES, dynamics_config=FEELING))
    parts = open_parts()
    environment = begin_dream(parts, "toy-2", **SETTINGS)
    true = parts.recordings.field("toy-2", "body")[:5]
    assert np.allclose(environment.reset(0).body, true[-1], atol=1e-6)
    felt = np.stack([environment.step(move).body for move in MOVES])
    begun = environment.beginning
    actions = torch.cat([begun.actions, torch.from_numpy(MOVES)[None]], 1)
    whole = dream(parts.dynamics, begun.tokens, actions, len(MOVES), denoising_steps=2, seed=stable_seed(3, "dream"))
    tokens = parts.dynamics.split(whole)["body"][0]
    assert felt.shape == (len(MOVES), BODY)
    assert np.allclose(felt, tokens.flatten(1)[:, :BODY].numpy(), atol=1e-4)
    assert np.ptp(felt, axis=0).min() > 1e-3
    filmed = dream_on(parts, "toy-2", MOVES, len(MOVES), SETTINGS)[2]
    assert np.allclose(filmed, np.concatenate([true, felt]), atol=1e-4)


def test_dynamics_without_sound_are_silent(parts):
    environment = begin_dream(parts, "toy-2", **SETTINGS)
    assert environment.beginning.sound is None
    observation = environment.step(MOVES[0])
    assert len(observation.sound) == len(observation.body) == 0


def test_a_beginning_sounds_as_recorded(loud_parts):
    sound = begin_dream(loud_parts, "toy-2", **SETTINGS).beginning.sound
    assert np.array_equal(sound, loud_parts.recordings.field("toy-2", "audio")[: 5 * SAMPLES])


def test_another_sound_tokenizer_is_refused(loud_place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(loud_place / "results", "results")
    manifest = Path("results/tokenizers/audio/manifest.json")
    manifest.write_text(manifest.read_text() + "\n")
    with pytest.raises(ArtifactError, match=r"not made from results/tokenizers/audio/manifest\.json"):
        open_parts()
    manifest.unlink()
    with pytest.raises(ArtifactError, match=r"audio/manifest\.json: not there"):
        open_parts()


def test_stillness_reaches_the_dream_and_cannot_be_negative(parts, capsys):
    assert not np.array_equal(frames(parts, stillness=3.0), frames(parts))
    with pytest.raises(SystemExit):
        open_parts("--stillness", "-1")
    assert "argument --stillness: -1 is not 0 or more" in capsys.readouterr().err


def test_equal_seeds_and_actions_give_equal_dreams(parts):
    assert np.array_equal(frames(parts), frames(parts))
    assert not np.array_equal(frames(parts), frames(parts, seed=4))


def test_an_action_shows_from_its_frame_on(parts):
    other = MOVES.copy()
    other[6] *= -1
    differs = np.any(frames(parts) != frames(parts, other), axis=(1, 2, 3))
    assert not differs[:6].any()
    assert differs[6:].all()


@pytest.mark.parametrize("action", [CONSOLE, None])
def test_other_actions(tmp_path, monkeypatch, action):
    monkeypatch.chdir(write_results(tmp_path, action))
    parts = open_parts()
    moves = [None if action is None else np.array(k) for k in (0, 3, 17)]
    shown = frames(parts, moves)
    assert shown.shape == (3, 16, 16, 3)
    if action:
        assert not np.array_equal(shown, frames(parts, [np.array(4)] * 3))


def test_it_begins_with_what_was_recorded(parts):
    beginning = begin_dream(parts, "toy-3", **SETTINGS).beginning
    assert np.array_equal(beginning.pictures, parts.recordings.field("toy-3", "video")[:5])
    assert beginning.tokens.shape == (1, 5, 4, 3)


def test_an_episode_begins_with_a_true_frame_and_ends_after_its_frames(loud_parts):
    names = ["toy-2", "toy-3"]
    environment, episodes = dream_environment(loud_parts, names, **SETTINGS, frames=3), []
    for number in (0, 1, 2):
        seen, name = [environment.reset(number)], names[number % 2]
        assert np.array_equal(seen[0].frame, loud_parts.recordings.field(name, "video")[4])
        assert np.array_equal(seen[0].sound, loud_parts.recordings.field(name, "audio")[4 * SAMPLES : 5 * SAMPLES])
        seen += [environment.step(move) for move in MOVES[:3]]
        assert [observation.done for observation in seen] == [False, False, False, True]
        episodes.append([observation.frame for observation in seen])
    assert np.array_equal(episodes[0], episodes[2])  # both begin with the first recording
    assert not np.array_equal(episodes[0], episodes[1])


@pytest.mark.parametrize(("name", "context", "named"), [("joy", 5, "'joy'.*toy-2"), ("toy-2", 21, "has 20 frames")])
def test_a_beginning_that_there_is_none_of(parts, name, context, named):
    with pytest.raises(ConfigurationError, match=named):
        begin_dream(parts, name, **{**SETTINGS, "context": context})


def test_the_round_trip_error_is_what_decoding_and_encoding_change():
    """A tokenizer that can show no more than half of a token's range."""
    narrow = SimpleNamespace(
        decoding=Overlap(lambda tokens: torch.stack([(tokens.clamp(-0.5, 0.5) + 1) / 2] * 3, 2), 0),
        encoding=Overlap(lambda images: 2 * images[:, :, 0] - 1, 0),
    )
    tokens = torch.zeros(1, 3, 4, 3)
    tokens[:, 1], tokens[:, 2, :2] = 0.9, -0.9
    decoder = ObservationDecoder(narrow, torch.full((4, 3), 0.5), None)
    errors = decoder.step(decoder.remember(), tokens).round_trip_error
    assert errors == pytest.approx([0, 0.8, 0.8 / np.sqrt(2)], abs=1e-5)


def test_the_typical_round_trip_error_is_that_of_true_frames(parts):
    typical, decoder = typical_round_trip_error(parts, 0), parts.decoder()
    tokens = parts.begin("toy-1", 16).tokens  # the one for validation
    assert typical == pytest.approx(np.median(decoder.step(decoder.remember(), tokens).round_trip_error))
    assert typical == typical_round_trip_error(parts, 0)


def test_what_does_not_belong_together_is_refused(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(place / "results", "results")
    manifest = Path("results/tokenizers/video/manifest.json")
    manifest.write_text(manifest.read_text() + "\n")
    with pytest.raises(ArtifactError, match=r"not made from results/tokenizers/video/manifest\.json"):
        open_parts()
    shutil.rmtree("results/data")
    with pytest.raises(ArtifactError, match="--data"):
        open_parts()
    with pytest.raises(ArtifactError, match=r"not found; make it with|not there, and this needs it; make it with"):
        open_parts("--latents", "nowhere.json")
