"""The learners of puzzle codes, made of tensors without memory, and the passes of a training step (`learners`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from sensorium.config.counts import recorded
from sensorium.planning.fake_stage import Stage, empty
from sensorium.puzzle.common_space import CommonSpace
from sensorium.puzzle.common_space_learner import CommonSpaceLearner
from sensorium.puzzle.config import SIDE
from sensorium.puzzle.grid_clips import FRAMES
from sensorium.puzzle.legacy import CHARACTERS, PRESETS
from sensorium.puzzle.legacy_learner import LegacyLearner
from sensorium.puzzle.list_learner import ListLearner
from sensorium.puzzle.map_learner import MapLearner
from sensorium.puzzle.moments import SENSES
from sensorium.puzzle.next_grid import NextGrid
from sensorium.puzzle.next_grid_learner import NextGridLearner
from sensorium.puzzle.sight_map import SightMap
from sensorium.puzzle.sizes import picture_size
from sensorium.puzzle.sound_list import SoundList
from sensorium.puzzle.sound_map import SoundMap
from sensorium.puzzle.spectrogram import BANDS, COLUMNS
from sensorium.randomness import Draw
from sensorium.settings import Config


def _puzzle_sound(settings: Config) -> Stage:
    learner = MapLearner(SoundMap(settings.puzzle.sound, {}), empty(1, BANDS, COLUMNS))
    return Stage(learner, lambda rows: learner.map(empty(rows, BANDS, COLUMNS)))


def _puzzle_sight(settings: Config) -> Stage:
    size = picture_size(settings)
    learner = MapLearner(SightMap(settings.puzzle.sight, {"size": size}), empty(1, 3, size, size))
    return Stage(learner, lambda rows: learner.map(empty(rows, 3, size, size)))


def _puzzle_joint(settings: Config) -> Stage:
    learner = CommonSpaceLearner(CommonSpace(settings.puzzle.joint, {}))

    def run(rows: int) -> object:
        grids = torch.empty(rows, len(SENSES), SIDE, SIDE, dtype=torch.uint8)
        return learner({"grids": grids}, Draw(0, 0, 0, rows, rows, grids.device))

    return Stage(learner, run)


def _puzzle_next(settings: Config) -> Stage:
    action = recorded(settings.data).action
    learner = NextGridLearner(NextGrid(settings.puzzle.next, {"action": action}), 1.0)

    def run(rows: int) -> object:
        codes = torch.empty(rows, FRAMES, SIDE, SIDE, dtype=torch.int64)
        return learner.next.bits(codes, empty(rows, action["size"]) if action else None)

    return Stage(learner, run)


def _sound_list(settings: Config) -> Stage:
    learner = ListLearner(SoundList(settings.puzzle.sound_list, {}), empty(1, BANDS, COLUMNS))
    return Stage(learner, lambda rows: learner.list.corrected(empty(rows, BANDS, COLUMNS), torch.ones(rows)))


def _legacy(name: str, settings: Config) -> Stage:
    size = picture_size(settings)
    seen = {"sound_legacy": (BANDS, COLUMNS), "sight_legacy": (3, size, size), "text_legacy": (CHARACTERS,)}[name]
    kind = torch.long if name == "text_legacy" else torch.float
    learner = LegacyLearner(PRESETS[name](getattr(settings.puzzle, name), {"size": size}))
    return Stage(learner, lambda rows: learner.code(torch.empty(rows, *seen, dtype=kind)))


PUZZLE_STAGES: dict[str, Callable[[Config], Stage]] = {
    "puzzle/sound": _puzzle_sound,
    "puzzle/sight": _puzzle_sight,
    "puzzle/joint": _puzzle_joint,
    "puzzle/next": _puzzle_next,
    "puzzle/sound_list": _sound_list,
    **{f"puzzle/{name}": partial(_legacy, name) for name in PRESETS},
}
