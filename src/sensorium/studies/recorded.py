"""Recordings, and their tokens, that a study makes for one of its seeds, by the stages of the workflow."""

from __future__ import annotations

import json
from pathlib import Path

from sensorium.config import LatentsConfig, Section, canonical_json
from sensorium.config.sources import Source
from sensorium.data import collect, index
from sensorium.generation import encode_latents, train_tokenizer
from sensorium.generation.tokenizer_config import VideoTokenizerConfig

DEVICE = ("--device", "cpu", "--threads", "1")


def record(config: Source, seed: int, folder: Path) -> Path:
    """Collect and index the recordings of a seed; the manifest."""
    section, lists = seeded(config, seed), []
    for number in range(config.shards):
        shard = folder / f"shard-{number:04d}.safetensors"
        collect.main(["--config", section, "--shard", str(number), "--output", str(shard)])
        lists.append(str(shard.with_suffix(".json")))
    index.main(["--config", section, "--shards", *lists, "--output", str(folder / "manifest.json")])
    return folder / "manifest.json"


def make_tokens(config: VideoTokenizerConfig, shards: int, seed: int, data: Path, folder: Path) -> tuple[Path, Path]:
    """Train the tokenizer of a seed and encode the recordings of `data` with it.

    Args:
        config: of the tokenizer.
        shards: of the recordings.
        seed: of the training.
        data: manifest of the recordings.
        folder: of both artifacts.

    Returns:
        manifests of the tokenizer and of the tokens.
    """
    tokenizer, latents = folder / "tokenizer/manifest.json", folder / "latents/manifest.json"
    given = ["--config", seeded(config, seed), "--data", str(data), "--output", str(tokenizer.parent)]
    train_tokenizer.main(["video", *given, *DEVICE])
    section, lists = canonical_json(LatentsConfig()), []
    for number in range(shards):
        shard = latents.with_name(f"shard-{number:04d}.safetensors")
        words = ["--config", section, "--data", str(data), "--tokenizer", str(tokenizer), "--shard", str(number)]
        encode_latents.main(["video", *words, "--output", str(shard), *DEVICE])
        lists.append(str(shard.with_suffix(".json")))
    index.main(["--config", section, "--shards", *lists, "--like", str(data), "--output", str(latents)])
    return tokenizer, latents


def seeded(section: Section, seed: int) -> str:
    """Canonical JSON of a section with this seed in place of its own, or of that of its training."""
    values = section.model_dump(mode="json")
    values.get("training", values)["seed"] = seed
    return json.dumps(values, sort_keys=True, separators=(",", ":"))
