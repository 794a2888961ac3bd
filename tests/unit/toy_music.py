"""A small set of songs, a tiny mask and a tiny cascade, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from sensorium.artifacts import digest, write_manifest
from sensorium.config import Section, Training, canonical_json
from sensorium.models.load import Loadable
from sensorium.music.cascade import Cascade
from sensorium.music.cascade_config import CascadeConfig
from sensorium.music.cascade_learner import CascadeLearner
from sensorium.music.collect_songs import main as collect_songs
from sensorium.music.config import RATE, MaskConfig, MusicTransferConfig, SongsConfig
from sensorium.music.evaluation import music_transfer
from sensorium.music.mask_learner import MaskLearner
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.sizes import LATENTS
from sensorium.training.learner import Batch, Learner

SONGS = SongsConfig(songs=16, bars=1, tempi=(120, 160), instruments=6, validation_fraction=0.25, test_fraction=0.25)
MASK = MaskConfig(width=4, layers=1, seconds=1.0)
SMALL = Training(steps=40, batch=4, warmup=5)
CASCADE = CascadeConfig(dim=16, heads=2, layers=1, reach=6, seconds=0.8, training=SMALL)
SCALE = {"scale": [0.1] * LATENTS}


def write_songs(folder: Path) -> Path:
    """Collect the songs by their command; the manifest."""
    collect_songs(["--config", canonical_json(SONGS), "--output", str(folder)])
    return folder / "manifest.json"


def write_mask(folder: Path, songs: Path) -> Path:
    """The mask with fresh weights, as if it had learned from a set of songs; its manifest."""
    return _write(MaskNetwork, MASK, {"rate": RATE}, folder, songs)


def write_cascade(folder: Path, songs: Path) -> Path:
    """The cascade, likewise."""
    return _write(Cascade, CASCADE, SCALE, folder, songs)


def _write(cls: type[Loadable], config: Section, shapes: dict[str, Any], folder: Path, songs: Path) -> Path:
    torch.manual_seed(5)
    build: Any = cls
    path = folder / "model.safetensors"
    folder.mkdir()
    save_file(build(config, shapes).state_dict(), path)
    write_manifest(
        folder,
        kind=cls.kind,
        section_json=canonical_json(config),
        inputs={"songs": digest(songs)},
        files={"model": path},
        details={"shapes": shapes, "parameters": 1, "steps": 1},
    )
    return folder / "manifest.json"


def judge(made: dict[str, Path], folder: Path, *more: str) -> dict[str, Any]:
    """Evaluate two pairs of each source by the command; the result."""
    argv = ["--config", canonical_json(MusicTransferConfig(pairs=2, seconds=1.4)), "--device", "cpu", "--threads", "1"]
    inputs = ["--songs", str(made["songs"]), "--mask", str(made["mask"])]
    music_transfer.main([*argv, *inputs, "--output", str(folder / "r.json"), "--figure", str(folder / "f.png"), *more])
    return dict(json.loads((folder / "r.json").read_text()))


def music_mask() -> tuple[Learner, Batch]:
    """The mask, with half a second of noise whose drums are short."""
    return MaskLearner(MaskNetwork(MASK, {"rate": RATE}), 6.0), noisy_stems()


def music_cascade() -> tuple[Learner, Batch]:
    """The cascade, with the same."""
    return CascadeLearner(Cascade(CASCADE, SCALE), 6.0), noisy_stems()


def noisy_stems() -> Batch:
    """Half a second of noise whose drums are short."""
    stems = torch.randn(6, 4, RATE // 2) * 2000
    stems[:, 0::2] *= (torch.arange(RATE // 2) % 3000 < 300) * 4
    return {"stems": stems.short()}
