"""The codec with a critic: one section turns it on, what was stopped goes on with the same bits, it is exported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from toy_music import codec_with_critic, tiny_codec, write_songs

from sensorium.config import canonical_json
from sensorium.models.load import load
from sensorium.music.codec import MusicCodec
from sensorium.music.codec_config import CodecCriticConfig
from sensorium.music.codec_learner import CodecLearner
from sensorium.music.train_codec import main
from sensorium.randomness import Draw
from sensorium.settings import Config
from sensorium.training.adversarial import hear
from sensorium.training.health import UnhealthyError, Verdict
from sensorium.training.interrupt import Interrupt, StoppedEarly

STEPS = 6
# Rounding changes these by 1.4e-4 in six steps. Left out are shares of scores, which jump, and squared norms of the
# gradients of quiet spectra, which rounding changes by a tenth.
SAME = [f"train/{name}" for name in ("loss", "adversarial", "feature_matching", "critic_loss")]
SAME += ["train/critic_gradient_norm", "train/critic_learning_rate"]


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few songs; their manifest."""
    torch.set_num_threads(1)
    return write_songs(tmp_path_factory.mktemp("songs") / "songs")


def arguments(songs: Path, output: Path, batch: int = 2, kind: str = "fsq", **critic: Any) -> list[str]:
    """The command's."""
    section = tiny_codec(kind).model_dump(mode="json") | {
        "critic": {"channels": 4, "ffts": [256, 64], "penalty": 0.1, "penalty_every": 3, "start": 1, "ramp": 2},
        "training": {
            "steps": STEPS,
            "batch": batch,
            "warmup": 0,
            "ema": 0.5,
            "critic": {"lr": 3e-3, "start": 1, **critic},
        },
    }
    argv = ["--config", json.dumps(section), "--songs", str(songs), "--output", str(output)]
    return [*argv, "--device", "cpu", "--threads", "1", "--workers", "0"]


def train(songs: Path, output: Path, **critic: Any) -> dict[str, Any]:
    """Train by the command; the manifest."""
    main(arguments(songs, output, **critic))
    return dict(json.loads((output / "manifest.json").read_text()))


def state(output: Path) -> bytes:
    """Tensors of the last checkpoint."""
    (path,) = output.glob(f"runs/*/checkpoints/step-{STEPS:08d}/tensors.safetensors")
    return path.read_bytes()


def test_a_codec_with_its_critic_that_was_stopped_goes_on_with_the_same_bits(
    songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Verdict, "check", lambda verdict: None)
    manifest = train(songs, tmp_path / "straight")
    assert {name: file["path"] for name, file in manifest["files"].items()} == {
        "model": "model.safetensors",
        "critic": "critic.safetensors",
    }
    assert {"health/critic_accuracy", "health/critic_error", "val/critic_real"} <= manifest["details"]["metrics"].keys()
    for further, done in ((0, 1), (0, 2), (1, 4)):  # before the critic's first step, and after it
        calls = iter([None] * further)
        with monkeypatch.context() as patch:
            patch.setattr(Interrupt, "reason", lambda *_, calls=calls: next(calls, "a signal"))
            with pytest.raises(StoppedEarly, match=f"after step {done} of {STEPS}"):
                train(songs, tmp_path / "stopped")
    train(songs, tmp_path / "stopped")
    for name in ("model.safetensors", "critic.safetensors", "manifest.json"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
    assert state(tmp_path / "stopped") == state(tmp_path / "straight")
    assert load(MusicCodec, tmp_path / "straight/manifest.json")(torch.zeros(1, 640))[0].isfinite().all()
    critic = load_file(tmp_path / "straight/critic.safetensors")
    assert {name.split(".")[0] for name in critic} == {"critic"}


def test_a_codec_whose_critic_sleeps_is_not_exported(songs: Path, tmp_path: Path) -> None:
    with pytest.raises(UnhealthyError, match=r"gate critic_(accuracy|error): "):
        train(songs, tmp_path / "asleep", lr=1e-9)
    assert not (tmp_path / "asleep/model.safetensors").exists()


def test_gradients_of_the_critic_have_their_share() -> None:
    """At the output, whatever the scale of the critic's scores."""
    torch.manual_seed(0)
    sizes = []
    for scale in (1.0, 100.0):
        learner, batch = codec_with_critic()
        assert isinstance(learner, CodecLearner)
        with torch.no_grad():
            for part in learner.critic.parts:
                part.head.weight *= scale
        learner.train()
        draw = Draw(0, 9, 0, 6, 6, torch.device("cpu"))
        for _ in range(3):
            learner.observe(learner(batch, draw)[1])
        sizes.append(learner.critic_balance.weights() * learner.critic_balance.squares.sqrt())
    torch.testing.assert_close(sizes[0], torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(sizes[0], sizes[1])


def test_both_learn_from_one_backward_pass() -> None:
    """The codec's gradient has the critic's part in it, and the critic's has none of the codec's losses."""
    gradients = []
    for listens in (True, False):
        torch.manual_seed(0)
        learner, batch = codec_with_critic()
        assert isinstance(learner, CodecLearner)
        assert learner.rivalry is not None
        learner.rivalry = learner.rivalry.model_copy(update={"start": 0 if listens else 100})
        learner.train()
        learner(batch, Draw(0, 0, 0, 6, 6, torch.device("cpu")))[0].backward()
        parts = learner.codec.network.read.weight, learner.critic.parts[0].head.weight
        gradients.append([part.grad for part in parts])
    (codec, critic), (alone, same) = gradients
    assert not torch.allclose(codec, alone, rtol=1e-3)
    assert torch.equal(critic, same)
    assert critic.isfinite().all()
    assert critic.count_nonzero()


def test_it_is_off_unless_its_section_is_there() -> None:
    settings = Config()
    assert settings.music.codec.critic is None
    learner = CodecLearner(MusicCodec(settings.music.codec, {"rate": 24_000}), settings.music.codec)
    assert not learner.rivals
    assert not [name for name, _ in learner.named_modules() if "critic" in name]
    with_critic = settings.music.codec.model_copy(update={"critic": CodecCriticConfig()})
    assert canonical_json(with_critic) != canonical_json(settings.music.codec)
    with pytest.raises(ValueError, match="weight and matching are both 0"):
        CodecCriticConfig(weight=0, matching=0)


def test_the_critic_hears_the_quantised_sound() -> None:
    learner, batch = codec_with_critic()
    assert isinstance(learner, CodecLearner)
    with torch.no_grad():
        names = [gate.name for gate in learner.eval().gates(batch)]
    assert {"snr_db", "critic_accuracy", "critic_error", "code_usage"} == set(names)
    sounds = 0.1 * torch.randn(2, 4000)
    heard = hear(learner.critic, sounds, learner.codec(sounds)[0], "least_squares")
    assert heard.loss.shape == (2,)


def records(output: Path) -> list[dict[str, float]]:
    """What was recorded of each step, but for what depends on the clock."""
    (path,) = output.glob("runs/*/metrics.jsonl")
    lines = map(json.loads, path.read_text().splitlines())
    return [{name: value for name, value in line.items() if name.startswith("train/")} for line in lines]


def test_several_ranks_train_the_same_critic(songs: Path, tmp_path: Path) -> None:
    """Six rows by one, two and four processes: unequal shares. Latents are not rounded, which is no smooth function."""
    program, found = Path(sys.executable).with_name("sensorium"), {}
    for ranks in (1, 2, 4):
        words = ["--ranks", str(ranks), "train-codec", *arguments(songs, tmp_path / str(ranks), 6, "none")]
        result = subprocess.run([program, *words], capture_output=True, text=True, timeout=300, check=False)
        assert result.returncode in (0, 70), result.stderr[-3000:]  # a gate may refuse the export after so few steps
        found[ranks] = records(tmp_path / str(ranks))
    assert len(found[1]) == STEPS
    for ranks in (2, 4):
        for step, alone in zip(found[ranks], found[1], strict=True):
            for name in SAME:
                assert step[name] == pytest.approx(alone[name], rel=1e-3), name
