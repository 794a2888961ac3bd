"""Artifacts of the tiny maps, in the folders that the workflow gives them, for tests of what reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from toy_puzzles import SIGHT, SOUND, fitted, pictures, sounds

from sensorium.artifacts import write_manifest
from sensorium.config import canonical_json
from sensorium.models.load import Loadable
from sensorium.puzzle.sight_map import SightMap
from sensorium.puzzle.sound_map import SoundMap


def write_model(folder: Path, model: Loadable, config: Any, shapes: dict[str, Any]) -> Path:
    """Export a model as a training does; its manifest."""
    folder.mkdir(parents=True)
    file = folder / "model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, file)
    write_manifest(
        folder,
        kind=model.kind,
        section_json=canonical_json(config),
        inputs={},
        files={"model": file},
        details={"shapes": shapes},
    )
    return folder / "manifest.json"


def write_maps(results: Path) -> None:
    """The maps of both senses, with small corrections."""
    torch.manual_seed(0)
    sound = fitted(SoundMap(SOUND, {}), {"audio": sounds(6)})
    sight = fitted(SightMap(SIGHT, {"size": 32}), {"video": pictures(6)})
    write_model(results / "puzzle/sound", sound, SOUND, {})
    write_model(results / "puzzle/sight", sight, SIGHT, {"size": 32})
