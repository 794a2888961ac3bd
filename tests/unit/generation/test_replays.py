"""A video with sound and keys goes from its file to a step of the dynamics: collect, index, tokenize, encode, train."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_films import film, tone

from sensorium.config import LatentsConfig, canonical_json
from sensorium.data import collect, index
from sensorium.data.recording import RecordingSet
from sensorium.data.windows import StepBatches, Windows, join
from sensorium.generation import encode_latents, train_tokenizer
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.dynamics_learner import DynamicsLearner
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.models.load import load
from sensorium.randomness import Draw

FPS, SIZE = 20, 16
CHANNELS = 12
TOKENIZERS = {
    "video": {"kind": "patches", "channels": CHANNELS},
    "audio": {"kind": "bands", "channels": CHANNELS, "tokens": 8, "bands": 48},
}
TINY = DynamicsConfig(dim=32, layers=2, heads=2, key_heads=1, window=8, frames=4, long_frames=8)


def blocks(number: int) -> np.ndarray:
    """A picture uint8 [192, 256, 3] of coloured blocks, others after each five pictures."""
    colours = np.random.default_rng(number // 5).integers(256, size=(6, 8, 3), dtype=np.uint8)
    return np.kron(colours, np.ones((32, 32, 1), np.uint8))


def melody() -> np.ndarray:
    """Six seconds of tones of a tenth of a second, of other pitch and loudness each."""
    random = np.random.default_rng(0)
    return np.concatenate([tone(0.1, hz=random.uniform(100, 6000), level=random.uniform(0, 0.9)) for _ in range(60)])


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the results of a film of 256 x 192 pixels and 6 seconds."""
    where = tmp_path_factory.mktemp("replay")
    (where / "films").mkdir()
    film(where / "films/a.mp4", 6, fps=30, picture=blocks, sound=melody())
    rows = [f"{k / 60:.4f},{k // 30 % 2},{k // 20 % 2}" for k in range(360)]
    (where / "films/a.csv").write_text("\n".join(["time,left,jump", *rows]))
    section = {"source": "video", "path": str(where / "films"), "recordings": 1, "size": SIZE, "frames": 40}
    section |= {"frames_per_second": FPS, "hours": 0.02, "split_by": "time", "gap": 0.2}
    section |= {"validation_fraction": 0.2, "test_fraction": 0.2, "signals": {"keys": ["left", "jump"]}}
    shard, manifest = where / "data/shard-0000.safetensors", where / "data/manifest.json"
    collect.main(["--config", json.dumps(section), "--shard", "0", "--output", str(shard)])
    lists = ["--shards", str(shard.with_suffix(".json"))]
    index.main(["--config", json.dumps(section), *lists, "--output", str(manifest)])
    latents = canonical_json(LatentsConfig())
    for stream, tokenizer in TOKENIZERS.items():
        made, encoded = where / f"tokenizers/{stream}", where / f"latents/{stream}/shard-0000.safetensors"
        given = ["--data", str(manifest), "--device", "cpu", "--threads", "1"]
        train_tokenizer.main([stream, "--config", json.dumps(tokenizer), *given, "--output", str(made)])
        given += ["--tokenizer", str(made / "manifest.json"), "--shard", "0", "--output", str(encoded)]
        encode_latents.main([stream, "--config", latents, *given])
        lists = ["--shards", str(encoded.with_suffix(".json")), "--like", str(manifest)]
        index.main(["--config", latents, *lists, "--output", str(encoded.parent / "manifest.json")])
    return where


def test_the_latents_keep_the_lengths_and_the_keys(replay: Path) -> None:
    data, latents = (RecordingSet.open(replay / f"{name}/manifest.json") for name in ("data", "latents/video"))
    assert latents.details["action"] == {"kind": "continuous", "size": 2}
    assert len({data.frames(name) for name in data.names("training")}) > 1, "recordings of different lengths"
    for split in ("training", "validation", "test"):
        assert data.names(split) == latents.names(split)
        for name in data.names(split):
            assert len(latents.field(name, "latent")) == data.frames(name)
            np.testing.assert_array_equal(latents.field(name, "action"), data.field(name, "action"))


def test_a_step_learns_from_pictures_sound_and_keys(replay: Path) -> None:
    latents = RecordingSet.open(replay / "latents/video/manifest.json")
    windows = Windows(latents, "training", ("latent", "action"), TINY.long_frames, scene="latent")
    batches = StepBatches(join(windows, replay / "latents/audio/manifest.json"), seed=0, batch=4)
    tokenizer = load(VideoTokenizer, replay / "tokenizers/video/manifest.json")
    shapes = {"video": tokenizer.tokens, "grid": True, "audio": 8, "channels": CHANNELS}
    shapes |= {"action": latents.details["action"], "pixels": tokenizer.pixels}
    learner = DynamicsLearner(Dynamics(TINY, shapes), TINY, tokenizer).train()
    optimiser = torch.optim.AdamW(learner.parameters(), 3e-3)
    losses = []
    for step in range(8):
        loss, _ = learner(batches[step % 2], Draw(0, step % 2, 0, 4, 4, torch.device("cpu")))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss))
    assert sum(losses[-2:]) < sum(losses[:2]), "the same two batches are predicted better"
    moved = {name for name, value in learner.named_parameters() if value.grad is not None and value.grad.any()}
    assert any("action" in name for name in moved), "the keys are part of what is learned"
