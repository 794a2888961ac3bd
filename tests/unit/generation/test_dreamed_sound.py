"""Dreamed sound: what knows the truth passes, what hisses fails, and untrained networks fail by their command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_generation import DYNAMICS, TOKENIZER
from toy_world import DETAILS, ENCODER_SHAPES, SAMPLES, ToyWorld, write_model, write_recordings

from sensorium.config import LatentsConfig, canonical_json
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.scores import correlation
from sensorium.evaluation.statistics import baseline_values
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.dream_config import DreamedSoundConfig
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.evaluation import dreamed_sound
from sensorium.generation.evaluation.dreamed_sound import agreement_metric, auc_metrics, forecast_metric, moments
from sensorium.generation.evaluation.listening import Heard
from sensorium.generation.tokenizer_config import AudioTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer

SECTION = DreamedSoundConfig(windows=40, context=4, horizon=10, dreams=3, denoising_steps=1)
SOUND = AudioTokenizerConfig(width=16, layers=1)
TEST = Sample(np.repeat([f"test-{number:02d}" for number in range(20)], 2), np.zeros(40, np.int64))
FLOORS = {"frozen film", "hiss", "context repeated", "base rate", "untrained"}
RIDGES = {"ridge from the context", "ridge from the dreamed films"}


@pytest.fixture(scope="module")
def inputs(world: ToyWorld, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Manifests of the toy world's recordings, and of networks with fresh weights."""
    folder = tmp_path_factory.mktemp("dreams")
    torch.manual_seed(0)
    video, audio = VideoTokenizer(TOKENIZER, ENCODER_SHAPES), AudioTokenizer(SOUND, {"samples_per_frame": SAMPLES})
    tokenizers = {
        "tokenizer": write_model(folder / "v", video, "tokenizer_video", TOKENIZER, ENCODER_SHAPES, data=world.data),
        "sound-tokenizer": write_model(
            folder / "a", audio, "tokenizer_audio", SOUND, {"samples_per_frame": SAMPLES}, data=world.data
        ),
    }
    rng = np.random.default_rng(0)
    stored = {}
    for stream, tokenizer in zip(("latents", "sound"), tokenizers.values(), strict=True):
        films = {
            name: {"latent": rng.standard_normal((len(parts["action"]), 4, 16)).astype(np.float16)}
            for name, parts in world.recordings.items()
        }
        stored[stream] = write_recordings(folder / stream, films, LatentsConfig(), data=world.data, tokenizer=tokenizer)
    shapes = {"video": 4, "grid": True, "audio": 4, "channels": 16, "action": DETAILS["action"]}
    made = {**stored, "tokenizer": tokenizers["tokenizer"]}
    dynamics = write_model(folder / "d", Dynamics(DYNAMICS, shapes), "dynamics", DYNAMICS, shapes, **made)
    return {"data": world.data, **tokenizers, **stored, "dynamics": dynamics}


def evaluate(inputs: dict[str, Path], folder: Path, *more: str) -> dict[str, Any]:
    argv = ["--config", canonical_json(SECTION), "--device", "cpu", "--threads", "1"]
    for option, manifest in inputs.items():
        argv += [f"--{option}", str(manifest)]
    argv += ["--output", str(folder / "r.json"), "--figure", str(folder / "f.png"), "--wav", str(folder / "s.wav")]
    dreamed_sound.main([*argv, *more])
    return json.loads((folder / "r.json").read_text())


@pytest.mark.parametrize("control", [(), ("--untrained-seed", "101"), ("--poison", "frozen"), ("--poison", "mean")])
def test_networks_that_learned_nothing_fail(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, control: tuple[str, ...]
) -> None:
    """Every metric, and every floor is in its list; no recording that judges was fitted on, or it would be refused."""
    monkeypatch.setattr(dreamed_sound, "EXAMPLES", 108)
    metrics = evaluate(inputs, tmp_path, *control)["metrics"]
    aucs = {"onset_auc_4", "onset_auc_8", "onset_auc_16"}
    assert set(metrics) == {*aucs, "onset_rate", "loudness_spread", "agreement"}
    assert [name for name, record in metrics.items() if record["passed"]] == []
    assert all(record["fitted_on"] == 36 for record in metrics.values())
    for name in aucs:
        assert set(baseline_values(metrics[name])) == FLOORS | RIDGES
        assert baseline_values(metrics[name])["frozen film"] == 0.5
        assert set(metrics[name]["ceilings"]) == {"true film", "tokenizer"}
    for name in ("onset_rate", "loudness_spread"):
        expected = FLOORS - {"base rate"} | {"ridge from the context", "training windows"}
        assert set(baseline_values(metrics[name])) == expected
    shuffled = FLOORS - {"base rate"} | {"sounds of other dreams"}
    assert set(baseline_values(metrics["agreement"])) == shuffled
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "s.wav").read_bytes().startswith(b"RIFF")


def test_dreams_that_know_when_pass_and_others_fail() -> None:
    """By the area in each range of frames; ranges that dreams do not reach are left out."""
    rng = np.random.default_rng(0)
    cases = rng.random((40, 8)) < 0.3
    for known, passed in ((1.0, True), (0.0, False)):
        scores = {"dreams": known * cases + rng.random(cases.shape), "frozen film": np.zeros(cases.shape)}
        metrics = auc_metrics(scores, {"truth": cases.astype(float)}, cases, TEST, ["other"], 0)
        assert set(metrics) == {"onset_auc_4", "onset_auc_8"}
        assert all(record["passed"] == passed and record["ceiling"] == 1 for record in metrics.values())


def test_forecasts_are_scored_as_ensembles() -> None:
    """One that varies about the truth is better than the same one every time, and than a single wrong number."""
    rng = np.random.default_rng(0)
    wanted = rng.standard_normal(40)
    record = forecast_metric(
        "onset_rate",
        {"dreams": wanted + 0.5 * rng.standard_normal((8, 40)), "climate": rng.standard_normal((50, 40)),
         "one": np.zeros((1, 40))},
        wanted, TEST, ["other"], 0,
    )  # fmt: skip
    assert record["passed"]
    assert baseline_values(record)["one"] == pytest.approx(np.abs(wanted).mean())
    assert baseline_values(record)["climate"] < baseline_values(record)["one"]


def test_sound_and_film_agree_within_a_dream() -> None:
    """What sounds as its film moves passes; what sounds as other films, or only louder in loud rooms, does not."""
    rng = np.random.default_rng(0)
    seen = rng.random((3, 40, 12))
    room = rng.random((1, 40, 1)) * 20
    noise = Heard(rng.random((3, 40, 12)), np.zeros((3, 40, 12)))
    views = {"dreams": seen + room, "untrained": seen[:1], "truth": seen[:1]}
    for sound, passed in ((seen + room + 0.5 * rng.random(seen.shape), True), (rng.random(seen.shape) + room, False)):
        heard = {"dreams": Heard(sound, 0 * sound), "hiss": noise, "context repeated": noise, "untrained": noise}
        record = agreement_metric(
            views, heard, Heard(seen[:1], 0 * seen[:1]), TEST, ["other"], np.random.default_rng(1), 0
        )
        assert record["passed"] == passed
        assert abs(baseline_values(record)["sounds of other dreams"]) < 0.12
        assert record["ceiling"] == pytest.approx(1)
    assert moments(seen, seen[:1]).shape == (40, 6)


def test_what_every_dream_does_in_a_frame_is_no_agreement() -> None:
    """Such as a change where the dream begins."""
    rng, start = np.random.default_rng(0), 5.0 * (np.arange(12) == 0)
    samples = moments(rng.random((3, 40, 12)) + start, rng.random((3, 40, 12)) + start)
    assert abs(correlation(samples, np.ones(40))) < 0.1


def test_rate_and_spread_of_known_sounds() -> None:
    """Onsets a second, and the standard deviation of the level."""
    strength, loudness = np.zeros((2, 5, 8)), np.zeros((2, 5, 8))
    strength[:, :, ::4], loudness[:, :, ::2] = 5.0, -20.0
    heard = Heard(strength, loudness)
    assert heard.rate(16) == pytest.approx(np.full((2, 5), 4.0))
    assert heard.spread == pytest.approx(np.full((2, 5), 10.0))
