"""Sizes of puzzle codes by arithmetic: numbers of the networks, and bytes that programs hold. Never imports torch."""

from __future__ import annotations

from typing import Any

from sensorium.config.counts import FLOAT, Counts, blocks, linear, recorded, vectors
from sensorium.puzzle.config import (
    CODES,
    PICTURE,
    SIDE,
    JointConfig,
    NextGridConfig,
    PuzzleSettings,
    SightMapConfig,
    SoundListConfig,
    SoundMapConfig,
)

EXAMPLES, JUDGED = 1500, 256  # windows that levels are fitted on, and over which the use of codes is counted
_SOUND, _COLUMNS = 128, 32  # a spectrogram
LEGACY = {"sound": 83_777, "sight": 349_187, "text": 76_896}  # parameters of the presets of earlier work
SENSES, CELLS_A_TOKEN, TOKENS = 3, 18, 50  # grids of a moment; of each, cells of a token, and tokens
DOUBLE = 8  # bytes of a float64
_SOUND_AROUND, _SIGHT_AROUND = 3 * SIDE, 25  # levels that the linear decoder sees


def _block(width: int, kernel: int) -> Counts:
    return vectors(width) + linear(kernel * width, width) + linear(width, width)


def sound_map(config: SoundMapConfig) -> Counts:
    """`SoundMap`."""
    width = config.width
    total = Counts(buffers=2 + (_SOUND_AROUND + 1) * _SOUND)
    total += linear(3 * _SOUND, width) + linear(3 * width, SIDE)
    total += linear(3 * SIDE, width) + linear(3 * width, _SOUND)
    for _ in range(2 * config.blocks):
        total += _block(width, 3)
    return total


def sight_map(config: SightMapConfig, size: int) -> Counts:
    """`SightMap`."""
    width, pixels = config.width, 3 * (size // PICTURE) ** 2
    total = Counts(buffers=2 + (_SIGHT_AROUND + 1) * pixels)
    total += linear(9 * 4 * pixels, width) + linear(9 * width, 4)
    total += linear(9 * 4, width) + linear(9 * width, 4 * pixels)
    for _ in range(2 * config.blocks):
        total += _block(width, 9)
    return total


def sound_list(config: SoundListConfig) -> Counts:
    """`SoundList`."""
    width, seen, digits = config.width, _SOUND * _COLUMNS, SIDE * SIDE
    total = Counts(buffers=seen + digits * seen + 3 * digits)
    total += linear(3 * (_SOUND + 1), width) + linear(3 * width, _SOUND)
    for _ in range(config.blocks):
        total += _block(width, 3)
    return total


def joint(config: JointConfig) -> Counts:
    """`CommonSpace`."""
    dim, width = config.dim, config.width
    total = Counts(others=SENSES * dim * (TOKENS + 1) + 2 * SENSES) + blocks(config, config.layers)
    for _ in range(SENSES):
        total += linear(CELLS_A_TOKEN * CODES, dim)
        total += Counts(others=dim * width * CELLS_A_TOKEN + width)
        total += _cells(width, config.blocks)
    return total + Counts(buffers=SENSES * (CODES * (CODES + 1) ** 3 + SIDE * SIDE * (CODES + 1) * CODES + 1))


def next_grid(config: NextGridConfig, action: dict[str, Any] | None) -> Counts:
    """`NextGrid`."""
    width, total = config.width, Counts(others=2, buffers=2 * CODES * CODES * (CODES + 1) ** 2)
    if action is not None:
        total += linear(action["size"], width, bias=action["kind"] == "continuous")
    total += linear(9 * (2 * CODES + 1), width) + _cells(width, config.blocks)
    for _ in range(config.blocks):
        total += _block(width, 9)
    return total


def _cells(width: int, blocks: int) -> Counts:
    """`CellNetwork`."""
    total = linear(15 * (CODES + 1), width) + linear(width, CODES)
    for _ in range(blocks):
        total += _block(width, 6)
    return total


def models(settings: PuzzleSettings) -> dict[str, Counts]:
    """Folder of each trained model, below results/ -> its numbers."""
    return {
        **{f"puzzle/{sense}_legacy": Counts(others=count) for sense, count in LEGACY.items()},
        "puzzle/sound_list": sound_list(settings.puzzle.sound_list),
        "puzzle/sound": sound_map(settings.puzzle.sound),
        "puzzle/joint": joint(settings.puzzle.joint),
        "puzzle/next": next_grid(settings.puzzle.next, recorded(settings.data).action),
        "puzzle/sight": sight_map(settings.puzzle.sight, picture_size(settings)),
    }


def picture_size(settings: PuzzleSettings) -> int:
    """Height and width of the pictures that are coded."""
    return int((settings.puzzle.sight.data or settings.data).size)


def held(settings: PuzzleSettings) -> dict[str, int]:
    """Rule -> bytes of the arrays that it holds on the host: examples as floats, and copies of them."""
    picture = FLOAT * 3 * picture_size(settings) ** 2
    largest = max(FLOAT * _SOUND * _COLUMNS, picture)
    numbers = _SOUND * _COLUMNS
    fitted = FLOAT * 3 * EXAMPLES * (1 + settings.puzzle.sound_list.copies) * numbers + 4 * DOUBLE * numbers**2
    components = fitted if "sound_list" in settings.puzzle_others() else 0
    return {"train_puzzle": max(4 * (EXAMPLES + JUDGED) * largest, components)}
