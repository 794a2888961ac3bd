"""The evaluation of the sound tokenizer passes a trained one and fails fresh ones, by the command a user gives."""

from __future__ import annotations

import json
import math
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_world import DETAILS, FRAMES, RATE, RECORDINGS, SAMPLES, SIZE, SPLITS, fit, write_model, write_recordings

from sensorium.artifacts import ArtifactError
from sensorium.config import PlayroomConfig, canonical_json
from sensorium.data.recording import RecordingSet
from sensorium.data.sample_formats import LARGEST_SAMPLE
from sensorium.data.windows import Windows
from sensorium.evaluation.baselines.opus import available
from sensorium.evaluation.statistics import baseline_values
from sensorium.generation import train_tokenizer
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.audio_tokenizer_learner import SoundLearner
from sensorium.generation.config import SoundReconstructionConfig
from sensorium.generation.evaluation import sound_reconstruction
from sensorium.generation.tokenizer_config import AudioTokenizerConfig
from sensorium.randomness import Draw

TOKENIZER = AudioTokenizerConfig(width=32, channels=8, layers=2)
SHAPES = {"samples_per_frame": SAMPLES}
EVALUATION = SoundReconstructionConfig(windows=80, frames=8)


def sound(number: int) -> np.ndarray:
    """Struck tones with some noise, int16 [FRAMES * SAMPLES]."""
    rng = np.random.default_rng(number)
    waves = 1e-3 * rng.standard_normal(FRAMES * SAMPLES)
    for onset in rng.integers(0, len(waves), 12):
        time = np.arange(len(waves) - onset) / RATE
        waves[onset:] += rng.uniform(0.03, 0.1) * np.exp(-20 * time) * np.sin(2 * np.pi * rng.uniform(200, 600) * time)
    return np.round(LARGEST_SAMPLE * waves.clip(-1, 1)).astype(np.int16)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Manifests of recordings and of a tokenizer that was trained on them."""
    folder = tmp_path_factory.mktemp("sounds")
    recordings = {f"toy-{number:03d}": {"audio": sound(number)} for number in range(RECORDINGS)}
    data = write_recordings(folder / "data", recordings, PlayroomConfig(recordings=RECORDINGS, size=SIZE))
    torch.manual_seed(0)
    learner = SoundLearner(AudioTokenizer(TOKENIZER, SHAPES), TOKENIZER.wave_weight, RATE)
    windows, rng = Windows(RecordingSet.open(data), "training", ("audio",), 4), np.random.default_rng(0)

    def loss(step: int) -> torch.Tensor:
        batch = windows.batch(rng.integers(0, len(windows), 16))
        return learner(batch, Draw(0, step, 0, 16, 16, torch.device("cpu")))[0]

    fit([learner], 160, loss, lr=1e-2)
    return data, write_model(folder / "tokenizer", learner.model, "tokenizer_audio", TOKENIZER, SHAPES)


@pytest.fixture(scope="module")
def banded(inputs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same recordings, and a tokenizer of fixed bands."""
    folder, config = tmp_path_factory.mktemp("bands"), canonical_json(AudioTokenizerConfig(kind="bands"))
    arguments = ["--config", config, "--data", str(inputs[0]), "--output", str(folder), "--device", "cpu"]
    train_tokenizer.main(["audio", *arguments])
    return inputs[0], folder / "manifest.json"


def evaluate(inputs: tuple[Path, Path], folder: Path, *more: str) -> dict[str, Any]:
    words = ["--config", canonical_json(EVALUATION), "--data", str(inputs[0]), "--tokenizer", str(inputs[1])]
    words += ["--output", str(folder / "r.json"), "--figure", str(folder / "f.png"), "--sound", str(folder / "s.wav")]
    sound_reconstruction.main([*words, "--device", "cpu", *more])
    return json.loads((folder / "r.json").read_text())


def test_trained_beats_untrained_and_untrained_fails(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    """The same command, with trained weights and with fresh ones of other seeds than those of the floors.

    A toy's training is too short to reach codes of as many bits.
    """
    trained = evaluate(inputs, tmp_path)["metrics"]
    assert set(trained) == {"snr", "log_spectral_distance"}
    for record in trained.values():
        assert record["low"] <= record["value"] <= record["high"]
        sign, floors = 1 if record["higher_is_better"] else -1, baseline_values(record)
        weak = [value for name, value in floors.items() if name.startswith(("silence", "untrained"))]
        assert all(sign * value < sign * record["value"] < sign * record["ceiling"] for value in weak)
    assert baseline_values(trained["snr"])["silence"] == 0
    assert "mean spectrum" in baseline_values(trained["log_spectral_distance"])
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    for seed in ("101", "102"):
        untrained = evaluate(inputs, tmp_path, "--untrained-seed", seed)["metrics"]
        assert [metric for metric, record in untrained.items() if record["passed"]] == []


def test_codes_of_as_many_bits_are_floors(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    """4 tokens of 8 numbers of 16 bits; what is fitted is fitted on training recordings."""
    result = evaluate(inputs, tmp_path)
    assert result["bits_a_frame"] == 512
    for record in result["metrics"].values():
        names = set(baseline_values(record))
        assert names > {"19 largest cosines", "12 largest cosines, noise in 24 bands", "32 principal components"}
        assert any(name.startswith("Opus") for name in names) == available(RATE, 512 * 16)
        assert record["fitted_on"] == 36
        assert not record["references"]


def test_bands_are_judged_with_their_voices_at_measured_bits(
    banded: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both tiers beat codes of as many bits; the tokens alone are a reference; codes of other windows fail.

    Principal components are not rounded, and few tones are enough for them to be a toy's best code.
    """
    monkeypatch.setattr(sound_reconstruction, "EXAMPLES", 400)
    result = evaluate(banded, tmp_path)
    assert result["bits_a_frame"] == math.ceil(sum(result["bits"].values()))
    assert 100 < result["bits_a_frame"] < 400
    assert min(result["onset_f1"].values()) > 0.9
    for record in result["metrics"].values():
        sign, floors = 1 if record["higher_is_better"] else -1, baseline_values(record)
        rounded = {name: value for name, value in floors.items() if "principal" not in name}
        assert all(sign * value < sign * record["value"] for value in rounded.values())
        assert any("cosines" in name for name in rounded)
        assert not [name for name in floors if name.startswith("untrained")]
        assert list(record["references"]) == ["tokens alone"]
    snr = result["metrics"]["snr"]
    assert snr["value"] > 10 > 3 > snr["references"]["tokens alone"]
    others = evaluate(banded, tmp_path, "--untrained-seed", "101")["metrics"]
    assert [metric for metric, record in others.items() if record["passed"]] == []


def test_sounds_before_and_after_can_be_played(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    """Each true sound, a pause, the other, a pause."""
    evaluate(inputs, tmp_path)
    with wave.open(str(tmp_path / "s.wav")) as file:
        assert file.getframerate() == RATE
        played = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(8, 8 * SAMPLES + 2400)
    assert not played[:, 8 * SAMPLES :].any()
    before, after = played[::2, : 8 * SAMPLES].astype(float), played[1::2, : 8 * SAMPLES].astype(float)
    assert (np.abs(before).max(1) > 900).all()
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.3


def test_recordings_without_sound_are_refused(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    """By name, with the way out."""
    films = {f"toy-{n:03d}": {"body": np.zeros((FRAMES, DETAILS["body"]), np.float32)} for n in range(len(SPLITS))}
    silent = write_recordings(tmp_path / "data", films, PlayroomConfig(recordings=RECORDINGS, size=SIZE))
    with pytest.raises(ArtifactError, match="no 'audio'; leave this evaluation out"):
        evaluate((silent, inputs[1]), tmp_path)


def test_scores_of_known_sounds() -> None:
    """Half the amplitude leaves a quarter of the energy as error; a turned phase is no better than twice silence."""
    time = np.arange(8000) / 16000
    tone, turned = (0.3 * f(2 * np.pi * 500 * time)[None].astype(np.float32) for f in (np.sin, np.cos))
    expected = {6.02: tone / 2, 0.0: 0 * tone, -3.01: turned}
    for decibels, other in expected.items():
        found = sound_reconstruction.ratio(sound_reconstruction.energies(tone, other), np.ones(1))
        assert found == pytest.approx(decibels, abs=0.01)
    spectra = np.zeros((2, 64, 5))
    assert sound_reconstruction.spectral_distance(spectra, spectra - 6) == pytest.approx([6, 6])
