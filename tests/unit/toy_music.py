"""A small set of songs and a tiny mask, for tests."""

from __future__ import annotations

from pathlib import Path

import torch

from sensorium.config import canonical_json
from sensorium.music.collect_songs import main as collect_songs
from sensorium.music.config import RATE, MaskConfig, SongsConfig
from sensorium.music.mask_learner import MaskLearner
from sensorium.music.mask_network import MaskNetwork
from sensorium.training.learner import Batch, Learner

SONGS = SongsConfig(songs=16, bars=1, tempi=(120, 160), instruments=6, validation_fraction=0.25, test_fraction=0.25)
MASK = MaskConfig(width=4, layers=1, seconds=1.0)


def write_songs(folder: Path) -> Path:
    """Collect the songs by their command; the manifest."""
    collect_songs(["--config", canonical_json(SONGS), "--output", str(folder)])
    return folder / "manifest.json"


def music_mask() -> tuple[Learner, Batch]:
    """The mask, with half a second of noise whose drums are short."""
    stems = torch.randn(6, 4, RATE // 2) * 2000
    stems[:, 0::2] *= (torch.arange(RATE // 2) % 3000 < 300) * 4
    return MaskLearner(MaskNetwork(MASK, {"rate": RATE}), 6.0), {"stems": stems.short()}
