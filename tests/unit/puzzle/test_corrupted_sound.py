"""The sound that ended earlier work, and was then silence with a label: here it is named, counted and left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sensorium.data import collect, index
from sensorium.data.quarantine import BadDataError
from sensorium.data.recording import SPLITS, RecordingSet

NAME = "five/b544d4fd_nohash_0.wav"


def collected(sounds: Path, folder: Path, most_bad: float) -> RecordingSet:
    text = json.dumps(
        {"source": "sound_folders", "path": str(sounds), "recordings": 40, "shards": 1, "max_bad_fraction": most_bad}
    )
    collect.main(["--config", text, "--shard", "0", "--output", str(folder / "shard-0000.safetensors")])
    index.main(
        ["--config", text, "--shards", str(folder / "shard-0000.json"), "--output", str(folder / "manifest.json")]
    )
    return RecordingSet.open(folder / "manifest.json")


def test_a_corrupted_sound_is_quarantined_by_its_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(40):
        path = tmp_path / "sounds" / ("five" if number % 2 else "six") / f"{number:08x}_nohash_0.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.normal(size=16_000), 16_000)
    (tmp_path / "sounds/five/00000001_nohash_0.wav").unlink()
    (tmp_path / "sounds" / NAME).write_bytes(bytes(rng.integers(0, 256, 32_044, dtype=np.uint8)))
    recordings = collected(tmp_path / "sounds", tmp_path / "data", 0.05)
    quarantine = json.loads((tmp_path / "data/manifest.json").read_text())["details"]["quarantine"]
    assert len(quarantine) == 1
    assert NAME in quarantine[0]["reason"]
    assert "Format not recognised" in quarantine[0]["reason"]
    names = [name for split in SPLITS for name in recordings.names(split)]
    assert len(names) == 39
    assert all(np.abs(recordings.field(name, "audio").astype(int)).max() > 0 for name in names)
    with pytest.raises(BadDataError, match="b544d4fd_nohash_0"):
        collected(tmp_path / "sounds", tmp_path / "strict", 0.0)
