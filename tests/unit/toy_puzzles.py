"""Tiny maps of sound and of pictures whose corrections are not zero, for tests."""

from __future__ import annotations

import torch

from sensorium.puzzle.config import SOUND_RATE, LegacyConfig, SightMapConfig, SoundListConfig, SoundMapConfig
from sensorium.puzzle.legacy import CHARACTERS, PRESETS
from sensorium.puzzle.legacy_learner import LegacyLearner
from sensorium.puzzle.list_learner import ListLearner
from sensorium.puzzle.map_code import MapCode
from sensorium.puzzle.map_learner import MapLearner
from sensorium.puzzle.sight_map import SightMap
from sensorium.puzzle.sound_list import SoundList
from sensorium.puzzle.sound_map import SoundMap
from sensorium.training.learner import Batch, Learner

SOUND, SIGHT = SoundMapConfig(width=8, blocks=1), SightMapConfig(width=8, blocks=1)
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
