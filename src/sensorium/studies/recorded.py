"""Recordings that a study makes for one of its seeds, by the stages of the workflow."""

from __future__ import annotations

import json
from pathlib import Path

from sensorium.config import Section
from sensorium.config.sources import Source
from sensorium.data import collect, index


def record(config: Source, seed: int, folder: Path) -> Path:
    """Collect and index the recordings of a seed; the manifest."""
    section, lists = seeded(config, seed), []
    for number in range(config.shards):
        shard = folder / f"shard-{number:04d}.safetensors"
        collect.main(["--config", section, "--shard", str(number), "--output", str(shard)])
        lists.append(str(shard.with_suffix(".json")))
    index.main(["--config", section, "--shards", *lists, "--output", str(folder / "manifest.json")])
    return folder / "manifest.json"


def seeded(section: Section, seed: int) -> str:
    """Canonical JSON of a section with this seed in place of its own, or of that of its training."""
    values = section.model_dump(mode="json")
    values.get("training", values)["seed"] = seed
    return json.dumps(values, sort_keys=True, separators=(",", ":"))
