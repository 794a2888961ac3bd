"""Tiny maps of sound and of pictures whose corrections are not zero, for tests."""

from __future__ import annotations

import numpy as np
import torch

from sensorium.puzzle.common_space import CommonSpace
from sensorium.puzzle.common_space_learner import CommonSpaceLearner
from sensorium.puzzle.config import (
    SOUND_RATE,
    JointConfig,
    LegacyConfig,
    NextGridConfig,
    SightMapConfig,
    SoundListConfig,
    SoundMapConfig,
)
from sensorium.puzzle.legacy import CHARACTERS, PRESETS
from sensorium.puzzle.legacy_learner import LegacyLearner
from sensorium.puzzle.list_learner import ListLearner
from sensorium.puzzle.map_code import MapCode
from sensorium.puzzle.map_learner import MapLearner
from sensorium.puzzle.next_grid import NextGrid
from sensorium.puzzle.next_grid_learner import NextGridLearner
from sensorium.puzzle.sight_map import SightMap
from sensorium.puzzle.sound_list import SoundList
from sensorium.puzzle.sound_map import SoundMap
from sensorium.training.learner import Batch, Learner

SOUND, SIGHT = SoundMapConfig(width=8, blocks=1), SightMapConfig(width=8, blocks=1)
JOINT = JointConfig(dim=16, heads=2, layers=1, width=8, blocks=1)
NEXT = NextGridConfig(width=8, blocks=1)
LIST = SoundListConfig(width=8, blocks=1)


def sounds(rows: int) -> torch.Tensor:
    """Audio int16 [rows, a second]: noise whose loudness rises and falls, with silence at the end."""
    loud = torch.rand(rows, 20).repeat_interleave(SOUND_RATE // 20, 1)
    loud[:, -SOUND_RATE // 4 :] = 0
    return (loud * torch.randn(rows, SOUND_RATE) * 4000).clamp(-32768, 32767).short()


def pictures(rows: int, size: int = 32) -> torch.Tensor:
    """Video uint8 [rows, 1, size, size, 3]: patches of random colours."""
    colours = torch.randint(256, (rows, 1, 8, 8, 3), dtype=torch.uint8)
    return colours.repeat_interleave(size // 8, 2).repeat_interleave(size // 8, 3)


def fitted(model: MapCode, batch: Batch, corrected: bool = True) -> MapCode:
    """The map with its levels fitted to a batch; `corrected`: with small corrections, as after some steps."""
    model.describe(model.view(batch))
    if corrected:
        for part in (model.encoder, model.decoder):
            for weight in part.parameters():
                weight.data += 0.02 * torch.randn_like(weight)
    return model


def sound_puzzle() -> tuple[Learner, Batch]:
    """The map of sound."""
    batch = {"audio": sounds(6)}
    model = fitted(SoundMap(SOUND, {}), batch)
    return MapLearner(model, model.view(batch)), batch


def sight_puzzle() -> tuple[Learner, Batch]:
    """The map of pictures."""
    batch = {"video": pictures(6)}
    model = fitted(SightMap(SIGHT, {"size": 32}), batch)
    return MapLearner(model, model.view(batch)), batch


def related_grids(rows: int, seed: int = 0) -> np.ndarray:
    """Grids uint8 [rows, 3, 30, 30] of senses that know of each other: one number, now and then, in all three."""
    rng = np.random.default_rng(seed)
    told = rng.integers(1, 10, (rows, 1, 1, 1))
    return np.where(rng.random((rows, 3, 30, 30)) < 0.2, told, 0).astype(np.uint8)


def joint_puzzle() -> tuple[Learner, Batch]:
    """The common space, whose networks add something to its counts."""
    model, grids = CommonSpace(JOINT, {}), related_grids(6)
    model.describe(grids, grids)
    for weight in model.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    return CommonSpaceLearner(model), {"grids": torch.from_numpy(grids)}


def moving_grids(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Clips uint8 [rows, 3, 30, 30] of a block that rests and then goes where the action says; float32 [rows, 2]."""
    rng = np.random.default_rng(seed)
    place, way = rng.integers(8, 20, (rows, 2)), rng.integers(-2, 3, (rows, 2))
    grids = np.full((rows, 3, 30, 30), 2, np.uint8)
    for row in range(rows):
        for frame, (top, left) in enumerate((place[row], place[row], place[row] + way[row])):
            grids[row, frame, top : top + 5, left : left + 5] = 7
    return grids, (way / 2).astype(np.float32)


def next_puzzle() -> tuple[Learner, Batch]:
    """The next grid, whose networks add something to its counts."""
    model, (grids, action) = NextGrid(NEXT, {"action": {"kind": "continuous", "size": 2}}), moving_grids(6)
    model.describe(grids)
    for weight in model.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    return NextGridLearner(model, 1.0), {"grids": torch.from_numpy(grids), "action": torch.from_numpy(action)}


def list_puzzle() -> tuple[Learner, Batch]:
    """The list of sound, with small corrections; its components are drawn, as fitting takes seconds."""
    batch = {"audio": sounds(6)}
    model = SoundList(LIST, {})
    with torch.no_grad():
        model.axes.copy_(torch.linalg.qr(torch.randn(model.axes.shape[1], len(model.axes)))[0].T)
        model.mean += 0.3
        model.ends *= 3
        model.component.copy_(torch.arange(len(model.component)) % 450)
        model.place.copy_(torch.arange(len(model.place)) // 450)
        for weight in model.corrections.parameters():
            weight += 0.02 * torch.randn_like(weight)
    return ListLearner(model, model.view(batch)), batch


def legacy_puzzle(name: str) -> tuple[Learner, Batch]:
    """A preset of earlier work."""
    rows = {"sound_legacy": sounds, "sight_legacy": pictures, "text_legacy": texts}[name](4)
    model = PRESETS[name](LegacyConfig(), {"size": 32})
    return LegacyLearner(model), {model.stream: rows}


def texts(rows: int) -> torch.Tensor:
    """Text uint8 [rows, 128]: few letters, and blanks."""
    return torch.randint(97, 101, (rows, CHARACTERS), dtype=torch.uint8).where(torch.rand(rows, CHARACTERS) < 0.8, 32)
